"""Any tracker behind a bounded queue and a thread: `fit` hands rows over and goes on, whatever the service does.

Runs of Molfun do not need it: their senders are processes of their own (`molfun.runs.sender_process`). This is for
`fit` in a script or a notebook, which puts it before every tracker that speaks to a service (`without_waiting`).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from queue import Full, Queue
from threading import Thread
from typing import Any

from typing_extensions import override

from molfun.tracking.base import BaseTracker, Row, Status
from molfun.tracking.composite import CompositeTracker

logger = logging.getLogger(__name__)
Call = Callable[[BaseTracker], None]
MAX_CALLS = 10_000
END_SECONDS = 30.0


class BackgroundTracker(BaseTracker):
    """Let a thread call another tracker. Calls beyond the bound of the queue are dropped and counted, never waited for.

    Args:
        tracker: Does the work; where it fails, it is named once in the log and set aside.
        max_calls: How many calls may wait.
        end_seconds: How long `end_run` waits for what is left.

    Attributes:
        num_dropped: Calls for which there was no room, or that came after a failure.

    Example:
        with BackgroundTracker(MLflowTracker(uri="http://127.0.0.1:5000")) as tracker:
            strategy.fit(model, loader, tracker=tracker)
    """

    def __init__(self, tracker: BaseTracker, *, max_calls: int = MAX_CALLS, end_seconds: float = END_SECONDS) -> None:
        self.tracker = tracker
        self.end_seconds = end_seconds
        self.num_dropped = 0
        self._has_failed = False
        self._queue: Queue[Call | None] = Queue(max_calls)
        # A daemon: a package that hangs must not keep the program from ending.
        self._thread = Thread(target=self._work, name="tracker", daemon=True)
        self._thread.start()

    def _work(self) -> None:
        while (call := self._queue.get()) is not None:
            if self._has_failed:
                self.num_dropped += 1
                continue
            try:
                call(self.tracker)
            except Exception as error:  # noqa: BLE001 - whatever a service raises must not end a training
                self._has_failed = True
                name, kind = type(self.tracker).__name__, type(error).__name__
                logger.warning("%s failed and records nothing more (%s: %s).", name, kind, error)

    def _hand_over(self, call: Call) -> None:
        try:
            self._queue.put_nowait(call)
        except Full:
            self.num_dropped += 1

    @override
    def start_run(
        self, run_id: str = "", name: str = "", group: str = "", tags: Sequence[str] = (), resume: bool = False
    ) -> None:
        self._hand_over(lambda tracker: tracker.start_run(run_id, name, group, tags, resume))

    @override
    def log_config(self, config: Mapping[str, Any]) -> None:
        kept = dict(config)
        self._hand_over(lambda tracker: tracker.log_config(kept))

    @override
    def log_metrics(self, metrics: Mapping[str, float], step: int) -> None:
        kept = dict(metrics)
        self._hand_over(lambda tracker: tracker.log_metrics(kept, step))

    @override
    def log_step(self, metrics: Mapping[str, float], step: int) -> None:
        kept = dict(metrics)
        self._hand_over(lambda tracker: tracker.log_step(kept, step))

    @override
    def log_rows(self, rows: Sequence[Row]) -> None:
        kept = list(rows)
        self._hand_over(lambda tracker: tracker.log_rows(kept))

    @override
    def log_summary(self, values: Mapping[str, float]) -> None:
        kept = dict(values)
        self._hand_over(lambda tracker: tracker.log_summary(kept))

    @override
    def log_artifact(self, path: Path, name: str = "") -> None:
        self._hand_over(lambda tracker: tracker.log_artifact(path, name))

    @override
    def log_text(self, text: str, name: str) -> None:
        self._hand_over(lambda tracker: tracker.log_text(text, name))

    @override
    def end_run(self, status: Status = "finished", error: str = "") -> None:
        """Hand the end over and wait for it, at most `end_seconds`; what was not sent by then is told in the log."""
        self._finish([lambda tracker: tracker.end_run(status, error), None])

    def release(self) -> None:
        """End the thread once all is sent, as `end_run` does, but leave the tracker's run open for whoever began it."""
        self._finish([None])

    def _finish(self, calls: Sequence[Call | None]) -> None:
        deadline = time.monotonic() + self.end_seconds
        for call in calls:
            try:
                self._queue.put(call, timeout=max(0.0, deadline - time.monotonic()))
            except Full:
                break
        self._thread.join(max(0.0, deadline - time.monotonic()))
        if self._thread.is_alive() or self.num_dropped:
            left = self._queue.qsize() + self.num_dropped
            logger.warning("%s did not take everything: %d calls are lost.", type(self.tracker).__name__, left)

    @property
    @override
    def link(self) -> str:
        return self.tracker.link

    @override
    def check(self) -> str:
        return self.tracker.check()


@contextmanager
def without_waiting(tracker: BaseTracker, *, end_seconds: float | None = None) -> Iterator[BaseTracker]:
    """Yield a tracker that hands on to `tracker` without waiting for a service; what needs none is called as it is.

    At the end of the block what is left is sent, which takes `end_seconds` at most (None: half a minute). The run stays
    open: whoever began it ends it.
    """
    seconds = END_SECONDS if end_seconds is None else end_seconds
    hired: list[BackgroundTracker] = []

    def hire(one: BaseTracker) -> BaseTracker:
        if isinstance(one, CompositeTracker):
            return CompositeTracker(hire(member) for member in one.active)
        if not one.speaks_to_service:
            return one
        hired.append(BackgroundTracker(one, end_seconds=seconds))
        return hired[-1]

    try:
        yield hire(tracker)
    finally:
        for one in hired:
            one.release()
