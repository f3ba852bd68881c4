"""The process that sends one run to one remote tracker: `python -m molfun.runs.sender_process RUN_DIR NAME`.

A process of its own, because packages of services hold locks, start threads and wait without end when nobody answers:
none of that may reach a training, or the end of one. Never loads torch. Ends by itself; whatever was not sent by then
is still in the record.
"""

from __future__ import annotations

import argparse
import fcntl
import logging
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread

import psutil

from molfun.errors import MolfunError
from molfun.runs.folder import RunFolder
from molfun.runs.process import identity_of
from molfun.runs.refusals import explain, raw_words
from molfun.runs.remotes import change_cursor, cursor_path, read_cursor
from molfun.runs.secrets import guard_streams
from molfun.runs.sending import Sender
from molfun.runs.status import run_status
from molfun.tracking.catalog import build_tracker

logger = logging.getLogger("molfun.sender")

LOOK_SECONDS = 1.0
# What one piece may take; a package that takes longer hangs.
PIECE_SECONDS = 60.0
# What loading a package may take.
START_SECONDS = 10.0
# What is left to a sender once its run is over and its service does not answer.
GRACE_SECONDS = 30.0
MAX_PAUSE_SECONDS = 60.0
UNFINISHED = 75  # EX_TEMPFAIL of sysexits.h


class Loop:
    """Sends until everything of a run that is over was sent, or its service has been silent for too long.

    Args:
        folder: The run.
        name: Of the tracker.
        patience_seconds: How long the service may be silent once the run is over.
    """

    def __init__(self, folder: RunFolder, name: str, patience_seconds: float = GRACE_SECONDS) -> None:
        self.folder, self.name, self.patience_seconds = folder, name, patience_seconds
        project = folder.spec.tracking.project
        self.sender = Sender(folder, name, lambda: build_tracker(name, folder=folder.remote, project=project))
        self.failures = read_cursor(folder, name).failures
        self.heard = time.monotonic()
        self.over_since: float | None = None
        self.piece_began: float | None = None

    def run(self) -> bool:
        """Return whether everything was sent."""
        Thread(target=self._watch, name="watch", daemon=True).start()
        while not self.sender.is_complete:
            if self._gives_up():
                return False
            if not self._try_piece():
                self._pause()
        return True

    def _try_piece(self) -> bool:
        """Send one piece; return whether the next one is to follow at once."""
        self.piece_began = time.monotonic()
        try:
            has_more = self.sender.step()
        except Exception as error:  # noqa: BLE001 - whatever a package raises, the record is kept and sent later
            self._note_failure(error)
            return False
        finally:
            self.piece_began = None
        if self.sender.is_certain:
            self.failures, self.heard = 0, time.monotonic()
        elif has_more and not self.failures:
            self.heard = time.monotonic()  # a long record is handed over still, which is no silence
        return has_more

    def _note_failure(self, error: Exception) -> None:
        self.failures += 1
        words = explain(error)
        logger.warning("Not sent to %s: %s (%s)", self.name, words, raw_words(error))
        with suppress(OSError):  # on a full disk
            change_cursor(self.folder, self.name, error=words, failures=self.failures, tried=time.time())

    def _pause(self) -> None:
        """Wait for new rows, or after a failure for the service; the end of the run cuts it short."""
        until = time.monotonic() + (min(2.0**self.failures, MAX_PAUSE_SECONDS) if self.failures else LOOK_SECONDS)
        was_over = self._is_over()
        while time.monotonic() < until and self._is_over() == was_over and not self._gives_up():
            time.sleep(min(LOOK_SECONDS, max(0.0, until - time.monotonic())))

    def _is_over(self) -> bool:
        """Tell whether the run is over, and remember since when; one that was resumed is not."""
        is_over = run_status(self.folder).is_over
        self.over_since = (self.over_since or time.monotonic()) if is_over else None
        return is_over

    def _gives_up(self) -> bool:
        if not self._is_over():
            return False
        return time.monotonic() - max(self.heard, self.over_since or 0.0) > self.patience_seconds

    def _watch(self) -> None:
        """Begin anew where a package hangs: its threads and locks go, and this process waits for the run once more."""
        while True:
            time.sleep(LOOK_SECONDS)
            began = self.piece_began
            if began is None:
                continue
            is_over = run_status(self.folder).is_over
            limit = min(self.patience_seconds + START_SECONDS, PIECE_SECONDS) if is_over else PIECE_SECONDS
            if time.monotonic() - began > limit:
                self._note_failure(TimeoutError(f"no answer within {limit:.0f} seconds"))
                leave(UNFINISHED) if is_over else begin_anew()


def begin_anew() -> None:
    """Replace this process by a fresh one of the same command."""
    end_children()
    os.execv(sys.executable, [sys.executable, "-m", "molfun.runs.sender_process", *sys.argv[1:]])


def leave(code: int) -> None:
    """End without asking anybody: packages register things to be done at the end, which wait for their service."""
    end_children()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


def end_children() -> None:
    """End the processes that packages started."""
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            child.kill()


@contextmanager
def only_one(path: Path) -> Iterator[None]:
    """Hold that one process sends a run to a tracker; a second one waits until the first is gone."""
    path.parent.mkdir(mode=0o700, exist_ok=True)
    with path.open("a") as file:
        with suppress(OSError):  # a shared disk without locks
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def send(folder: RunFolder, name: str, patience_seconds: float) -> int:
    """Send a run to a tracker; return the exit code."""
    with only_one(cursor_path(folder, name).with_suffix(".lock")):
        change_cursor(folder, name, process=identity_of(os.getpid()))
        try:
            return 0 if Loop(folder, name, patience_seconds).run() else UNFINISHED
        finally:
            with suppress(OSError):
                change_cursor(folder, name, process={})


def main() -> None:
    """Entry point; the log goes to standard output, which the starter sends to a file below `remote/`."""
    parser = argparse.ArgumentParser(description="Send one run to one remote tracker.")
    parser.add_argument("run_dir", type=Path)
    parser.add_argument("name")
    parser.add_argument("--patience-seconds", type=float, default=GRACE_SECONDS)
    guard_streams()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stdout)
    told = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda number, frame: leave(UNFINISHED))
    os.nice(19)  # training comes first
    try:
        leave(send(RunFolder(told.run_dir.absolute()), told.name, told.patience_seconds))
    except (MolfunError, OSError) as error:
        logger.error("%s", error)
        leave(1)


if __name__ == "__main__":
    main()
