"""Rows below a table that are none of it: notes, legends, and the mean or sum of a column."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd

from molfun.data.labels import is_missing
from molfun.data.row_numbers import file_rows

SUMS = frozenset(
    ("mean", "average", "avg", "sd", "std", "stdev", "st.dev.", "sem", "se", "cv", "%cv", "median", "min", "max",
     "minimum", "maximum", "total", "sum", "count", "n", "range", "mittelwert", "summe", "moyenne")
)  # fmt: skip
SEQUENCE = re.compile(r"[A-Z*\-.\s]{5,}|[a-z*\-.\s]{20,}")
MOST = 50  # rows; more are no footer but another table


def is_footer(frame: pd.DataFrame, sequence: Sequence[str], target: str) -> np.ndarray:
    """Tell of every row whether it stands below the table.

    The last rows are looked at from the end: one is below where its sequence is the name of a sum ("Mean"), or where
    nothing was measured and what stands in the place of the sequence is words, or nothing while other columns have
    some.

    Args:
        frame: Table of `read_table`.
        sequence: Sequence columns; those that the table lacks are passed over.
        target: Target column.

    Returns:
        bool [rows].
    """
    found = np.zeros(len(frame), dtype=bool)
    names = [name for name in sequence if name in frame.columns]
    if not names or target not in frame.columns:
        return found
    for place in range(len(frame) - 1, max(-1, len(frame) - 1 - MOST), -1):
        if not _is_below(frame[names[0]].iloc[place], frame[target].iloc[place], frame.iloc[place]):
            break
        found[place] = True
    # Of a table that is all words something else is wrong.
    return found if found.sum() < min(MOST, len(frame) / 2) else np.zeros(len(frame), dtype=bool)


def _is_below(sequence: object, target: object, row: pd.Series) -> bool:
    text = "" if is_missing(sequence) else str(sequence).strip()
    first = str(row.iloc[0]).strip().lower().rstrip(":")
    if text.lower().rstrip(":=") in SUMS or (not text and first in SUMS):
        return True
    if not is_missing(target):
        return False
    if not text:
        return sum(not is_missing(cell) for cell in row) == 1 and " " in first
    return SEQUENCE.fullmatch(text) is None or (len(text.split()) > 2 and not text.isupper())


def without_footer(frame: pd.DataFrame, sequence: Sequence[str], target: str) -> pd.DataFrame:
    """Return the table without the rows below it, with the row numbers of the file."""
    found = is_footer(frame, sequence, target)
    if not found.any():
        return frame
    rows = file_rows(frame)[~found].tolist()
    kept = frame[~found].reset_index(drop=True)
    kept.attrs = {**frame.attrs, "file_rows": rows}
    return kept
