"""Columns that belong to the target: its replicates, the unit of each row, the mask of labels of residues."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

from molfun.data.labels import is_missing, number, residue_labels
from molfun.data.settings import ColumnSettings
from molfun.data.units import main_unit, read_unit
from molfun.data.value_steps import is_mask

NUMBERED = re.compile(
    r"(.*?)[\s_.-]*(?:(?:bio|tech)?rep(?:licate|l|eat)?|trial|run)?[\s_.#-]*(\d{1,2}|[a-d])", re.IGNORECASE
)
SAYS_REPLICATE = re.compile(
    r"(?:bio|tech)?rep(?:licate|l|eat)?s?[\s_.#-]*(?:\d{1,2}|[a-d])$|trial[\s_.#-]*\d{1,2}$", re.IGNORECASE
)
UNIT_NAME = re.compile(r"(?:.*[\s_.-])?units?", re.IGNORECASE)
MASK_NAME = re.compile(r"mask|resolved|valid|observed|known", re.IGNORECASE)
ALIKE = 0.5  # correlation of columns that measure one thing
MAX_REPLICATES = 12
SAMPLE_ROWS = 2_000


def replicates_of(frame: pd.DataFrame, target: str) -> list[str]:
    """Return the columns that measured what the target measured, itself among them; none where it stands alone.

    They differ by a number or letter at the end of their names, hold numbers, and are alike (correlation 0.5) unless
    their names say that they are replicates.
    """
    own = NUMBERED.fullmatch(target)
    if own is None:
        return []
    stem = own[1].strip().lower()
    names = [str(name) for name in frame.columns
             if (other := NUMBERED.fullmatch(str(name))) and other[1].strip().lower() == stem
             and pd.api.types.is_numeric_dtype(frame[name])]  # fmt: skip
    if target not in names or not 2 <= len(names) <= MAX_REPLICATES:
        return []
    if all(SAYS_REPLICATE.search(name) for name in names):
        return names
    values = frame[names].iloc[:SAMPLE_ROWS].astype(float)
    if not stem or (values.nunique() < 3).any():
        return []
    return names if float(values.corr().min().min()) >= ALIKE else []


def mean_of(frame: pd.DataFrame, names: list[str]) -> str:
    """Return the column that has the mean or median of replicates already, "" where none has or there are none."""
    if not names:
        return ""
    values = frame[names].to_numpy(dtype=float)
    known = np.isfinite(values).all(axis=1)
    for name in frame.columns:
        if name in names or not pd.api.types.is_numeric_dtype(frame[name]) or not known.any():
            continue
        cells = frame[name].to_numpy(dtype=float)[known]
        for found in (values[known].mean(axis=1), np.median(values[known], axis=1)):
            # Somebody rounded it.
            if np.allclose(cells, found, rtol=0.02, atol=1e-9):
                return str(name)
    return ""


def unit_column_of(frame: pd.DataFrame, target: str) -> tuple[str, str]:
    """Return the column that has the unit of each row's number, and the unit that most have; "" where all are the same.

    The second is "" where the units measure different things.
    """
    stem = target.lower()
    for name in frame.columns:
        plain = str(name).lower()
        is_own = UNIT_NAME.fullmatch(plain) and (plain in ("unit", "units") or plain.startswith(stem[:3]))
        if name == target or not is_own or pd.api.types.is_numeric_dtype(frame[name]):
            continue
        units = [read_unit(str(cell)) for cell in frame[name] if not is_missing(cell)]
        if len(set(units) - {""}) > 1:
            return str(name), main_unit(units)
    return "", ""


def mask_of(frame: pd.DataFrame, columns: ColumnSettings) -> str:
    """Return the column whose cells say of each residue whether its label counts, "" where there is none."""
    if columns.task != "per_residue":
        return ""
    for name in frame.columns:
        if name in (columns.target, *columns.sequence) or not MASK_NAME.search(str(name)):
            continue
        pairs = [(cell, text) for cell, text in zip(frame[name], frame[columns.sequence[0]], strict=True)
                 if not is_missing(cell) and not is_missing(text)][:SAMPLE_ROWS]  # fmt: skip
        if pairs and all(is_mask(cell) and len(residue_labels(cell) or []) == len(str(text).strip())
                         for cell, text in pairs):  # fmt: skip
            return str(name)
    return ""


def words_among(cells: pd.Series) -> tuple[int, dict[str, int]]:
    """Return how many cells are numbers, and how often each word stands among them; missing cells are neither."""
    if pd.api.types.is_numeric_dtype(cells):
        return int(cells.notna().sum()), {}
    found = [(cell, number(cell)) for cell in cells if not is_missing(cell)]
    words = pd.Series([str(cell).strip() for cell, value in found if value is None], dtype=object).value_counts()
    return sum(value is not None for _, value in found), {str(word): int(count) for word, count in words.items()}
