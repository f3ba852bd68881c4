"""Divides rows into train, val and test: pure functions of the table, the settings and their seed.

`split_rows` deals rows one by one, `split_groups` keeps together what is related.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from molfun.data import split_groups, split_rows
from molfun.data.settings import ColumnSettings, SplitKind, SplitSettings
from molfun.data.split_rows import LONG_NAMES, PART_NAMES, PARTS
from molfun.errors import DataError

__all__ = ["KINDS", "PARTS", "Kind", "assign_splits", "guess_split"]

Assign = Callable[[pd.DataFrame, ColumnSettings, SplitSettings], np.ndarray]


@dataclass(frozen=True)
class Kind:
    """One way to divide rows.

    Attributes:
        title: As people choose it.
        question: What its test score answers.
        settings: Names of the settings that it reads, beside the shares and the seed.
        has_shares: Whether the test share has an effect.
        has_folds: Whether it can be done in folds.
    """

    title: str
    question: str
    assign: Assign
    settings: tuple[str, ...] = ()
    has_shares: bool = True
    has_folds: bool = False


KINDS: dict[SplitKind, Kind] = {
    "random": Kind(
        "Random rows", "How well are rows predicted that are like the training rows?",
        split_rows.split_random, has_folds=True,
    ),
    "stratified": Kind(
        "Random, same class shares", "As random rows, with the same share of every class (or of low and high values).",
        split_rows.split_stratified, has_folds=True,
    ),
    "identity": Kind(
        "By sequence identity", "How well are proteins predicted that are no relatives of those in training?",
        split_groups.split_by_identity, ("max_identity",), has_folds=True,
    ),
    "position": Kind(
        "By mutated position", "How well are mutations predicted at positions that were never mutated in training?",
        split_groups.split_by_position, ("wild_type",), has_folds=True,
    ),
    "num_mutations": Kind(
        "By number of mutations", "Does what was learned from few mutations hold for more of them?",
        split_groups.split_by_num_mutations, ("max_mutations", "wild_type"), has_shares=False,
    ),
    "value": Kind(
        "Low and high values", "Are better variants recognised than any that training has seen?",
        split_rows.split_by_value, ("held_out",),
    ),
    "time": Kind(
        "By time", "How well are later measurements predicted from earlier ones?", split_rows.split_by_time,
        ("column",),
    ),
    "group": Kind(
        "Groups stay together", "How well are groups predicted of which training has seen no row?",
        split_groups.split_by_group, ("column",), has_folds=True,
    ),
    "column": Kind(
        "A column says", "As the table's makers meant it: a column names the part of each row.",
        split_rows.split_by_column, ("column",), has_shares=False,
    ),
}  # fmt: skip


def assign_splits(frame: pd.DataFrame, columns: ColumnSettings, split: SplitSettings) -> pd.Series:
    """Name the part of every row.

    Args:
        frame: Table of `read_table`.
        columns: Gives the target, for stratified splits, and the sequences, for those by identity and mutation.
        split: Kind, shares and seed.

    Returns:
        "train", "val" or "test" a row, with the frame's index, named "split".

    Raises:
        DataError: Shares leave no training rows, a part with a share ends empty, a column is absent, its values name
            no part, or rows that belong together cannot be divided so.
    """
    kind = KINDS[split.kind]
    _refuse_shares(split, kind)
    parts = kind.assign(frame, columns, split)
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


def _refuse_shares(split: SplitSettings, kind: Kind) -> None:
    if split.num_folds and not kind.has_folds:
        raise DataError(f"The split '{kind.title}' has no folds; set their number to 0 or choose random rows.")
    if split.num_folds == 1 or (split.num_folds and split.fold > split.num_folds):
        raise DataError(
            f"Fold {split.fold} of {split.num_folds} does not exist; expected 2 or more folds, and one of them."
        )
    shares = split_groups.shares(split)
    if shares["train"] <= 0.0:
        total = shares["val"] + shares["test"]
        raise DataError(
            f"Validation and test share add up to {total:g}; expected less than 1, so that training has rows."
        )


def _refuse_empty_parts(parts: np.ndarray, frame: pd.DataFrame, split: SplitSettings) -> None:
    for part, share in split_groups.shares(split).items():
        if share > 0 and not (parts == part).any():
            advice = "set its share to 0" if part != "train" else "lower the other shares"
            source = (
                f"column {split.column!r} names no row for it"
                if split.kind == "column"
                else f"there are {len(frame)} rows"
            )
            raise DataError(f"The {LONG_NAMES[part]} part ends empty: {source}; add rows or {advice}.")
