"""The leak report: bands, copies, what it says, and that it stays quick."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from molfun.data import leaks
from molfun.data.leaks import BANDS, find_leaks
from molfun.errors import DataError
from tests.data.test_identity import related

TRAIN = "MKTAYIAKQRQISFVKSHFSRQLEERLGLIEVQ"


def mutated(num: int) -> str:
    """Return the training sequence with so many tryptophans."""
    return "".join("W" if i < num else letter for i, letter in enumerate(reversed(TRAIN)))[::-1]


@pytest.mark.parametrize(
    ("test", "band"),
    [
        (TRAIN, "100 %"),
        (TRAIN[4:20], "100 %"),  # a fragment
        (mutated(1), "95 to 100 %"),
        (mutated(4), "80 to 95 %"),
        (mutated(12), "50 to 80 %"),
        ("DDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDD", "up to 40 %"),
    ],
)
def test_each_test_row_is_in_its_band(test: str, band: str) -> None:
    report = find_leaks([[TRAIN, "WHWHWHWHWHWHWHWHWHWHWHWHWHWHW", test]], ["train", "val", "test"])
    assert {name: count for name, count in report.bands().items() if count} == {band: 1}
    assert report.nearest["nearest"].tolist() == [-1 if band == BANDS[-1][1] else 0]
    assert sum(report.bands().values()) == 1


def test_copies_are_counted_between_all_parts() -> None:
    rows = [TRAIN, TRAIN, TRAIN, "ACDEFGHIKL", "ACDEFGHIKL", "WWWWWWWWWW"]
    report = find_leaks([rows], ["train", "test", "val", "val", "test", "train"])
    assert report.copies == {"test and training": 1, "validation and training": 1, "test and validation": 2}
    assert report.sentence().startswith("1 of 2 test rows has the very sequence of a training row")
    assert report.as_dict()["bands"]["100 %"] == 1


def test_chains_are_compared_together() -> None:
    heavy, light = [TRAIN, TRAIN], ["DDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDD", "WHWHWHWHWHWHWHWHWHWHWHWHWHWHWHWHW"]
    report = find_leaks([heavy, light], ["train", "test"])
    assert report.nearest["identity"].tolist() == [0.5]
    assert report.copies["test and training"] == 0


@pytest.mark.parametrize(
    ("test", "sentence"),
    [
        (mutated(1), "100% of the test rows share at least 95 % of their residues with a training row"),
        (mutated(12), "100% of the test rows share more than half of their residues"),
        (mutated(18), "No test row shares more than 4"),
        ("MKTAYDDDDD", "No test row shares more than 50% of its residues with a training row."),
        ("DDDDDDDDDD", "No test row shares more than 40% of its residues with a training row."),
    ],
)
def test_the_sentence_says_what_the_score_will_mean(test: str, sentence: str) -> None:
    assert find_leaks([[TRAIN, test]], ["train", "test"]).sentence().startswith(sentence)


def test_a_split_without_test_rows_has_nothing_to_leak() -> None:
    report = find_leaks([[TRAIN, TRAIN]], ["train", "val"])
    assert report.sentence() == "There are no test rows, so there will be no test score."
    assert np.isnan(report.share_from(0.5))
    assert report.copies["validation and training"] == 1


def test_of_many_rows_some_are_drawn_and_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leaks, "MAX_STEPS", 1.0)
    monkeypatch.setattr(leaks, "MAX_DRAWN_STEPS", 1.0)
    monkeypatch.setattr(leaks, "FEWEST", 41)
    rows, parts = related(300, 0), ["train"] * 40 + ["test"] * 260
    report = find_leaks([rows], parts, seed=1)
    assert (report.is_sample, report.num_test, len(report.nearest)) == (True, 260, 60)
    assert report.nearest.equals(find_leaks([rows], parts, seed=1).nearest)
    assert report.nearest["row"].is_unique
    half = leaks.MORE_THAN_HALF
    share, (low, high) = report.share_from(half), report.interval_from(half)
    assert f"{share:.0%} of 60 drawn test rows (95 % interval {100 * low:.0f} to {high:.0%})" in report.sentence()
    monkeypatch.undo()
    whole = find_leaks([rows], parts)
    assert not whole.is_sample
    assert whole.interval_from(half) == (whole.share_from(half), whole.share_from(half))
    assert low < whole.share_from(half) < high
    of_row = whole.nearest.set_index("row")["identity"]
    assert report.nearest["identity"].tolist() == of_row[report.nearest["row"]].tolist()


@pytest.mark.parametrize(("found", "low", "high"), [(0, 0.0, 0.0370), (50, 0.4038, 0.5962), (12, 0.0700, 0.1981)])
def test_the_interval_is_wilsons(found: int, low: float, high: float) -> None:
    identity = [0.9] * found + [0.0] * (100 - found)
    report = leaks.LeakReport(pd.DataFrame({"row": range(100), "identity": identity, "nearest": 0}), 1_000_000, {})
    assert report.interval_from(0.5) == pytest.approx((low, high), abs=1e-4)


def test_a_sequence_that_is_too_long_is_named_by_its_place_in_the_table() -> None:
    with pytest.raises(DataError, match="Sequence 3 of the table has 9,000 residues"):
        find_leaks([["ACDEF", "WWWWW", "A" * 9_000]], ["test", "train", "train"])


def test_nothing_found_in_a_sample_is_no_promise() -> None:
    report = leaks.LeakReport(pd.DataFrame({"row": range(100), "identity": 0.0, "nearest": -1}), 1_000_000, {})
    assert report.sentence() == (
        "None of 100 drawn test rows shares more than 40% of its residues with a training row (95 %: of all test rows "
        "at most 3.7% do)."
    )
