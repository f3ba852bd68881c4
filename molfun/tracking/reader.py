"""Reads `metrics.jsonl` while it grows: only new bytes, into growing columns. Draws nothing, thins nothing.

Tolerates what a live or killed writer leaves: an absent file, a torn last line, rows of a newer version.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

METRICS_NAME = "metrics.jsonl"
EVENTS_NAME = "events.jsonl"
CHUNK_BYTES = 1 << 22  # a cold read of a long run never holds more of the file than this at once


class GrowingTable:
    """Rows of one kind in float64 columns that grow by doubling; NaN where a row lacks a value.

    Steps rise within a segment. The first row of a later segment drops all rows from its step on: a resume repeats
    what came after its checkpoint.
    """

    def __init__(self) -> None:
        self.num_rows = 0
        self._segment = 0.0
        self._columns: dict[str, NDArray[np.float64]] = {name: np.empty(256) for name in ("step", "segment", "t")}

    def append(self, row: Mapping[str, Any]) -> None:
        """Add one row of the metrics file."""
        segment = float(row.get("segment") or 0)
        if segment > self._segment:
            self._segment = segment
            steps = self._columns["step"][: self.num_rows]
            self.num_rows = int(np.searchsorted(steps, row["step"], side="left"))
        if self.num_rows == len(self._columns["step"]):
            self._columns = {name: np.concatenate([old, np.empty(len(old))]) for name, old in self._columns.items()}
        for column in self._columns.values():
            column[self.num_rows] = np.nan
        for name, value in row.items():
            self._put(name, value)
        self.num_rows += 1

    def _put(self, name: str, value: Any) -> None:
        if name == "kind" or not (value is None or isinstance(value, int | float)):
            return
        if name not in self._columns:
            self._columns[name] = np.full(len(self._columns["step"]), np.nan)
        self._columns[name][self.num_rows] = np.nan if value is None else value

    def last(self) -> dict[str, float]:
        """Return the newest row without its gaps; empty where there is none."""
        if not self.num_rows:
            return {}
        row = {name: float(column[self.num_rows - 1]) for name, column in self._columns.items()}
        return {name: value for name, value in row.items() if not np.isnan(value)}

    def frame(self) -> pd.DataFrame:
        """Return a copy as a table; `step` and `segment` are int64, `t` is unix seconds, metrics are float64."""
        frame = pd.DataFrame({name: column[: self.num_rows].copy() for name, column in self._columns.items()})
        frame["segment"] = frame["segment"].fillna(0)
        return frame.astype({"step": "int64", "segment": "int64"})


class MetricsReader:
    """Follows one metrics file; safe to share between threads.

    Example:
        reader = MetricsReader(folder.metrics_path)
        if reader.poll():
            draw(reader.steps, reader.epochs)
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = Lock()
        self._reset()

    def _reset(self) -> None:
        self._offset = 0
        self._inode = 0
        self._tables = {"step": GrowingTable(), "epoch": GrowingTable()}

    @property
    def steps(self) -> pd.DataFrame:
        """One row an optimiser step, superseded ones left out."""
        with self._lock:
            return self._tables["step"].frame()

    @property
    def epochs(self) -> pd.DataFrame:
        """One row an epoch, superseded ones left out."""
        with self._lock:
            return self._tables["epoch"].frame()

    def last(self, kind: str) -> dict[str, float]:
        """Return the newest row of "step" or "epoch", without what it lacks; empty where there is none."""
        with self._lock:
            return self._tables[kind].last()

    def poll(self) -> bool:
        """Read what was added since the last call; a file that shrank or was replaced is read anew.

        Returns:
            Whether the tables changed.
        """
        with self._lock:
            try:
                stat = self.path.stat()
            except OSError:
                return False
            replaced = self._offset > 0 and (stat.st_size < self._offset or stat.st_ino != self._inode)
            if replaced:
                self._reset()
            if stat.st_size == self._offset:
                return replaced
            self._inode = stat.st_ino
            return self._read_new() or replaced

    def _read_new(self) -> bool:
        changed, rest = False, b""
        with self.path.open("rb") as file:
            file.seek(self._offset)
            while chunk := file.read(CHUNK_BYTES):
                *lines, rest = (rest + chunk).split(b"\n")
                self._offset += sum(len(line) + 1 for line in lines)
                for line in lines:
                    changed |= self._add(line)
        return changed

    def _add(self, line: bytes) -> bool:
        row = _parse(line)
        if row is None or str(row.get("kind")) not in self._tables or not isinstance(row.get("step"), int):
            return False
        self._tables[row["kind"]].append(row)
        return True


def _parse(line: bytes) -> dict[str, Any] | None:
    """Return the object on a line, or None where there is none (a line torn by a killed process)."""
    try:
        row = json.loads(line)
    except ValueError:
        return None
    return row if isinstance(row, dict) else None


def read_metrics(path: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return (steps, epochs) of a metrics file, both empty where it is absent."""
    reader = MetricsReader(path)
    reader.poll()
    return reader.steps, reader.epochs


def read_events(path: Path) -> list[dict[str, Any]]:
    """Return the events of a run in order, none where the file is absent."""
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError:
        return []
    return [row for row in map(_parse, lines) if row is not None]
