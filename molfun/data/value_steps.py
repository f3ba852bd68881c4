"""Steps of a recipe that mend what was measured: how numbers are written, their units, replicates, masks of labels."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import pandas as pd

from molfun.data.changes import (
    Change,
    Cleaned,
    added,
    dropped,
    find,
    kept,
    mapped,
    plain_text,
    row_keys,
    same_key,
    shown,
)
from molfun.data.labels import UNKNOWN, is_missing, number, residue_labels
from molfun.data.row_numbers import file_rows
from molfun.data.units import WITH_UNIT, convert, read_unit
from molfun.errors import DataError
from molfun.settings import Settings

BOUND = re.compile(r"\s*[<>≤≥~≈]=?\s*(.+)")
DECIMAL_COMMA = re.compile(r"[-+]?\d+,\d+(?:[eE][-+]?\d+)?")
UNIT = re.compile(r"([-+]?\d+(?:[.,]\d+)?(?:[eE][-+]?\d+)?)\s*(?:[µμunpfkm]?M|%|°?C|kcal/mol|kJ/mol|s|min|h)")
SPREAD = re.compile(r"([-+]?\d*[.,]?\d+(?:[eE][-+]?\d+)?)\s*(?:(?:±|\+/-|\+-)\s*[\d.,]+(?:[eE][-+]?\d+)?|\([\d.,]+\))")
MARK = re.compile(r"([-+]?\d*[.,]?\d+(?:[eE][-+]?\d+)?)\s*(?:[*†‡§#^]+|\s+\(?[a-d]\)?)")
NO = frozenset(("0", "false", "f", "n", "no", "-", "."))


class NumbersStep(Settings):
    """Reads numbers that are written otherwise: decimal commas, units, bounds such as <5, errors (± 0.1), footnotes.

    With `unit` all values are turned into it, from the unit behind each number or in `unit_column`; without, what
    stands behind numbers is left out.
    """

    kind: Literal["numbers"] = "numbers"
    column: str
    read: Literal["commas", "units", "bounds", "spread", "marks"]
    unit: str = ""
    unit_column: str = ""

    def title(self) -> str:
        """Say what it does."""
        if self.unit:
            source = f" by the units in '{self.unit_column}'" if self.unit_column else ""
            return f"Turn the values in '{self.column}' into {self.unit}{source}"
        what = {"commas": "decimal commas as points", "units": "numbers without their units",
                "bounds": "bounds ('<5') as their value", "spread": "means without their errors ('± 0.1')",
                "marks": "numbers without footnote marks ('5*')"}  # fmt: skip
        return f"Read {what[self.read]} in '{self.column}'"

    def apply(self, frame: pd.DataFrame) -> Cleaned:
        """Return the table with numbers where they were meant; other cells stay as they are."""
        if self.unit_column:
            return self._by_column(frame)
        if self.unit:
            return mapped(frame, [self.column], lambda cell: _in_unit(str(cell).strip(), self.unit))
        return mapped(frame, [self.column], lambda cell: _READ_NUMBER[self.read](str(cell).strip()))

    def _by_column(self, frame: pd.DataFrame) -> Cleaned:
        """Turn each number by the unit beside it, which then is the new one."""
        cells, units = find(frame, self.column), find(frame, self.unit_column)
        pairs = [(number(cell), read_unit(plain_text(unit))) for cell, unit in zip(cells, units, strict=True)]
        found = [
            None if value is None or not np.isfinite(value) else convert(value, unit, self.unit)
            for value, unit in pairs
        ]
        after = [cell if value is None else value for cell, value in zip(cells, found, strict=True)]
        named = [unit if value is None else self.unit for unit, value in zip(units, found, strict=True)]
        columns = {self.column: after, self.unit_column: named}
        cleaned = frame.assign(**{name: pd.Series(new, frame.index, dtype=object) for name, new in columns.items()})
        changes = [
            Change(int(row), self.column, f"{shown(cell)} {shown(unit)}", f"{value:.6g} {self.unit}")
            for row, cell, unit, value in zip(file_rows(frame), cells, units, found, strict=True)
            if value is not None and read_unit(plain_text(unit)) != self.unit
        ]
        return kept(cleaned.infer_objects(), frame), changes


def _in_unit(text: str, unit: str) -> str:
    match = WITH_UNIT.fullmatch(text)
    value = number(match[2].replace(",", ".")) if match else None
    turned = convert(value, read_unit(match[3]), unit) if match and value is not None else None
    return text if turned is None or match is None else f"{match[1] or ''}{turned:.12g}"


def _read_comma(text: str) -> str:
    return text.replace(",", ".") if DECIMAL_COMMA.fullmatch(text) else text


def _first_group(pattern: re.Pattern[str]) -> Callable[[str], str]:
    def read(text: str) -> str:
        match = pattern.fullmatch(text)
        return match[1] if match else text

    return read


def _read_bound(text: str) -> str:
    match = BOUND.fullmatch(text)
    value = number(match[1]) if match else None
    return match[1].strip() if match and value is not None and np.isfinite(value) else text


_READ_NUMBER: dict[str, Callable[[str], str]] = {
    "commas": _read_comma, "units": _first_group(UNIT), "bounds": _read_bound, "spread": _first_group(SPREAD),
    "marks": _first_group(MARK),
}  # fmt: skip


class MeanStep(Settings):
    """Makes the column `into` of the mean or median of replicates, over those that have a number."""

    kind: Literal["mean"] = "mean"
    columns: list[str]
    into: str = "mean"
    how: Literal["mean", "median"] = "mean"

    def title(self) -> str:
        """Say what it does."""
        return f"Take the {self.how} of {', '.join(map(repr, self.columns))} as '{self.into}'"

    def apply(self, frame: pd.DataFrame) -> Cleaned:
        """Return the table with the new column; a row without any number has nothing there."""
        values = np.array([[_finite(cell) for cell in find(frame, name)] for name in self.columns], dtype=float)
        found = pd.DataFrame(values.T, index=frame.index).agg(self.how, axis=1)
        before = pd.Series([" ".join(f"{value:.6g}" for value in row) for row in values.T], index=frame.index)
        cleaned, changes = added(frame, self.into, found.to_numpy(), before)
        cleaned[self.into] = cleaned[self.into].astype(float)
        return cleaned, changes


def _finite(cell: Any) -> float:
    value = number(cell)
    return value if value is not None and np.isfinite(value) else float("nan")


class MaskStep(Settings):
    """Takes labels of residues away ('?') where a mask has no: 0, false, no, - or a point."""

    kind: Literal["mask"] = "mask"
    column: str
    mask: str

    def title(self) -> str:
        """Say what it does."""
        return f"Leave residues without label in '{self.column}' where '{self.mask}' says no"

    def apply(self, frame: pd.DataFrame) -> Cleaned:
        """Return the table with masked labels, as lists; a row whose mask has another length stays as it is."""
        masks, cells = find(frame, self.mask), find(frame, self.column)
        after = [_masked(cell, mask) for cell, mask in zip(cells, masks, strict=True)]
        changes = [
            Change(int(row), self.column, shown(cell), f"{new.count(UNKNOWN)} of {len(new)} without label")
            for row, cell, new in zip(file_rows(frame), cells, after, strict=True)
            if isinstance(new, list) and new != residue_labels(cell)
        ]
        cleaned = frame.assign(**{self.column: pd.Series(after, frame.index, dtype=object)})
        return kept(cleaned, frame), changes


def _masked(cell: Any, mask: Any) -> Any:
    labels, counts = residue_labels(cell), residue_labels(mask)
    if labels is None or counts is None or len(labels) != len(counts):
        return cell
    return [UNKNOWN if known.lower() in NO or known == UNKNOWN else label
            for label, known in zip(labels, counts, strict=True)]  # fmt: skip


class MergeStep(Settings):
    """Makes one row of rows with the same sequences and several measured values."""

    kind: Literal["merge"] = "merge"
    columns: list[str]
    target: str
    how: Literal["mean", "median", "drop"] = "mean"

    def title(self) -> str:
        """Say what it does."""
        if self.how == "drop":
            return f"Leave out sequences with several values of '{self.target}'"
        return f"Take the {self.how} of '{self.target}' over rows with the same sequence"

    def apply(self, frame: pd.DataFrame) -> Cleaned:
        """Return the table with one row a sequence, at the place of the first."""
        keys, target = row_keys(frame, self.columns), find(frame, self.target)
        several = keys.duplicated(keep=False).to_numpy(copy=True)
        several[several] = target[several].map(same_key).groupby(keys[several]).transform("nunique").to_numpy() > 1
        if self.how == "drop":
            return dropped(frame, several, self.columns)
        values = target.map(number)
        if values[several].isna().any():
            row = int(file_rows(frame)[several & values.isna().to_numpy()][0])
            raise DataError(
                f"Row {row}, column {self.target!r}: expected a number to merge; leave such rows out first."
            )
        merged = np.zeros(len(frame))
        merged[several] = values[several].astype(float).groupby(keys[several]).transform(self.how)
        first = np.flatnonzero(several & ~keys.duplicated().to_numpy())
        return self._merged(frame, dict(zip(first.tolist(), merged[first].tolist(), strict=True)), several)

    def _merged(self, frame: pd.DataFrame, changed: dict[int, float], several: np.ndarray) -> Cleaned:
        cleaned, target = frame.copy(), frame[self.target]
        cells = target.astype(object).to_numpy(copy=True)
        cells[list(changed)] = list(changed.values())
        cleaned[self.target] = pd.Series(cells, frame.index, dtype=object)
        others = several.copy()
        others[list(changed)] = False
        cleaned, gone = dropped(kept(cleaned, frame), others, self.columns)
        rows, before = file_rows(frame), target.array
        return cleaned, [
            *(Change(int(rows[i]), self.target, shown(before[i]), f"{value:.6g}") for i, value in changed.items()),
            *gone,
        ]


def is_mask(cell: Any) -> bool:
    """Tell whether a cell says yes or no of each residue."""
    labels = residue_labels(cell)
    return not is_missing(cell) and labels is not None and {label.lower() for label in labels} <= NO | {
        "1", "true", "t", "y", "yes", "+"
    }  # fmt: skip
