"""Mutation scans: every substitution once, the wild type among them, and the grid that is drawn."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from molfun.data.mutations import apply_mutations, parse_mutations
from molfun.data.scan import RESIDUES, clean_wild_type, scan_grid, scan_rows
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


@pytest.mark.parametrize(
    ("wild_type", "doubles", "message"),
    [
        ("MKT", [4], "There is no residue 4; the wild type has 1 to 3"),
        ("M" * 100, range(1, 41), r"The scan would have 283,\d+ rows, the limit is 200,000"),
    ],
)
def test_impossible_scans_are_refused(wild_type: str, doubles: range, message: str) -> None:
    with pytest.raises(DataError, match=message):
        scan_rows(wild_type, doubles=list(doubles))


def test_the_grid_has_changes_and_zero_for_the_wild_type() -> None:
    rows = scan_rows("MK", first_number=0)
    rows["prediction"] = np.arange(len(rows), dtype=float) + 5
    grid, own = scan_grid(rows, "MK", first_number=0)
    assert own == 5.0
    assert grid.shape == (20, 2)
    assert grid.columns.tolist() == [0, 1]
    assert grid.loc["M", 0] == grid.loc["K", 1] == 0.0
    found = dict(zip(rows["mutation"], rows["prediction"], strict=True))
    assert grid.loc["W", 1] == found["K1W"] - 5.0
    gaps, _ = scan_grid(rows[rows["mutation"] != "M0A"], "MK", first_number=0)
    assert np.isnan(gaps.loc["A", 0])
    with pytest.raises(DataError, match="wild type is not among"):
        scan_grid(rows.iloc[1:], "MK", first_number=0)


def test_a_pasted_wild_type_is_cleaned() -> None:
    assert clean_wild_type(">sp|P1\n1 mktay iakqr 10\n11 Q\n") == "MKTAYIAKQRQ"
    with pytest.raises(DataError, match="wild type is missing"):
        clean_wild_type("> only a header\n")
    with pytest.raises(DataError, match="'X' at position 3, which is none of the 20 residues"):
        clean_wild_type("MKX")


def test_values_that_are_no_numbers_are_gaps() -> None:
    rows = pd.DataFrame({"mutation": ["WT", "M1A", "M1C"], "prediction": [1.0, None, 2.0]})
    grid, _ = scan_grid(rows, "M")
    assert np.isnan(grid.loc["A", 1])
    assert grid.loc["C", 1] == 1.0
