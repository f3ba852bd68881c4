"""Sends what a run recorded to one remote tracker, in pieces, each of which the service has taken before the next.

Reads the run folder only, at any time: while the run is at work, when the service is back, or years later.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from molfun.runs.folder import RunFolder
from molfun.runs.remotes import change_cursor, end_of, read_cursor
from molfun.runs.status import RunStatus, run_status
from molfun.tracking.base import BaseTracker, Row, Status
from molfun.tracking.rows import count_lines, read_rows

logger = logging.getLogger("molfun.sender")

UNCERTAIN = ("handed", "is_begun", "link", "error", "failures")
CERTAIN = (*UNCERTAIN, "offset", "has_config", "files", "ended")
ENDS: dict[str, Status] = {"finished": "finished", "stopped": "stopped", "failed": "failed", "lost": "failed"}


class Sender:
    """One run and one remote tracker.

    Args:
        folder: The run.
        name: Of the tracker.
        build: Makes the tracker; it is made anew after every failure.
    """

    def __init__(self, folder: RunFolder, name: str, build: Callable[[], BaseTracker]) -> None:
        self.folder, self.name, self.build = folder, name, build
        self.cursor = read_cursor(folder, name)
        self._tracker: BaseTracker | None = None

    @property
    def is_complete(self) -> bool:
        """Whether the service has everything of a run that is over, its end included."""
        status = run_status(self.folder)
        return status.is_over and self._knows_end(status) and self._num_waiting() == 0

    @property
    def is_certain(self) -> bool:
        """Whether the service is known to have what was sent; of some packages only the end tells."""
        return self._tracker is None or not self._tracker.confirms_at_end

    def step(self) -> bool:
        """Send what is new, one piece of it; return whether there is more to do at once.

        Raises:
            Exception: Whatever the tracker raises; the next call begins where the service was at last.
        """
        try:
            return self._step()
        except BaseException:
            self._tracker, self.cursor = None, read_cursor(self.folder, self.name)
            raise

    def _step(self) -> bool:
        status = run_status(self.folder)  # before the record is read: what a run wrote before its end is then in it
        is_begun = self.folder.metrics_path.exists()
        if status.is_over and self._knows_end(status) and not self._num_waiting():
            return False
        if not (is_begun or status.is_over):
            return False
        tracker = self._open()
        self._send_config(tracker)
        piece = read_rows(self.folder.metrics_path, self.cursor.offset)
        if piece.offset != self.cursor.offset:
            tracker.log_rows(list(self._thinned(piece.rows)))
            tracker.flush()
            self._note(offset=piece.offset, handed=piece.offset)
            return True
        if status.is_over and not self._knows_end(status):
            self._end(tracker, status)
        return False

    def _open(self) -> BaseTracker:
        if self._tracker is None:
            spec, tags = self.folder.spec, list(self.folder.read_amended().get("tags") or [])
            tracker = self.build()
            race = next((tag for tag in tags if tag.startswith("race ")), "")
            tracker.start_run(
                run_id=self.folder.id, name=self.folder.title, group=race, resume=self.cursor.is_begun,
                tags=[*tags, spec.strategy.kind, spec.model.name],
            )  # fmt: skip
            self._tracker = tracker
            # Settings again at every opening: a resume may have another machine, and Langfuse takes them at the end.
            self._note(is_begun=True, has_config=False, link=tracker.link, ended="")
        return self._tracker

    def _send_config(self, tracker: BaseTracker) -> None:
        if self.cursor.has_config:
            return
        tracker.log_config(describe_run(self.folder))
        for path in (self.folder.spec_path, self.folder.parameters_path, self.folder.environment_path):
            self._send_file(tracker, path)
        tracker.flush()
        self._note(has_config=True)

    def _thinned(self, rows: list[Row]) -> Iterator[Row]:
        every = self.folder.spec.tracking.every
        return (row for row in rows if row.kind == "epoch" or row.step % every == 0)

    def _end(self, tracker: BaseTracker, status: RunStatus) -> None:
        tracker.log_summary(scores_of(self.folder.read_scoreboard()))
        self._send_file(tracker, self.folder.scoreboard_path)
        if self.folder.spec.tracking.weights == "best":
            self._send_file(tracker, self.folder.checkpoints / "best")
        tracker.flush()
        tracker.end_run(ENDS[status.status], status.cause if status.status in ("failed", "lost") else "")
        self._tracker = None
        self._note(ended=end_of(status.status, self.folder.read_state()), is_begun=True)
        logger.info("Sent to %s, all of it.", self.name)

    def _send_file(self, tracker: BaseTracker, path: Path) -> None:
        # Only the file's own absence is none of our business: a tracker may miss a file of its own.
        if not path.exists():
            return
        changed = path.stat().st_mtime
        if self.cursor.files.get(path.name) != changed:
            tracker.log_artifact(path, path.name)
            tracker.flush()
            self._note(files={**self.cursor.files, path.name: changed})

    def _note(self, **changes: Any) -> None:
        """Remember what the service has taken, and write it down once that is certain: the proof that it answers."""
        self.cursor = replace(self.cursor, error="", failures=0, **changes)
        values = {name: getattr(self.cursor, name) for name in (CERTAIN if self.is_certain else UNCERTAIN)}
        change_cursor(self.folder, self.name, **values)

    def _knows_end(self, status: RunStatus) -> bool:
        return self.cursor.ended == end_of(status.status, self.folder.read_state())

    def _num_waiting(self) -> int:
        """Return the lines that the service lacks; what a killed writer left of one is none."""
        return count_lines(self.folder.metrics_path, self.cursor.offset)


def describe_run(folder: RunFolder) -> dict[str, Any]:
    """Return what defines a run, for people who look at it elsewhere: settings, how much trains, versions, device."""
    parameters, environment = folder.read_parameters(), folder.read_environment()
    kept = {name: parameters[name] for name in ("total", "trainable") if name in parameters}
    return {**folder.spec.model_dump(mode="json"), "parameters": kept, "environment": environment}


def scores_of(board: dict[str, Any]) -> dict[str, float]:
    """Return the test scores of a scoreboard as one number a name, such as "test_spearman"."""
    scores = (board.get("test") or {}).get("metrics") or {}
    return {f"test_{name}": float(value) for name, value in scores.items() if isinstance(value, int | float)}
