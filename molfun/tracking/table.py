"""Rows of metrics as columns that grow: appended one by one or many at once, handed out without a copy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from molfun.tracking.names import is_count

MAX_COLUMNS = 1_000  # a row names its metrics freely, a table has a column for each
MAX_CELLS = 100_000_000  # 800 MB; a run of a million steps has a fifth
MAX_NAME_CHARACTERS = 200
LARGEST = 3e38  # charts are drawn in float32
WHOLE = ("step", "segment")

Column = NDArray[Any]


def is_name(name: str) -> bool:
    """Tell whether a metric can be called so."""
    return len(name) <= MAX_NAME_CHARACTERS and name.isprintable()


class GrowingTable:
    """Rows of one kind in columns that grow by doubling; NaN where a row lacks a value or has no number.

    Steps rise within a segment. The first row of a later segment drops all rows from its step on: a resume repeats
    what came after its checkpoint.

    Attributes:
        num_rows: Rows so far.
        num_cuts: How often rows were dropped; who follows the table starts anew when this changes.
        segment: The latest.
    """

    def __init__(self) -> None:
        self.num_rows = 0
        self.num_cuts = 0
        self.segment = 0
        self._columns: dict[str, Column] = {
            "step": np.empty(256, np.int64), "segment": np.empty(256, np.int64), "t": np.empty(256),
        }  # fmt: skip

    def append(self, row: Mapping[str, Any]) -> None:
        """Add one row of the metrics file; its step is a count (`is_count`)."""
        segment = row["segment"] if is_count(row.get("segment")) else 0
        self._begin(segment, row["step"])
        if not self._make_room(1):
            return
        for name, column in self._columns.items():
            if name not in WHOLE:
                column[self.num_rows] = np.nan
        self._columns["step"][self.num_rows], self._columns["segment"][self.num_rows] = row["step"], segment
        for name, value in row.items():
            if name not in WHOLE and name != "kind" and (value is None or isinstance(value, int | float)):
                own = self._column(name)
                if own is not None:
                    own[self.num_rows] = value if value is not None and abs(value) <= LARGEST else np.nan
        self.num_rows += 1

    def extend(self, columns: Mapping[str, Column]) -> None:
        """Add many rows at once, as `append` would one after the other.

        Args:
            columns: `step` and `segment` int64 [n], counts; others float64 [n].
        """
        steps, segments = columns["step"], columns["segment"]
        latest = np.maximum.accumulate(np.maximum(segments, self.segment))
        starts = np.flatnonzero(np.diff(latest, prepend=self.segment) > 0)
        for start, end in zip([0, *starts], [*starts, len(steps)], strict=True):
            if end > start:
                self._begin(int(segments[start]), int(steps[start]))
                self._extend({name: values[start:end] for name, values in columns.items()}, end - start)

    def adopt(self, columns: Mapping[str, Column], segment: int) -> None:
        """Begin with the rows of a table like this one, whose latest segment is known; only for one without rows.

        Args:
            columns: As in `extend`, of at least one row; they are not copied, and not written to.
            segment: The latest.
        """
        own = {name: np.full(len(columns["step"]), np.nan) for name in self._columns if name not in columns}
        self._columns = {**own, **{name: _bounded(values) for name, values in columns.items()}}
        self.num_rows, self.segment = len(columns["step"]), segment

    def _extend(self, columns: Mapping[str, Column], num_rows: int) -> None:
        if not self._make_room(num_rows):
            return
        begin, end = self.num_rows, self.num_rows + num_rows
        for name in columns:
            self._column(name)
        for name, column in self._columns.items():
            if name not in columns:
                column[begin:end] = np.nan
            elif name in WHOLE:
                column[begin:end] = columns[name]
            else:
                column[begin:end] = _bounded(columns[name])
        self.num_rows = end

    def _begin(self, segment: int, step: int) -> None:
        """Drop what a later segment repeats."""
        if segment <= self.segment:
            return
        self.segment = segment
        kept = int(np.searchsorted(self._columns["step"][: self.num_rows], step, side="left"))
        if kept < self.num_rows:
            self.num_rows = kept
            self.num_cuts += 1
            # Tables that were handed out still show the rows which are written over from here on.
            self._columns = {name: column.copy() for name, column in self._columns.items()}

    def _make_room(self, num_rows: int) -> bool:
        size = len(self._columns["step"])
        while size < self.num_rows + num_rows:
            size *= 2
        if size * len(self._columns) > MAX_CELLS:
            return False
        if size > len(self._columns["step"]):
            for name, old in self._columns.items():
                self._columns[name] = np.empty(size, old.dtype)
                self._columns[name][: self.num_rows] = old[: self.num_rows]
        return True

    def _column(self, name: str) -> Column | None:
        """Return a column, a new one where there is none of that name; None where it cannot have one."""
        if name not in self._columns:
            if len(self._columns) == MAX_COLUMNS or not is_name(name):
                return None
            self._columns[name] = np.full(len(self._columns["step"]), np.nan)
        return self._columns[name]

    @property
    def num_cells(self) -> int:
        """How many numbers there is room for."""
        return len(self._columns) * len(self._columns["step"])

    def last(self) -> dict[str, float]:
        """Return the newest row without its gaps; empty where there is none."""
        if not self.num_rows:
            return {}
        row = {name: float(column[self.num_rows - 1]) for name, column in self._columns.items()}
        return {name: value for name, value in row.items() if not np.isnan(value)}

    def frame(self) -> pd.DataFrame:
        """Return the rows as a table that stays as it is; `t` is unix seconds, metrics are float64.

        Nothing is copied: it costs the same for a million rows as for one.
        """
        columns = {name: column[: self.num_rows] for name, column in self._columns.items()}
        for column in columns.values():
            column.flags.writeable = False
        return pd.DataFrame(columns, copy=False)


def _bounded(values: Column) -> Column:
    """Return values without what is too large to draw; a copy only where there is any."""
    if values.dtype != np.float64 or not len(values):
        return values
    highest, lowest = values.max(), values.min()
    if np.isnan(highest):  # quicker to ask first where nothing is missing, as in most columns
        highest, lowest = np.fmax.reduce(values), np.fmin.reduce(values)
    if highest <= LARGEST and lowest >= -LARGEST:
        return values
    return np.where(np.abs(values) <= LARGEST, values, np.nan)
