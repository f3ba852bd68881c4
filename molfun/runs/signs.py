"""Signs of life of a run that scores: without them it is taken for one that hangs, or that is lost."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from threading import Event, Thread
from typing import TypeVar

from molfun.runs.folder import RunFolder

T = TypeVar("T")
SECONDS_BETWEEN_SIGNS = 1.0


class Signs:
    """Writes a heartbeat when called, at most one a second.

    Args:
        folder: The run; None writes nothing.
    """

    def __init__(self, folder: RunFolder | None) -> None:
        self.folder = folder
        self.last = 0.0

    def __call__(self) -> None:
        """Give a sign."""
        if self.folder is not None and time.monotonic() - self.last >= SECONDS_BETWEEN_SIGNS:
            self.last = time.monotonic()
            self.folder.write_state(heartbeat=time.time())


def watched(items: Iterable[T], folder: RunFolder | None) -> Iterator[T]:
    """Yield items and give signs of life meanwhile."""
    signs = Signs(folder)
    for item in items:
        yield item
        signs()


@contextmanager
def signs_during(folder: RunFolder, *, every_seconds: float = 10.0, most_seconds: float = 1800.0) -> Iterator[None]:
    """Give signs of life from a thread while something calls nothing back, such as the fit of a baseline.

    Args:
        folder: The run.
        every_seconds: Between two signs.
        most_seconds: After which there are none any more, so that what hangs is found.
    """
    is_over = Event()
    thread = Thread(target=_give, args=(Signs(folder), is_over, every_seconds, most_seconds), daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


def _give(signs: Signs, is_over: Event, every_seconds: float, most_seconds: float) -> None:
    end = time.monotonic() + most_seconds
    while not is_over.wait(every_seconds) and time.monotonic() < end:
        with suppress(OSError):  # a full disk; the main thread meets it as well
            signs()
