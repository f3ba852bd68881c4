"""Keeps clusters' answers fresh, this machine's queue moving and trackers up to date, while the app lives.

No command of a scheduler ever runs in a page's thread: pages read `scheduler.json`, which this writes.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread

from molfun.errors import MolfunError
from molfun.runs.dispatcher import advance, revive
from molfun.runs.folder import RunFolder
from molfun.runs.launchers.catalog import launcher_of
from molfun.runs.senders import send_again
from molfun.runs.status import REMOTE, RunStatus, run_status
from molfun.runs.store import RunStore

logger = logging.getLogger(__name__)

LOOK_SECONDS = 5.0
SEND_SECONDS = 60.0


def ask_cluster(folder: RunFolder) -> None:
    """Ask the cluster that a run was sent to what became of it, and write it down; does nothing for a run that ended.

    May take as long as a scheduler that does not answer: never call it from a page.
    """
    if folder.read_launch().get("launcher") not in REMOTE or run_status(folder).is_over:
        return
    try:
        job = launcher_of(folder).poll(folder)
        folder.write_scheduler(state=job.state, reason=job.reason, t=time.time())
    except (MolfunError, OSError) as error:
        logger.warning("The cluster could not be asked about %s: %s", folder.id, error)


def ask_clusters(home: Path) -> None:
    """Ask about every run that was sent to a cluster and has not ended."""
    for folder in RunStore(home).list():
        ask_cluster(folder)


class Onlooker:
    """What state a run is in, for somebody who waits for it without the app: its cluster is asked now and then.

    Args:
        folder: The run.
    """

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder
        self._asked = time.monotonic()

    def status(self) -> RunStatus:
        """Return the run's state; every few seconds this takes as long as its cluster needs to answer."""
        if time.monotonic() - self._asked > LOOK_SECONDS:
            ask_cluster(self.folder)
            self._asked = time.monotonic()
        return run_status(self.folder)


class Watch:
    """Threads that look every few seconds for as long as the app lives: a slow cluster holds up no queue.

    Args:
        home: The data folder.
    """

    def __init__(self, home: Path) -> None:
        self.home = home
        self._is_over = Event()
        acts: dict[str, tuple[Callable[[], object], float]] = {
            "queue": (self._move_queue, LOOK_SECONDS),
            "clusters": (lambda: ask_clusters(self.home), LOOK_SECONDS),
            "senders": (lambda: send_again(self.home), SEND_SECONDS),
        }
        self._threads = [
            Thread(target=self._look, args=about, name=f"molfun-{name}", daemon=True) for name, about in acts.items()
        ]

    def start(self) -> None:
        """Begin to look."""
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Stop looking."""
        self._is_over.set()

    def _move_queue(self) -> None:
        advance(self.home)
        revive(self.home)

    def _look(self, act: Callable[[], object], seconds: float) -> None:
        while not self._is_over.wait(seconds):
            try:
                act()
            except (MolfunError, OSError) as error:
                logger.warning("The runs could not be looked at: %s", error)
