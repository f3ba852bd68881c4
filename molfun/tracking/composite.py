"""Several trackers as one. A member that fails is named once in the log and set aside; training never notices."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from typing_extensions import override

from molfun.tracking.base import BaseTracker, Row, Status

logger = logging.getLogger(__name__)


class CompositeTracker(BaseTracker):
    """Hand every call to all members, in order; the local tracker comes first, so that nothing remote delays it."""

    def __init__(self, trackers: Iterable[BaseTracker]) -> None:
        self.trackers = list(trackers)
        self._failed: set[int] = set()

    @property
    def active(self) -> list[BaseTracker]:
        """Members that have not failed."""
        return [tracker for i, tracker in enumerate(self.trackers) if i not in self._failed]

    def _each(self, call: Callable[[BaseTracker], None]) -> None:
        for i, tracker in enumerate(self.trackers):
            if i in self._failed:
                continue
            try:
                call(tracker)
            except Exception as error:  # noqa: BLE001 - whatever a tracking service raises must not end a training
                self._set_aside(i, error)

    def _set_aside(self, i: int, error: Exception) -> None:
        self._failed.add(i)
        name = type(self.trackers[i]).__name__
        logger.warning(
            "%s failed and records nothing more of this run; the run goes on (%s: %s).",
            name,
            type(error).__name__,
            error,
        )

    @override
    def start_run(
        self, run_id: str = "", name: str = "", group: str = "", tags: Sequence[str] = (), resume: bool = False
    ) -> None:
        self._each(lambda tracker: tracker.start_run(run_id, name, group, tags, resume))

    @override
    def log_config(self, config: Mapping[str, Any]) -> None:
        self._each(lambda tracker: tracker.log_config(config))

    @override
    def log_metrics(self, metrics: Mapping[str, float], step: int) -> None:
        self._each(lambda tracker: tracker.log_metrics(metrics, step))

    @override
    def log_step(self, metrics: Mapping[str, float], step: int) -> None:
        self._each(lambda tracker: tracker.log_step(metrics, step))

    @override
    def log_rows(self, rows: Sequence[Row]) -> None:
        self._each(lambda tracker: tracker.log_rows(rows))

    @override
    def log_summary(self, values: Mapping[str, float]) -> None:
        self._each(lambda tracker: tracker.log_summary(values))

    @override
    def log_artifact(self, path: Path, name: str = "") -> None:
        self._each(lambda tracker: tracker.log_artifact(path, name))

    @override
    def log_text(self, text: str, name: str) -> None:
        self._each(lambda tracker: tracker.log_text(text, name))

    @override
    def flush(self) -> None:
        self._each(lambda tracker: tracker.flush())

    @override
    def end_run(self, status: Status = "finished", error: str = "") -> None:
        self._each(lambda tracker: tracker.end_run(status, error))
