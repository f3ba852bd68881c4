"""Mutation scans as rows: every substitution once, the wild type among them, other chains as they are."""

from __future__ import annotations

from collections.abc import Collection

import pytest

from molfun.data.mutations import apply_mutations, parse_mutations
from molfun.data.scan import RESIDUES, clean_wild_type, scan_rows, scan_size
from molfun.errors import DataError


def test_every_substitution_stands_once_among_the_rows() -> None:
    rows = scan_rows("MKT", first_number=24)
    assert rows["mutation"].iloc[0] == "WT"
    assert len(rows) == 1 + 19 * 3 == rows["sequence"].nunique()
    for text, sequence in zip(rows["mutation"], rows["sequence"], strict=True):
        assert apply_mutations("MKT", parse_mutations(text), 24) == sequence
    assert sorted(RESIDUES) == sorted("ACDEFGHIKLMNPQRSTVWY")


def test_pairs_are_those_of_the_chosen_positions() -> None:
    rows = scan_rows("MKT", doubles=[3, 1, 3], column="heavy")
    pairs = rows[rows["mutation"].str.contains(":")]
    assert len(pairs) == 19 * 19
    assert pairs["mutation"].iloc[0] == "M1G:T3G"
    assert pairs["heavy"].nunique() == 361


def test_chosen_positions_alone_are_exchanged_and_halves_of_pairs_with_them() -> None:
    rows = scan_rows("MKTAY", first_number=10, positions=[11])
    assert rows["mutation"].str.extract(r"(\d+)")[0].dropna().unique().tolist() == ["11"]
    with_pairs = scan_rows("MKTAY", first_number=10, positions=[11], doubles=[13, 14])
    singles = with_pairs[~with_pairs["mutation"].str.contains(":")]
    assert len(singles) == 1 + 19 * 3
    assert len(with_pairs) == 1 + 19 * 3 + 361


def test_other_chains_are_kept_as_they_are() -> None:
    rows = scan_rows("MK", column="heavy", kept={"light": "DIQ"})
    assert rows.columns.tolist() == ["mutation", "heavy", "light"]
    assert set(rows["light"]) == {"DIQ"}
    assert rows["heavy"].nunique() == len(rows)


@pytest.mark.parametrize(
    ("positions", "doubles", "size"),
    [(None, [], 1 + 19 * 5), ([1], [], 20), ([], [2, 3, 4], 1 + 19 * 3 + 3 * 361), (None, [2], 1 + 19 * 5)],
)
def test_the_size_is_known_without_the_rows(
    positions: Collection[int] | None, doubles: Collection[int], size: int
) -> None:
    assert scan_size("MKTAY", positions=positions, doubles=doubles) == size
    assert len(scan_rows("MKTAY", positions=positions, doubles=doubles)) == size


@pytest.mark.parametrize(
    ("wild_type", "asked", "message"),
    [
        ("MKT", {"doubles": [4]}, "There is no residue 4; the wild type has 1 to 3"),
        ("MKT", {"positions": [0, 1]}, "There is no residue 0; the wild type has 1 to 3"),
        ("M" * 100, {"doubles": range(1, 41)}, r"The scan would have 283,\d+ rows, the limit is 200,000"),
    ],
)
def test_impossible_scans_are_refused(wild_type: str, asked: dict[str, Collection[int]], message: str) -> None:
    with pytest.raises(DataError, match=message):
        scan_rows(wild_type, **asked)  # type: ignore[arg-type]


def test_a_pasted_wild_type_is_cleaned() -> None:
    assert clean_wild_type(">sp|P1\n1 mktay iakqr 10\n11 Q\n") == "MKTAYIAKQRQ"
    with pytest.raises(DataError, match="wild type is missing"):
        clean_wild_type("> only a header\n")
    with pytest.raises(DataError, match="'X' at position 3, which is none of the 20 residues"):
        clean_wild_type("MKX")
    with pytest.raises(DataError, match="one wild type, found 2 FASTA records"):
        clean_wild_type(">heavy\nMKT\n>light\nAYI\n")
