"""Tables of structures: folders, real entries, values joined by name, partners of complexes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from molfun.data.atoms import atom_exists, residue_numbers
from molfun.data.example_structures import COMPLEX, example_names, example_path, example_protein, example_structures
from molfun.data.guess import guess_columns
from molfun.data.proteins import STRUCTURE
from molfun.data.structure_files import read_structure
from molfun.data.structure_tables import join_values, read_structures
from molfun.errors import DataError
from tests.data.odd_structures import cif, helix, pdb

PROTEASE = "PQVTLWQRPLVTIKIGGQLKEALLDTGADDTVLEEMSLPGRWKPKMIGGIGGFIKVRQYDQILIEICGHKAIGTVLVGPTPVNIIGRNLLTQIGATLNF"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two complexes and one protein that is alone, a broken file, and one that is no structure."""
    for name, chains in {"1abc": "HLA", "2XYZ": "HLA", "3def": "A"}.items():
        atoms = [
            atom for i, chain in enumerate(chains) for atom in helix("MKTAY" + "A" * i, chain=chain, shift=30.0 * i)
        ]
        (tmp_path / f"{name}.pdb").write_text(pdb(atoms))
    (tmp_path / "bad.cif").write_text("data_bad\n_entry.id BAD\n")
    (tmp_path / "values.csv").write_text("name,kd\n1abc,1\n")
    return tmp_path


@pytest.mark.parametrize("name", example_names())
def test_real_entries_are_whole(name: str) -> None:
    protein = read_structure(example_path(name))
    exists = atom_exists()
    for chain in protein.chains:
        # No atom that the residue lacks, nearly all that it has, neighbours one bond apart.
        expected = exists[residue_numbers(chain.sequence)]
        assert not (chain.mask & ~expected).any()
        assert chain.mask.sum() > 0.9 * expected.sum()
        bonds = np.linalg.norm(chain.positions[:-1, 2] - chain.positions[1:, 0], axis=1)
        follows = (np.diff(chain.places) == 1) & chain.mask[:-1, 2] & chain.mask[1:, 0]
        assert np.allclose(bonds[follows], 1.33, atol=0.1)
        assert follows.mean() > 0.9


def test_a_real_complex_is_what_its_entry_says() -> None:
    protein = example_protein(COMPLEX)
    assert [(chain.id, len(chain)) for chain in protein.chains] == [("A", 99), ("B", 99)]
    assert protein.chains[1].sequence == PROTEASE
    assert (protein.date, protein.resolution, protein.method) == ("1994-02-14", 1.8, "x-ray diffraction")
    assert protein.columns == ("chain_A", "chain_B")
    # As the first two atoms of the entry say.
    first = [[-12.735, 38.918, 31.287], [-12.709, 39.097, 29.830]]
    np.testing.assert_allclose(protein.chains[0].positions[0, :2], first, atol=1e-5)


def test_examples_have_each_chain_once_and_are_enough_to_train_on() -> None:
    frame = example_structures()
    assert len(frame) >= 10
    assert frame["sequence"].is_unique
    assert frame["num_residues"].between(58, 185).all()
    assert [protein.sequence_of("sequence") for protein in frame[STRUCTURE]] == frame["sequence"].tolist()


def test_a_folder_is_a_table_with_a_column_for_every_chain(folder: Path) -> None:
    frame = read_structures(folder, on_problem="skip")
    assert frame["name"].tolist() == ["1abc", "2XYZ", "3def"]
    assert [name for name in frame if name.startswith("chain_")] == ["chain_H", "chain_L", "chain_A"]
    assert frame.loc[0, ["chain_H", "chain_L", "chain_A"]].tolist() == ["MKTAY", "MKTAYA", "MKTAYAA"]
    assert frame.loc[2, ["chain_H", "chain_L", "chain_A"]].tolist() == ["", "", "MKTAY"]
    assert frame["num_residues"].tolist() == [18, 18, 5]
    ((name, reason),) = frame.attrs["skipped"]
    assert name == "bad.cif"
    assert reason.startswith("bad.cif has no atoms")
    assert guess_columns(frame).sequence == ["chain_A"]


def test_bad_files_are_refused_by_name_unless_they_may_be_skipped(folder: Path) -> None:
    with pytest.raises(DataError, match=r"1 of 4 structures cannot be used; .*\n  bad.cif has no atoms"):
        read_structures(folder)
    (folder / "bad.cif").unlink()
    assert len(read_structures(folder)) == 3
    (folder / "none").mkdir()
    with pytest.raises(DataError, match=r"has no structure; expected files that end in \.pdb, \.ent"):
        read_structures(folder / "none")
    with pytest.raises(DataError, match="There is no readable file"):
        read_structures(folder / "absent")


