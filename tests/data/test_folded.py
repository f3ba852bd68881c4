"""Predicted structures as arrays and as files that other programs read."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from biotite.structure.io.pdb import PDBFile
from biotite.structure.io.pdbx import CIFFile, get_structure

from molfun.data.example_structures import example_protein
from molfun.data.folded import FoldedProtein, load_folded, write_structures
from molfun.errors import DataError


def folded(name: str = "5pti") -> FoldedProtein:
    """Return a measured structure as if a model had predicted it."""
    protein = example_protein(name)
    positions = np.concatenate([chain.positions for chain in protein.chains])
    size = len(positions)
    sequences = tuple(chain.sequence for chain in protein.chains)
    return FoldedProtein(
        sequences, positions, np.linspace(0, 1, size, dtype=np.float32), np.eye(size, dtype=np.float16)
    )


def test_what_was_saved_is_read_again(tmp_path: Path) -> None:
    before = folded("1hvr")
    before.save(tmp_path / "row_1.npz")
    after = load_folded(tmp_path / "row_1.npz")
    assert after.sequences == before.sequences
    for name in ("positions", "plddt", "contacts"):
        np.testing.assert_array_equal(getattr(after, name), getattr(before, name))
    assert [path.name for path in tmp_path.iterdir()] == ["row_1.npz"]


@pytest.mark.parametrize("name", ["5pti", "1hvr"])
def test_other_programs_read_its_files(name: str) -> None:
    protein = folded(name)
    atoms = protein.atoms()
    from_pdb = PDBFile.read(io.StringIO(protein.to_pdb())).get_structure(1, extra_fields=["b_factor"])
    from_cif = get_structure(CIFFile.read(io.StringIO(protein.to_cif())), 1, extra_fields=["b_factor"])
    for found in (from_pdb, from_cif):
        np.testing.assert_allclose(found.coord, atoms.coord, atol=1e-3)
        np.testing.assert_allclose(found.b_factor, atoms.b_factor, atol=0.01)
        assert found.atom_name.tolist() == atoms.atom_name.tolist()
        assert found.chain_id.tolist() == atoms.chain_id.tolist()
    alphas = atoms[atoms.atom_name == "CA"]
    assert alphas.res_id.tolist() == [n for s in protein.sequences for n in range(1, len(s) + 1)]
    assert atoms.b_factor[-1] == pytest.approx(100)


def test_unknown_residues_have_a_backbone() -> None:
    protein = folded()
    odd = FoldedProtein(("X" * len(protein),), protein.positions, protein.plddt, protein.contacts)
    assert set(odd.atoms().atom_name) == {"N", "CA", "C", "O"}
    assert set(odd.atoms().res_name) == {"UNK"}


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    good = folded()
    path = tmp_path / "row_1.npz"
    good.save(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"row_1\.npz is no predicted structure"):
        load_folded(path)
    FoldedProtein(good.sequences, good.positions[:5], good.plddt, good.contacts).save(path)
    with pytest.raises(DataError, match="do not have the size of its sequences"):
        load_folded(path)


def test_pickled_arrays_are_not_loaded(tmp_path: Path) -> None:
    good, path = folded(), tmp_path / "row_1.npz"
    with path.open("wb") as file:
        np.savez(file, sequences=np.array([{"a": 1}], dtype=object), positions=good.positions, plddt=good.plddt,
                 contacts=good.contacts)  # fmt: skip
    with pytest.raises(DataError, match="is no predicted structure"):
        load_folded(path)


@pytest.mark.parametrize("ending", ["npz", "cif", "pdb"])
def test_a_table_names_its_files(tmp_path: Path, ending: str) -> None:
    found = pd.DataFrame({"prediction": [folded(), None, folded("1hvr")], "problem": ["", "no sequence", ""]})
    table = write_structures(found, tmp_path / "out", ending=ending)
    assert table["prediction"].tolist() == [f"row_1.{ending}", None, f"row_3.{ending}"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [f"row_1.{ending}", f"row_3.{ending}"]
