"""Effects of a scan: changes from the wild type, means of positions, epistasis worked out by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from molfun.data.effects import mean_effects, pair_effects, pair_grid, single_effects, strongest_pairs
from molfun.data.scan import RESIDUES, scan_rows
from molfun.errors import DataError


def scanned(wild_type: str, **asked: object) -> pd.DataFrame:
    """Return the rows of a scan whose values are numbers that are all different."""
    rows = scan_rows(wild_type, **asked)  # type: ignore[arg-type]
    return rows.assign(prediction=np.random.default_rng(0).permutation(len(rows)) / 7)


def test_the_grid_has_changes_and_zero_for_the_wild_type() -> None:
    rows = scan_rows("MK", first_number=0)
    rows["prediction"] = np.arange(len(rows), dtype=float) + 5
    grid, wild_type, own = single_effects(rows, "MK", first_number=0)
    assert (own, wild_type, grid.shape) == (5.0, "MK", (20, 2))
    assert grid.columns.tolist() == [0, 1]
    assert grid.loc["M", 0] == grid.loc["K", 1] == 0.0
    found = dict(zip(rows["mutation"], rows["prediction"], strict=True))
    assert grid.loc["W", 1] == found["K1W"] - 5.0
    assert np.isnan(single_effects(rows[rows["mutation"] != "M0A"], "MK", first_number=0).grid.loc["A", 0])
    with pytest.raises(DataError, match="wild type is not among"):
        single_effects(rows.iloc[1:], "MK", first_number=0)


def test_positions_that_were_not_scanned_are_no_columns() -> None:
    effects = single_effects(scanned("MKTAY", positions=[2, 5]), "MKTAY")
    assert effects.grid.columns.tolist() == [2, 5]
    assert effects.wild_type == "KY"


def test_values_that_are_no_numbers_are_gaps_and_no_part_of_a_mean() -> None:
    rows = pd.DataFrame({"mutation": ["WT", "M1A", "M1C", "M1D"], "prediction": [1.0, None, 2.0, 5.0]})
    effects = single_effects(rows, "M")
    assert np.isnan(effects.grid.loc["A", 1])
    assert effects.grid.loc["C", 1] == 1.0
    assert mean_effects(effects).tolist() == [2.5]  # of 1 and 4; the wild type's own 0 does not count


def test_epistasis_is_what_a_pair_does_beyond_its_halves() -> None:
    rows = pd.DataFrame({
        "mutation": ["WT", "M-1G", "K0A", "K0C", "M-1G:K0A", "M-1G:K0C"],
        "prediction": [10.0, 11.0, 13.0, 9.0, 14.0, 7.0],
    })  # fmt: skip
    pairs = pair_effects(rows)
    assert pairs.index.tolist() == [4, 5]
    assert pairs[["first", "second", "residues"]].to_numpy().tolist() == [[-1, 0, "GA"], [-1, 0, "GC"]]
    assert pairs["change"].tolist() == [4.0, -3.0]
    assert pairs["epistasis"].tolist() == [0.0, -3.0]  # 4 - 1 - 3, and -3 - 1 - (-1)


def test_effects_that_add_up_have_no_epistasis() -> None:
    rows = scan_rows("MKTAY", doubles=[1, 3, 4])
    dice = np.random.default_rng(0).normal(size=(5, 128))
    rows["prediction"] = [sum(dice[i, ord(letter)] for i, letter in enumerate(own)) for own in rows["sequence"]]
    pairs = pair_effects(rows)
    assert len(pairs) == 3 * 361
    assert np.abs(pairs["epistasis"]).max() < 1e-12


def test_a_half_that_is_missing_leaves_the_epistasis_open() -> None:
    rows = pd.DataFrame({"mutation": ["WT", "M1G", "M1G:K2A"], "prediction": [0.0, 1.0, 2.0]})
    assert np.isnan(pair_effects(rows)["epistasis"].iloc[0])
    assert pair_effects(rows.iloc[:2]).empty


def test_a_pair_of_positions_is_a_grid_with_its_halves() -> None:
    rows = scanned("MKT", doubles=[1, 3])
    effects, pairs = single_effects(rows, "MKT"), pair_effects(rows)
    values = dict(zip(rows["mutation"], rows["prediction"], strict=True))
    grid = pair_grid(pairs, effects, 1, 3, "change")
    assert grid.shape == (20, 20)
    assert grid.notna().all(axis=None)
    assert grid.loc["G", "W"] == pytest.approx(values["M1G:T3W"] - values["WT"])
    assert grid.loc["G", "T"] == pytest.approx(values["M1G"] - values["WT"])
    assert grid.loc["M", "W"] == pytest.approx(values["T3W"] - values["WT"])
    assert grid.loc["M", "T"] == 0.0
    beyond = pair_grid(pairs, effects, 1, 3, "epistasis")
    assert beyond.loc["G", "W"] == pytest.approx(grid.loc["G", "W"] - grid.loc["G", "T"] - grid.loc["M", "W"])
    assert (beyond.loc["M"] == 0).all()
    assert (beyond["T"] == 0).all()


@pytest.mark.parametrize(
    ("by", "chosen"), [("highest", lambda own: own["change"].idxmax()), ("lowest", lambda own: own["change"].idxmin()),
                       ("epistasis", lambda own: own["epistasis"].abs().idxmax())],
)  # fmt: skip
def test_the_overview_has_what_stands_out_at_each_two_positions(by: str, chosen: object) -> None:
    pairs = pair_effects(scanned("MKTA", doubles=[1, 3, 4]))
    strongest = strongest_pairs(pairs, by)
    assert list(zip(strongest["first"], strongest["second"], strict=True)) == [(1, 3), (1, 4), (3, 4)]
    expected = [pairs.loc[chosen(own), "mutation"] for _, own in pairs.groupby(["first", "second"])]  # type: ignore[operator]
    assert strongest["mutation"].tolist() == expected


def test_residues_are_in_the_order_of_the_scan() -> None:
    assert single_effects(scanned("M"), "M").grid.index.tolist() == list(RESIDUES)