def test_one_row_a_chain(folder: Path) -> None:
    frame = read_structures([folder / "1abc.pdb", folder / "3def.pdb"], rows="chain")
    assert frame["name"].tolist() == ["1abc_H", "1abc_L", "1abc_A", "3def"]
    assert frame["sequence"].tolist() == ["MKTAY", "MKTAYA", "MKTAYAA", "MKTAY"]
    assert (guess_columns(frame).sequence, guess_columns(frame).target) == (["sequence"], STRUCTURE)


def test_the_same_entry_as_pdb_and_as_mmcif_is_the_same(tmp_path: Path) -> None:
    atoms = helix("MKTAYIAKQR", first=-2)
    (tmp_path / "a.pdb").write_text(pdb(atoms))
    (tmp_path / "b.cif").write_text(cif(atoms))
    first, second = (protein.chains[0] for protein in read_structures(tmp_path)[STRUCTURE])
    for name in ("positions", "mask", "numbers", "insertions", "places", "b_factors"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name), err_msg=name)


def test_values_are_joined_by_name_whatever_its_spelling(folder: Path) -> None:
    frame = read_structures(folder, on_problem="skip")
    table = pd.DataFrame(
        {"pdb": ["2xyz", "9zzz", "1ABC.pdb", "1abc"], "kd": [1.0, 2.0, 3.0, 4.0], "date": list("wxyz")}
    )
    table.attrs["first_row"] = 2
    joined = join_values(frame, table)
    assert joined["name"].tolist() == ["2XYZ", "1abc", "1abc"]
    assert joined["kd"].tolist() == [1.0, 3.0, 4.0]
    assert joined["date of values"].tolist() == ["w", "y", "z"]
    assert joined.attrs["file_rows"] == [2, 4, 5]
    assert joined.attrs["unmatched_rows"] == [3]
    assert joined.attrs["unmatched_files"] == ["3def"]
    guess = guess_columns(joined)
    assert (guess.sequence, guess.target, guess.task) == (["chain_H", "chain_L", "chain_A"], "kd", "regression")
    with pytest.raises(DataError, match=r"Column 'pdb' of the values names none of the 3 structures, e.g. '7abc'"):
        join_values(frame, table.assign(pdb="7abc"))


def test_partners_choose_chains_and_their_order(folder: Path) -> None:
    frame = read_structures(folder, on_problem="skip")
    table = pd.DataFrame(
        {"name": ["1abc", "2xyz"], "partner_1": ["A", "A"], "partner_2": ["LH", "H, L"], "kd": [1.0, 2.0]}
    )
    joined = join_values(frame, table)
    assert joined["partner_1"].tolist() == ["MKTAYAA", "MKTAYAA"]
    assert joined["partner_2"].tolist() == ["MKTAYA" + "MKTAY", "MKTAY" + "MKTAYA"]
    assert [[chain.id for chain in protein.chains] for protein in joined[STRUCTURE]] == [list("ALH"), list("AHL")]
    assert not [name for name in joined if name.startswith("chain_")]
    protein = joined[STRUCTURE][0]
    assert protein.chain_numbers().tolist() == [0] * 7 + [1] * 11
    # One partner's chains are far apart in number, so that nobody takes them for one.
    assert protein.model_numbers()[7:].tolist() == [*range(1, 7), *range(207, 212)]
    assert guess_columns(joined).sequence == ["partner_1", "partner_2"]


@pytest.mark.parametrize(
    ("first", "second", "says"),
    [
        ("A", "X", "Row 1, column 'partner_2': the structure '1abc' has no chain 'X'; it has H, L, A."),
        ("A", "HA", "Row 1, column 'partner_2': chain 'A' stands twice; a chain is of one partner."),
        ("", "A", "Row 1, column 'partner_1': expected chains such as 'A' or 'HL', found none; fill it in."),
    ],
)
def test_partners_that_are_not_there_are_named(folder: Path, first: str, second: str, says: str) -> None:
    frame = read_structures(folder, on_problem="skip")
    table = pd.DataFrame({"name": ["1abc"], "partner_1": [first], "partner_2": [second], "kd": [1.0]})
    with pytest.raises(DataError) as raised:
        join_values(frame, table)
    assert str(raised.value) == says
