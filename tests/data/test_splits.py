"""Splits: shares, seeds, groups, and refusals."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from molfun.data.settings import ColumnSettings, SplitSettings
from molfun.data.splits import assign_splits
from molfun.errors import DataError

COLUMNS = ColumnSettings(sequence=["seq"], target="y", task="classification")
FRAME = pd.DataFrame(
    {"seq": ["ACDEF"] * 100, "y": ["rare"] * 10 + ["common"] * 90, "family": [f"f{i // 5}" for i in range(100)]}
)


def counts(parts: pd.Series) -> dict[str, int]:
    return parts.value_counts().to_dict()


@pytest.mark.parametrize("kind", ["random", "stratified"])
def test_assign_splits_keeps_shares_and_depends_on_the_seed_alone(kind):
    split = SplitSettings(kind=kind, seed=3)
    parts = assign_splits(FRAME, COLUMNS, split)
    assert counts(parts) == {"train": 70, "val": 10, "test": 20}
    assert parts.name == "split"
    assert parts.equals(assign_splits(FRAME, COLUMNS, split))
    assert not parts.equals(assign_splits(FRAME, COLUMNS, SplitSettings(kind=kind, seed=4)))


@pytest.mark.parametrize("seed", range(5))
def test_stratified_split_keeps_class_shares(seed):
    parts = assign_splits(FRAME, COLUMNS, SplitSettings(kind="stratified", seed=seed))
    assert counts(parts[FRAME["y"] == "rare"]) == {"train": 7, "val": 1, "test": 2}


def test_stratified_split_spreads_numbers():
    frame = pd.DataFrame({"seq": ["ACD"] * 100, "y": range(100)})
    columns = ColumnSettings(sequence=["seq"], target="y")
    test = frame["y"][assign_splits(frame, columns, SplitSettings(kind="stratified")) == "test"]
    assert (test // 10).value_counts().tolist() == [2] * 10


@given(
    sizes=st.lists(st.integers(1, 30), min_size=3, max_size=40),
    seed=st.integers(0, 1000),
    val=st.floats(0.05, 0.4),
    test=st.floats(0.05, 0.4),
)
def test_group_split_never_parts_a_group_and_fills_every_part(sizes, seed, val, test):
    groups = [f"g{i}" for i, size in enumerate(sizes) for _ in range(size)]
    frame = pd.DataFrame({"seq": ["ACD"] * len(groups), "y": 1.0, "group": groups})
    split = SplitSettings(kind="group", column="group", seed=seed, val_fraction=val, test_fraction=test)
    parts = assign_splits(frame, ColumnSettings(sequence=["seq"], target="y"), split)
    assert parts.groupby(frame["group"]).nunique().max() == 1
    assert set(parts) == {"train", "val", "test"}


def test_group_split_comes_near_its_shares():
    parts = assign_splits(FRAME, COLUMNS, SplitSettings(kind="group", column="family"))
    assert counts(parts) == {"train": 70, "val": 10, "test": 20}


def test_column_split_reads_common_names():
    frame = FRAME.assign(set=["Training", " valid", "TEST", "dev"] * 25)
    parts = assign_splits(frame, COLUMNS, SplitSettings(kind="column", column="set"))
    assert parts[:4].tolist() == ["train", "val", "test", "val"]


@pytest.mark.parametrize(
    ("split", "message"),
    [
        ({"kind": "column", "column": "y"}, "Row 2, column 'y': expected train, val or test, found 'rare'"),
        ({"kind": "column", "column": "famly"}, "no column 'famly', did you mean 'family'"),
        ({"kind": "column"}, "The split needs a split column and there is none; the columns are: seq, y, family"),
        ({"kind": "group", "column": "one"}, r"Column 'one' has 1 group\(s\); expected at least one for every part"),
        ({"kind": "column", "column": "half"}, "The validation part ends empty: column 'half' names no row for it"),
        ({"val_fraction": 0.001}, "The validation part ends empty: there are 100 rows; add rows or set its share to 0"),
        ({"val_fraction": 0.5, "test_fraction": 0.5}, "share add up to 1; expected less than 1"),
        ({"val_fraction": 0.5, "test_fraction": 0.499}, "The training part ends empty"),
    ],
)
def test_assign_splits_refuses_the_impossible(split, message):
    frame = FRAME.assign(one="same", half=["train", "test"] * 50)
    frame.attrs["first_row"] = 2
    with pytest.raises(DataError, match=message):
        assign_splits(frame, COLUMNS, SplitSettings(**split))


@pytest.mark.parametrize(
    ("kind", "text"), [("column", "expected train, val or test, found nothing"), ("group", "found nothing")]
)
def test_assign_splits_names_the_row_without_a_value(kind, text):
    frame = FRAME.assign(part=["train", "val", "test", None] * 25)
    with pytest.raises(DataError, match=f"Row 4, column 'part': .*{text}"):
        assign_splits(frame, COLUMNS, SplitSettings(kind=kind, column="part"))


@pytest.mark.parametrize("task", ["per_residue", "structure"])
def test_stratified_split_needs_one_value_a_row(task):
    columns = ColumnSettings(sequence=["seq"], target="y", task=task)
    with pytest.raises(DataError, match=f"one class or number a row, which the task {task} does not have; take random"):
        assign_splits(FRAME, columns, SplitSettings(kind="stratified"))


def test_a_part_without_share_may_be_empty():
    parts = assign_splits(FRAME, COLUMNS, SplitSettings(val_fraction=0.0, test_fraction=0.1))
    assert counts(parts) == {"train": 90, "test": 10}
