"""Divides rows into train, val and test: pure functions of the table, the settings and their seed."""

from __future__ import annotations

import numpy as np
import pandas as pd

from molfun.data.labels import class_name, is_missing
from molfun.data.settings import ColumnSettings, SplitSettings
from molfun.data.tables import file_rows
from molfun.errors import DataError, nearest

PARTS = ("train", "val", "test")
LONG_NAMES = {"train": "training", "val": "validation", "test": "test"}
# How public tables name the three parts.
PART_NAMES = {
    "train": "train", "training": "train", "trn": "train",
    "val": "val", "valid": "val", "validation": "val", "dev": "val",
    "test": "test", "testing": "test", "holdout": "test", "heldout": "test",
}  # fmt: skip
NUM_BINS = 10


def assign_splits(frame: pd.DataFrame, columns: ColumnSettings, split: SplitSettings) -> pd.Series:
    """Name the part of every row.

    Args:
        frame: Table of `read_table`.
        columns: Gives the target, for stratified splits.
        split: Kind, shares and seed.

    Returns:
        "train", "val" or "test" a row, with the frame's index, named "split".

    Raises:
        DataError: Shares leave no training rows, a part with a share ends empty, a column is absent, or its values
            name no part.
    """
    if split.val_fraction + split.test_fraction >= 1.0:
        total = split.val_fraction + split.test_fraction
        raise DataError(
            f"Validation and test share add up to {total:g}; expected less than 1, so that training has rows."
        )
    parts = _ASSIGN[split.kind](frame, columns, split)
    _refuse_empty_parts(parts, frame, split)
    return pd.Series(parts, index=frame.index, name="split", dtype=object)


def guess_split(frame: pd.DataFrame) -> SplitSettings:
    """Propose the table's own split column where there is one with train, val and test, else random rows."""
    for name in frame.columns:
        if pd.api.types.is_numeric_dtype(frame[name]):
            continue
        found = {PART_NAMES.get(str(cell).strip().lower()) for cell in frame[name].dropna().map(str).unique()[:10]}
        if None not in found and "train" in found and len(found) > 1:
            shares = {part: 0.1 if part in found else 0.0 for part in ("val", "test")}
            return SplitSettings(kind="column", column=name, val_fraction=shares["val"], test_fraction=shares["test"])
    return SplitSettings()


def _random(frame: pd.DataFrame, columns: ColumnSettings, split: SplitSettings) -> np.ndarray:
    return _shuffled_parts(len(frame), split, np.random.default_rng(split.seed))


def _shuffled_parts(num_rows: int, split: SplitSettings, random: np.random.Generator) -> np.ndarray:
    num_test, num_val = round(num_rows * split.test_fraction), round(num_rows * split.val_fraction)
    parts = np.full(num_rows, "train", dtype=object)
    order = random.permutation(num_rows)
    parts[order[:num_test]] = "test"
    parts[order[num_test : num_test + num_val]] = "val"
    return parts


def _stratified(frame: pd.DataFrame, columns: ColumnSettings, split: SplitSettings) -> np.ndarray:
    """Deal the rows of each class (or of each tenth of the values) out by the shares, so that parts keep them."""
    if columns.task == "per_residue":
        raise DataError(
            "A stratified split needs one class or number a row, per-residue targets have many; take random rows."
        )
    strata = _strata(_column(frame, columns.target, "target"), columns)
    random = np.random.default_rng(split.seed)
    # Rows sorted by stratum and shuffled within; every k-th place belongs to a part, so small strata are dealt fairly.
    order = np.lexsort((random.permutation(len(frame)), strata))
    places = (np.arange(len(frame)) + random.random()) * split.test_fraction
    test = np.floor(places + split.test_fraction) > np.floor(places)
    parts = np.full(len(frame), "train", dtype=object)
    parts[order[test]] = "test"
    rest = order[~test]
    share = split.val_fraction / (1.0 - split.test_fraction)
    places = (np.arange(len(rest)) + random.random()) * share
    parts[rest[np.floor(places + share) > np.floor(places)]] = "val"
    return parts


