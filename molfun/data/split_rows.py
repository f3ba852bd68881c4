"""Splits that deal rows one by one: random, stratified, by a column, by value, by time."""

from __future__ import annotations

import numpy as np
import pandas as pd

from molfun.data.labels import class_name, is_missing, number
from molfun.data.settings import ONE_VALUE_A_ROW, ColumnSettings, SplitSettings
from molfun.data.tables import file_rows
from molfun.errors import DataError, nearest, printable

PARTS = ("train", "val", "test")
LONG_NAMES = {"train": "training", "val": "validation", "test": "test"}
# How public tables name the three parts.
PART_NAMES = {
    "train": "train", "training": "train", "trn": "train",
    "val": "val", "valid": "val", "validation": "val", "dev": "val",
    "test": "test", "testing": "test", "holdout": "test", "heldout": "test",
}  # fmt: skip
NUM_BINS = 10
MAX_SHOWN = 60  # characters of a cell


def find_column(frame: pd.DataFrame, name: str, purpose: str) -> pd.Series:
    """Return a column that a split needs.

    Raises:
        DataError: There is none of that name.
    """
    if name not in frame.columns:
        known = f"; the columns are: {', '.join(map(str, frame.columns))}."
        what = f"is no column {name!r}" if name else "is none"
        raise DataError(f"The split needs a {purpose} column and there {what}{nearest(name, frame.columns) or known}")
    return frame[name]


def split_random(frame: pd.DataFrame, columns: ColumnSettings, split: SplitSettings) -> np.ndarray:
    """Deal rows out in random order."""
    num_rows, random = len(frame), np.random.default_rng(split.seed)
    order = random.permutation(num_rows)
    parts = np.full(num_rows, "train", dtype=object)
    if split.num_folds:
        is_test = np.arange(num_rows) % split.num_folds == split.fold - 1
        num_val = round(num_rows * split.val_fraction)
        parts[order[is_test]], parts[order[~is_test][:num_val]] = "test", "val"
        return parts
    num_test, num_val = round(num_rows * split.test_fraction), round(num_rows * split.val_fraction)
    parts[order[:num_test]] = "test"
    parts[order[num_test : num_test + num_val]] = "val"
    return parts


def split_stratified(frame: pd.DataFrame, columns: ColumnSettings, split: SplitSettings) -> np.ndarray:
    """Deal the rows of each class (or of each tenth of the values) out by the shares, so that parts keep them."""
    if columns.task not in ONE_VALUE_A_ROW:
        raise DataError(
            f"A stratified split needs one class or number a row, which the task {columns.task} does not have; take "
            "random rows."
        )
    strata = _strata(find_column(frame, columns.target, "target"), columns)
    random = np.random.default_rng(split.seed)
    # Rows sorted by stratum and shuffled within; every k-th place belongs to a part, so small strata are dealt fairly.
    order = np.lexsort((random.permutation(len(frame)), strata))
    parts = np.full(len(frame), "train", dtype=object)
    if split.num_folds:
        test = np.arange(len(frame)) % split.num_folds == split.fold - 1
        test_fraction = 1 / split.num_folds
    else:
        test, test_fraction = _every(len(frame), split.test_fraction, random), split.test_fraction
    parts[order[test]] = "test"
    rest = order[~test]
    parts[rest[_every(len(rest), split.val_fraction / (1.0 - test_fraction), random)]] = "val"
    return parts


def _every(num: int, share: float, random: np.random.Generator) -> np.ndarray:
    """Choose a share of places at even distances, bool [num]."""
    places = (np.arange(num) + random.random()) * share
    return np.asarray(np.floor(places + share) > np.floor(places))


def _strata(target: pd.Series, columns: ColumnSettings) -> np.ndarray:
    if columns.task == "classification":
        return np.unique([class_name(cell) for cell in target], return_inverse=True)[1]
    ranks = pd.to_numeric(target, errors="coerce").rank(method="first", na_option="bottom", pct=True)
    return np.asarray(np.ceil(ranks.to_numpy() * NUM_BINS), dtype=int)


