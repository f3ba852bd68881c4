"""The record that every run keeps: `metrics.jsonl` and `events.jsonl`, written line by line by one process.

Beside them lies `metrics.parquet`, a copy of the metrics as columns: written when the run ends, and for long runs now
and then before. Owns the format. Reading it while it grows is `MetricsReader`'s, in `molfun.tracking.reader`, offered
here as well.
"""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Thread
from typing import Any, TextIO

from typing_extensions import override

from molfun.tracking.base import BaseTracker, Row, Status
from molfun.tracking.reader import EVENTS_NAME, METRICS_NAME, MetricsReader, read_events, read_metrics

__all__ = ["EVENTS_NAME", "METRICS_NAME", "LocalTracker", "MetricsReader", "read_events", "read_metrics"]

logger = logging.getLogger(__name__)
COPY_BYTES = 1 << 23  # of new lines before a copy pays; then a sixteenth more than there was, so that it costs little
# Made once: `json.dumps` makes an encoder a call where one of its options is not the usual one.
_as_json = json.JSONEncoder(allow_nan=False, ensure_ascii=False).encode


class LocalTracker(BaseTracker):
    """Append metrics and events to the run folder; a row is on disk when the call returns, even if the process dies.

    Args:
        folder: The run folder.
        segment: 0 for the first attempt, one more for every resume; rows of a later segment supersede the steps that
            they repeat.
    """

    def __init__(self, folder: Path, *, segment: int = 0) -> None:
        self.folder = folder
        self.segment = segment
        self._files: dict[str, TextIO] = {}
        self._num_bytes, self._num_copied = 0, 0
        self._copying: Thread | None = None

    @override
    def start_run(
        self, run_id: str = "", name: str = "", group: str = "", tags: Sequence[str] = (), resume: bool = False
    ) -> None:
        self.log_event("resume" if resume else "start", run_id=run_id, name=name, group=group, tags=list(tags))

    @override
    def log_config(self, config: Mapping[str, Any]) -> None:
        self.log_event("config", config=config)

    @override
    def log_step(self, metrics: Mapping[str, float], step: int) -> None:
        self._append_metrics("step", metrics, step)

    @override
    def log_metrics(self, metrics: Mapping[str, float], step: int) -> None:
        self._append_metrics("epoch", metrics, step)

    @override
    def log_rows(self, rows: Sequence[Row]) -> None:
        for row in rows:
            self._append_metrics(row.kind, row.metrics, row.step, row.t)

    @override
    def log_artifact(self, path: Path, name: str = "") -> None:
        self.log_event("artifact", path=str(path), name=name or path.name)

    @override
    def log_text(self, text: str, name: str) -> None:
        self.log_event("text", name=name, text=text)

    def log_event(self, kind: str, **fields: Any) -> None:
        """Append one event: its kind, the segment, the time in unix seconds, and `fields`."""
        row = {"kind": kind, "segment": self.segment, "t": round(time.time(), 3)}
        self._append(EVENTS_NAME, _plain({**fields, **row}))

    @override
    def end_run(self, status: Status = "finished", error: str = "") -> None:
        self.log_event("end", status=status, error=error)
        for file in self._files.values():
            file.close()
        self._files.clear()
        if self._copying is not None:
            self._copying.join()
        if self._num_bytes:
            self._copy()

    def _append_metrics(self, kind: str, metrics: Mapping[str, float], step: int, t: float | None = None) -> None:
        now = time.time() if t is None else t
        row = {"kind": kind, "segment": self.segment, "step": int(step), "t": round(now, 3)}
        row.update({name: _number(value) for name, value in metrics.items() if name not in row})
        self._num_bytes += self._append(METRICS_NAME, row)
        if self._num_bytes - self._num_copied > max(COPY_BYTES, self._num_copied // 16):
            self._begin_copy()

    def _begin_copy(self) -> None:
        if self._copying is None or not self._copying.is_alive():
            # Arrow parses and writes while training goes on.
            self._num_copied = self._num_bytes
            self._copying = Thread(target=self._copy, name="metrics-copy", daemon=True)
            self._copying.start()

    def _copy(self) -> None:
        try:
            reader = MetricsReader(self.folder / METRICS_NAME)
            reader.poll()
            reader.write_copy()
        except OSError:
            logger.warning("The copy of the metrics could not be written; the record itself is whole.", exc_info=True)

    def _append(self, name: str, row: Mapping[str, Any]) -> int:
        """Write one line, of what JSON can hold; return how many characters it has."""
        if name not in self._files:
            self._files[name] = _open_lines(self.folder / name)
        return self._files[name].write(_as_json(row) + "\n")


def _open_lines(path: Path) -> TextIO:
    """Open for appending, line buffered; a line torn by a killed process is ended first, so that only it is lost."""
    torn = False
    if path.exists() and path.stat().st_size:
        with path.open("rb") as earlier:
            earlier.seek(-1, 2)
            torn = earlier.read(1) != b"\n"
    # Half characters, as a file name that is no UTF-8 has them, become escapes of JSON.
    file = path.open("a", buffering=1, encoding="utf-8", errors="backslashreplace")
    if torn:
        file.write("\n")
    return file


def _number(value: Any) -> float | None:
    """Return a float, or None for what JSON cannot hold: NaN and the infinities."""
    number = float(value)
    return number if math.isfinite(number) else None


def _plain(value: Any) -> Any:
    """Return `value` as JSON can hold it; unknown types become text."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, Sequence | set | frozenset):
        return [_plain(item) for item in value]
    # NumPy scalars and one-element tensors, without importing either.
    return _plain(value.item()) if getattr(value, "size", None) == 1 and hasattr(value, "item") else str(value)
