"""Reads `metrics.jsonl` while it grows: only new bytes, into growing columns. Draws nothing, thins nothing.

Tolerates what a live or killed writer leaves: an absent file, a torn last line, rows of a newer version; and what no
writer of ours leaves: text for numbers, steps beyond all bounds, a line without end.
"""

from __future__ import annotations

import json
from pathlib import Path
from threading import Lock
from typing import Any, BinaryIO, NamedTuple

import pandas as pd

from molfun.plain_files import open_plain, parse_object, read_plain
from molfun.tracking.bulk import parse_lines
from molfun.tracking.columns import read_copy, write_copy
from molfun.tracking.names import EVENTS_NAME, LINE_BYTES, METRICS_NAME, is_count
from molfun.tracking.table import GrowingTable

__all__ = ["EVENTS_NAME", "METRICS_NAME", "MetricsReader", "read_events", "read_metrics"]

CHUNK_BYTES = 1 << 22  # a cold read of a long run never holds more of the file than this at once
EVENTS_BYTES = 1 << 26
BULK_BYTES = 1 << 16  # fewer are read line by line, which is faster then


class Tables(NamedTuple):
    """What a metrics file held at one instant.

    Attributes:
        steps: One row an optimiser step, superseded ones left out.
        epochs: One row an epoch, likewise.
        version: Changes when rows that were there before are gone.
    """

    steps: pd.DataFrame
    epochs: pd.DataFrame
    version: tuple[int, int]


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
        self._generation = 0
        self._reset()

    def _reset(self) -> None:
        self._offset = 0
        self._inode = 0
        self._is_inside_endless = False
        self._tables = {"step": GrowingTable(), "epoch": GrowingTable()}
        self._generation += 1

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

    @property
    def num_cells(self) -> int:
        """How many numbers the tables hold."""
        return sum(table.num_cells for table in self._tables.values())

    def last(self, kind: str) -> dict[str, float]:
        """Return the newest row of "step" or "epoch", without what it lacks; empty where there is none."""
        with self._lock:
            return self._tables[kind].last()

    def tables(self) -> Tables:
        """Return both tables as they are together."""
        with self._lock:
            cuts = sum(table.num_cuts for table in self._tables.values())
            return Tables(self._tables["step"].frame(), self._tables["epoch"].frame(), (self._generation, cuts))

    def write_copy(self) -> None:
        """Write `metrics.parquet`, from which the next reader begins.

        Raises:
            OSError: The disk is full, or the metrics file is gone.
        """
        with self._lock:
            frames = {kind: table.frame() for kind, table in self._tables.items()}
            segments = {kind: table.segment for kind, table in self._tables.items()}
            num_bytes = 0 if self._is_inside_endless else self._offset
        if num_bytes:
            write_copy(self.path, frames, segments, num_bytes)

    def poll(self) -> bool:
        """Read what was added since the last call; a file that shrank or was replaced is read anew.

        Returns:
            Whether the tables changed.
        """
        with self._lock:
            try:
                return self._poll()
            except OSError:
                return False

    def _poll(self) -> bool:
        stat = self.path.stat()
        replaced = self._offset > 0 and (stat.st_size < self._offset or stat.st_ino != self._inode)
        if replaced:
            self._reset()
        if stat.st_size == self._offset:
            return replaced
        is_new = self._inode != stat.st_ino
        self._inode = stat.st_ino
        if is_new and stat.st_size > BULK_BYTES:
            replaced |= self._take_copy()
        with open_plain(self.path) as file:
            return self._read_new(file) or replaced

    def _take_copy(self) -> bool:
        """Begin with the columns that were written beside the file, if there are any."""
        copy = read_copy(self.path)
        if copy is None:
            return False
        for kind, table in self._tables.items():
            if copy.about.rows[kind]:
                table.adopt(copy.columns[kind], copy.about.segments[kind])
        self._offset = copy.about.num_bytes
        return True

    def _read_new(self, file: BinaryIO) -> bool:
        changed, rest = False, b""
        file.seek(self._offset)
        while chunk := file.read(CHUNK_BYTES):
            whole, newline, rest = (rest + chunk).rpartition(b"\n")
            if newline:
                self._offset += len(whole) + 1
                changed |= self._add_lines(whole)
            if len(rest) > LINE_BYTES:
                # The rest of a line without end is passed over, and the next whole line is taken again.
                self._offset += len(rest)
                self._is_inside_endless, rest = True, b""
        return changed

    def _add_lines(self, lines: bytes) -> bool:
        if len(lines) > BULK_BYTES and not self._is_inside_endless:
            parsed = parse_lines(lines)
            if parsed is not None:
                for kind, table in self._tables.items():
                    table.extend(parsed[kind])
                return any(len(columns["step"]) for columns in parsed.values())
        changed = False
        for line in lines.split(b"\n"):
            changed |= self._add(line)
        return changed

    def _add(self, line: bytes) -> bool:
        was_inside_endless, self._is_inside_endless = self._is_inside_endless, False
        if was_inside_endless or len(line) > LINE_BYTES:
            return False
        row = _parse(line)
        if row is None or row.get("kind") not in ("step", "epoch") or not is_count(row.get("step")):
            return False
        self._tables[row["kind"]].append(row)
        return True


def _parse(line: bytes) -> dict[str, Any] | None:
    """Return the object on a line, or None where there is none (a line torn by a killed process)."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) else None


def read_metrics(path: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return (steps, epochs) of a metrics file, both empty where it is absent.

    Args:
        path: Of the file, `metrics.jsonl` in a run's folder.
    """
    reader = MetricsReader(path)
    reader.poll()
    return reader.steps, reader.epochs


def read_events(path: Path) -> list[dict[str, Any]]:
    """Return the events of a run in order, none where the file is absent or no plain file of at most 64 MB.

    Args:
        path: Of the file, `events.jsonl` in a run's folder.
    """
    try:
        lines = read_plain(path, EVENTS_BYTES).split(b"\n")
    except OSError:
        return []
    return [row for row in map(parse_object, lines) if row is not None]