def split_by_column(frame: pd.DataFrame, columns: ColumnSettings, split: SplitSettings) -> np.ndarray:
    """Read the part of each row from a column."""
    cells = find_column(frame, split.column, "split")
    parts = cells.map(lambda cell: None if is_missing(cell) else PART_NAMES.get(str(cell).strip().lower()))
    unknown = parts.isna().to_numpy()
    if unknown.any():
        index = int(unknown.argmax())
        raise DataError(
            f"Row {file_rows(frame)[index]}, column {split.column!r}: expected train, val or test, found "
            f"{_shown(cells.iloc[index])}; correct it, or choose another split."
        )
    return np.array(parts, dtype=object)


def split_by_value(frame: pd.DataFrame, columns: ColumnSettings, split: SplitSettings) -> np.ndarray:
    """Test the rows with the highest values (or the lowest); rows of one value stay together."""
    if columns.task != "regression":
        raise DataError("A split by value needs a target of numbers; choose another split for classes.")
    cells = find_column(frame, columns.target, "target")
    values = np.array([number(cell) for cell in cells], dtype=object)
    unknown = np.array([value is None or not np.isfinite(value) for value in values])
    if unknown.any():
        index = int(unknown.argmax())
        raise DataError(
            f"Row {file_rows(frame)[index]}, column {columns.target!r}: expected a number to split by, found "
            f"{_shown(cells.iloc[index])}; correct or remove the row."
        )
    order = values.astype(float) if split.held_out == "high" else -values.astype(float)
    is_test = _last(order, round(len(frame) * split.test_fraction))
    return _with_validation(is_test, split)


def split_by_time(frame: pd.DataFrame, columns: ColumnSettings, split: SplitSettings) -> np.ndarray:
    """Test the newest rows, validate on the newest of the others; rows of one time stay together."""
    times = _times(frame, split.column)
    parts = np.full(len(frame), "train", dtype=object)
    num_test, num_val = (round(len(frame) * share) for share in (split.test_fraction, split.val_fraction))
    parts[_last(times, num_test + num_val)] = "val"
    parts[_last(times, num_test)] = "test"
    return parts


def _times(frame: pd.DataFrame, name: str) -> np.ndarray:
    """Return the time of each row as a number, float64 [rows]: dates, or numbers such as years."""
    cells = find_column(frame, name, "time")
    numbers = [number(cell) if not isinstance(cell, pd.Timestamp) else None for cell in cells]
    if all(value is not None and np.isfinite(value) for value in numbers):
        return np.array(numbers, dtype=float)
    filled = cells.map(lambda cell: None if is_missing(cell) else cell)
    # Times with several zones can be put in order only as those of one.
    dates = pd.to_datetime(filled, errors="coerce", format="mixed", utc=True)
    unknown = dates.isna().to_numpy()
    if unknown.any():
        index = int(unknown.argmax())
        raise DataError(
            f"Row {file_rows(frame)[index]}, column {name!r}: expected a date such as 2024-05-31 or a number, found "
            f"{_shown(cells.iloc[index])}; correct it or remove the row."
        )
    return np.asarray(dates.dt.tz_localize(None).to_numpy().astype("datetime64[ns]").astype(np.int64), dtype=float)


def _shown(cell: object) -> str:
    """Return a cell as a sentence names it."""
    return "nothing" if is_missing(cell) else printable(repr(cell), MAX_SHOWN)


def _last(values: np.ndarray, wanted: int) -> np.ndarray:
    """Choose the rows with the largest values, about `wanted` of them, bool [rows]; equal values are not parted."""
    if not wanted:
        return np.zeros(len(values), dtype=bool)
    distinct, counts = np.unique(values, return_counts=True)
    after = np.cumsum(counts[::-1])[::-1]  # rows from this value on
    return np.asarray(values >= distinct[np.abs(after - wanted).argmin()])


def _with_validation(is_test: np.ndarray, split: SplitSettings) -> np.ndarray:
    """Return parts with validation rows drawn at random from those that are not tested."""
    parts = np.where(is_test, "test", "train").astype(object)
    rest = np.random.default_rng(split.seed).permutation(np.flatnonzero(~is_test))
    parts[rest[: round(len(is_test) * split.val_fraction)]] = "val"
    return parts