def _strata(target: pd.Series, columns: ColumnSettings) -> np.ndarray:
    if columns.task == "classification":
        return np.unique([class_name(cell) for cell in target], return_inverse=True)[1]
    ranks = pd.to_numeric(target, errors="coerce").rank(method="first", na_option="bottom", pct=True)
    return np.asarray(np.ceil(ranks.to_numpy() * NUM_BINS), dtype=int)


def _by_column(frame: pd.DataFrame, columns: ColumnSettings, split: SplitSettings) -> np.ndarray:
    cells = _column(frame, split.column, "split")
    parts = cells.map(lambda cell: None if is_missing(cell) else PART_NAMES.get(str(cell).strip().lower()))
    unknown = parts.isna().to_numpy()
    if unknown.any():
        index = int(unknown.argmax())
        cell = "nothing" if is_missing(cells.iloc[index]) else repr(cells.iloc[index])
        raise DataError(
            f"Row {file_rows(frame)[index]}, column {split.column!r}: expected train, val or test, found {cell}."
        )
    return np.array(parts, dtype=object)


def _by_group(frame: pd.DataFrame, columns: ColumnSettings, split: SplitSettings) -> np.ndarray:
    """Give whole groups to parts: in random order, each to the part that lacks most rows."""
    cells = _column(frame, split.column, "group")
    missing = cells.map(is_missing).to_numpy()
    if missing.any():
        row = file_rows(frame)[int(missing.argmax())]
        raise DataError(
            f"Row {row}, column {split.column!r}: expected the row's group, found nothing; fill or remove the row."
        )
    groups, sizes = np.unique([class_name(cell) for cell in cells], return_counts=True)
    wanted = _shares(split)
    if len(groups) < sum(share > 0 for share in wanted.values()):
        raise DataError(f"Column {split.column!r} has {len(groups)} group(s); expected at least one for every part.")
    home = _deal_groups(dict(zip(groups, sizes, strict=True)), wanted, split.seed)
    return np.array([home[class_name(cell)] for cell in cells], dtype=object)


def _deal_groups(sizes: dict[str, int], shares: dict[str, float], seed: int) -> dict[str, str]:
    order = np.random.default_rng(seed).permutation(sorted(sizes))
    lacking = {part: share * sum(sizes.values()) for part, share in shares.items() if share > 0}
    home: dict[str, str] = {}
    for group in order:
        part = max(lacking, key=lambda name: lacking[name])
        home[group] = part
        lacking[part] -= sizes[group]
    for part in lacking:
        if part not in home.values():
            # A small share can lose to larger ones every time; it gets the smallest group of the part with most groups.
            donor = max(PARTS, key=list(home.values()).count)
            home[min((g for g in home if home[g] == donor), key=lambda g: (sizes[g], g))] = part
    return home


def _shares(split: SplitSettings) -> dict[str, float]:
    rest = 1.0 - split.val_fraction - split.test_fraction
    return {"train": rest, "val": split.val_fraction, "test": split.test_fraction}


def _column(frame: pd.DataFrame, name: str, purpose: str) -> pd.Series:
    if name not in frame.columns:
        known = f"; the columns are: {', '.join(map(str, frame.columns))}."
        what = f"is no column {name!r}" if name else "is none"
        raise DataError(f"The split needs a {purpose} column and there {what}{nearest(name, frame.columns) or known}")
    return frame[name]


def _refuse_empty_parts(parts: np.ndarray, frame: pd.DataFrame, split: SplitSettings) -> None:
    for part, share in _shares(split).items():
        if share > 0 and not (parts == part).any():
            advice = "set its share to 0" if part != "train" else "lower the other shares"
            source = (
                f"column {split.column!r} names no row for it"
                if split.kind == "column"
                else f"there are {len(frame)} rows"
            )
            raise DataError(f"The {LONG_NAMES[part]} part ends empty: {source}; add rows or {advice}.")


_ASSIGN = {"random": _random, "stratified": _stratified, "column": _by_column, "group": _by_group}
