"""Folders of structures in specs: found by name, read with or without bad files, joined with values."""

from __future__ import annotations

from pathlib import Path

import pytest

from molfun.adapters.catalog import find_model
from molfun.data.example_structures import FOLDER
from molfun.data.proteins import STRUCTURE
from molfun.data.settings import ColumnSettings, SplitSettings
from molfun.errors import DataError, SettingError
from molfun.runs.plan import read_target, told_spec
from molfun.runs.resolve import read_source, resolve_data
from molfun.runs.spec import DataSource
from tests.data.odd_structures import helix, pdb

ESMFOLD, ESM2 = find_model("esmfold"), find_model("esm2_8m")
SPLIT = SplitSettings(val_fraction=0.2, test_fraction=0.2)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return twelve complexes of chains A and B, and a broken file."""
    path = tmp_path / "complexes"
    path.mkdir()
    for i in range(12):
        atoms = [*helix("MKTAY" + "A" * i), *helix("GSHMLED" + "L" * i, chain="B", shift=12.0)]
        (path / f"c{i}.pdb").write_text(pdb(atoms))
    (path / "broken.pdb").write_text("nothing")
    return path


def test_a_folder_and_a_structure_file_are_named_as_tables_are(folder: Path) -> None:
    assert read_target(str(folder)) == {"data": {"table": str(folder)}}
    assert read_target(str(folder / "c1.pdb")) == {"data": {"table": str(folder / "c1.pdb")}}
    with pytest.raises(SettingError, match="Neither a spec file, an example nor a saved dataset is named"):
        read_target(str(folder / "absent.pdb"))


def test_a_folder_becomes_a_dataset_of_structures(home: Path, folder: Path) -> None:
    with pytest.raises(DataError, match=r"1 of 13 structures cannot be used; .*\n  broken.pdb is no structure"):
        resolve_data(home, DataSource(table=str(folder), split=SPLIT), ESMFOLD)
    data = resolve_data(home, DataSource(table=str(folder), bad_files="skip", split=SPLIT), ESMFOLD)
    assert (data.task, data.columns.sequence, data.name) == ("structure", ["chain_A", "chain_B"], "complexes")
    assert data.structure_of(0).name == "c0"
    # The saved dataset can be read again for any model that knows its letters.
    assert resolve_data(home, DataSource(dataset=data.id), ESM2).id == data.id


def test_values_beside_a_folder_make_a_regression_unless_the_task_is_told(folder: Path, tmp_path: Path) -> None:
    (folder / "broken.pdb").unlink()
    rows = "".join(f"C{i},A,B,{i / 7:.2f}\n" for i in range(12))
    (tmp_path / "values.csv").write_text("pdb,partner_1,partner_2,affinity\n" + rows)
    source = DataSource(table=str(folder), values=str(tmp_path / "values.csv"), split=SPLIT)
    found = read_source(source, ESM2)
    assert (found.columns.sequence, found.columns.target) == (["partner_1", "partner_2"], "affinity")
    assert found.columns.task == "regression"
    told = read_source(source.model_copy(update={"columns": ColumnSettings(task="structure")}), ESMFOLD)
    assert (told.columns.sequence, told.columns.target) == (["partner_1", "partner_2"], STRUCTURE)
    target = read_source(source.model_copy(update={"columns": ColumnSettings(target="affinity")}), ESM2)
    assert (target.columns.sequence, target.columns.task) == (["partner_1", "partner_2"], "regression")


def test_structures_of_different_chains_can_be_rows_of_chains() -> None:
    source = DataSource(table=str(FOLDER))
    with pytest.raises(DataError, match="the structures have no chain of the same name; make every chain a row"):
        read_source(source, ESMFOLD)
    found = read_source(source.model_copy(update={"rows": "chain"}), ESMFOLD)
    assert (found.columns.sequence, found.columns.task, len(found.frame)) == (["sequence"], "structure", 12)


def test_settings_of_structures_are_told_in_the_usual_way(folder: Path) -> None:
    changes = {"data.columns.task": "structure", "data.bad_files": "skip", "data.rows": "chain"}
    spec, _ = told_spec(read_target(str(folder)), changes=changes)
    assert (spec.data.bad_files, spec.data.rows) == ("skip", "chain")
    assert spec.data.columns is not None
    assert spec.data.columns.task == "structure"
