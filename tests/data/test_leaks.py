"""The leak report: bands, copies, what it says, and that it stays quick."""

from __future__ import annotations

import numpy as np
import pytest

from molfun.data import leaks
from molfun.data.leaks import BANDS, find_leaks
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
    assert report.sentence().startswith("1 of 2 test rows have the very sequence of a training row")
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
        (mutated(12), "100% of the test rows share at least half of their residues"),
        (mutated(18), "No test row shares more than 4"),
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
    monkeypatch.setattr(leaks, "MAX_PAIRS", 400)
    rows, parts = related(100, 0), ["train"] * 40 + ["test"] * 60
    report = find_leaks([rows], parts, seed=1)
    assert (report.is_sample, report.num_test, len(report.nearest)) == (True, 60, 10)
    assert report.nearest.equals(find_leaks([rows], parts, seed=1).nearest)
    whole = find_leaks([rows], ["train"] * 4 + ["test"] * 60 + ["val"] * 36)
    assert not whole.is_sample
