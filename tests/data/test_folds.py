"""Folds test every row once, are judged before any is written, and are the same datasets whoever asks for them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from molfun.data.dataset import list_datasets, load_dataset, save_dataset
from molfun.data.folds import fold_splits, refold, save_folds
from molfun.data.settings import ColumnSettings, SplitSettings
from molfun.errors import DataError
from tests.data.test_hard_splits import COLUMNS, scan, singles, table_of
from tests.data.test_identity import related

CLASSES = ColumnSettings(sequence=["sequence"], target="kind", task="classification")
LABELS = ColumnSettings(sequence=["sequence"], target="labels", task="per_residue")


@pytest.fixture
def frame() -> pd.DataFrame:
    """Return 60 proteins of 12 families with a number, a class, and a label a residue."""
    sequences = related(60, 0, families=12)
    kinds = [("10", "2", "9")[i % 3] for i in range(60)]
    labels = [("HE?" * 100)[: len(sequence)] for sequence in sequences]
    return table_of(sequences, kind=kinds, family=[f"f{i % 7}" for i in range(60)], labels=labels)


@pytest.mark.parametrize(
    ("kind", "columns"),
    [("random", COLUMNS), ("random", LABELS), ("stratified", CLASSES), ("identity", COLUMNS), ("group", COLUMNS)],
)
def test_every_row_is_tested_once_a_repeat(
    kind: str, columns: ColumnSettings, frame: pd.DataFrame, tmp_path: Path
) -> None:
    split = SplitSettings.parse({"kind": kind, "num_folds": 3, "column": "family", "fold": 2, "seed": 4})
    folds = save_folds(tmp_path, frame, columns, split, name="Few", repeats=2)
    assert [(one.split.seed, one.split.fold) for one in folds] == [(4, 1), (4, 2), (4, 3), (5, 1), (5, 2), (5, 3)]
    assert [one.name for one in folds][2:4] == ["Few, fold 3 of 3", "Few, repeat 2, fold 1 of 3"]
    assert len({one.id for one in folds}) == 6
    assert len({one.about["table"] for one in folds}) == 1
    for repeat in (folds[:3], folds[3:]):
        tested = [row for one in repeat for row in one.part("test")["row"]]
        assert sorted(tested) == list(range(2, 62))


def test_folds_of_positions_test_every_row_with_a_mutation(tmp_path: Path) -> None:
    frame = scan([*singles()[:40], "WT", "WT"])
    folds = save_folds(tmp_path, frame, COLUMNS, SplitSettings(kind="position", num_folds=4), name="Scan")
    tested = sorted(row for one in folds for row in one.part("test")["row"])
    assert tested == list(range(2, 42))


@pytest.mark.parametrize(("kind", "columns"), [("random", LABELS), ("stratified", CLASSES), ("identity", COLUMNS)])
def test_a_saved_dataset_has_the_folds_of_its_table(
    kind: str, columns: ColumnSettings, frame: pd.DataFrame, tmp_path: Path
) -> None:
    split = SplitSettings.parse({"kind": kind, "num_folds": 3})
    told = save_folds(tmp_path, frame, columns, split, name="Few", repeats=2)
    assert [one.id for one in refold(tmp_path, told[1], 3, repeats=2)] == [one.id for one in told]
    whole = save_dataset(tmp_path, frame, columns, split.model_copy(update={"num_folds": 0}), name="Few")
    assert "table" not in whole.about
    assert [one.id for one in refold(tmp_path, whole, 3)] == [one.id for one in told[:3]]


def test_folds_by_a_column_are_found_where_they_were_saved(frame: pd.DataFrame, tmp_path: Path) -> None:
    split = SplitSettings(kind="group", column="family", num_folds=3)
    told = save_folds(tmp_path, frame, COLUMNS, split, name="Few")
    assert [one.id for one in refold(tmp_path, told[2], 3)] == [one.id for one in told]
    with pytest.raises(DataError, match=r"column 'family' of the table, which is not kept .*, and 3 of the 6 folds"):
        refold(tmp_path, told[2], 3, repeats=2)


@pytest.mark.parametrize(
    ("split", "repeats", "message"),
    [
        ({"kind": "value", "num_folds": 3}, 1, "'Low and high values' has no folds; choose one of random, stratified"),
        ({"num_folds": 1}, 1, "expected 2 or more folds"),
        ({"num_folds": 3}, 11, "11 repeats were asked for; expected 1 to 10"),
        ({"kind": "group", "column": "family", "num_folds": 7}, 1, r"has 7 group\(s\); expected"),
        (
            {"kind": "group", "column": "half", "num_folds": 2, "val_fraction": 0},
            2,
            "Of 2 repeats only 1 deal the rows",
        ),
    ],
)
def test_folds_that_cannot_be_are_refused_before_any_is_written(
    split: dict[str, object], repeats: int, message: str, frame: pd.DataFrame, tmp_path: Path
) -> None:
    frame["half"] = np.arange(60) % 2
    with pytest.raises(DataError, match=message):
        save_folds(tmp_path, frame, COLUMNS, SplitSettings.parse(split), name="Few", repeats=repeats)
    assert list_datasets(tmp_path) == []


@pytest.mark.parametrize("value", [1.0, 0.1])  # the mean of six 0.1 is not 0.1
def test_a_fold_without_anything_to_learn_forbids_all(value: float, tmp_path: Path) -> None:
    frame = table_of(related(12, 1, families=3), half=[0] * 6 + [1] * 6).assign(y=[value] * 6 + [*range(6)])
    split = SplitSettings(kind="group", column="half", num_folds=2, val_fraction=0)
    with pytest.raises(DataError, match=f"All 6 training rows have the same value {value:g} in"):
        save_folds(tmp_path, frame, COLUMNS, split, name="Few")
    assert list_datasets(tmp_path) == []


def test_folds_are_read_back_with_the_name_that_they_share(frame: pd.DataFrame, tmp_path: Path) -> None:
    (first, *_) = save_folds(tmp_path, frame, COLUMNS, SplitSettings(num_folds=5), name="Few", about={"source": "a"})
    read = load_dataset(tmp_path, first.id)
    assert (read.about["folds_of"], read.about["source"]) == ("Few", "a")
    assert len(fold_splits(read.split, repeats=3)) == 15
