"""Starts the processes that send runs to remote trackers. They outlive who starts them; a run never waits for one."""

from __future__ import annotations

import logging
import subprocess
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from molfun.errors import RunError
from molfun.runs.detached import start_detached
from molfun.runs.folder import RunFolder
from molfun.runs.process import find_process
from molfun.runs.remotes import Cursor, Remote, read_cursor, read_remotes, remote_names
from molfun.runs.status import run_status
from molfun.runs.store import RunStore
from molfun.tracking.catalog import find_tracker

logger = logging.getLogger("molfun.supervisor")

SENDER = "molfun.runs.sender_process"
# Where a job's end would end senders as well: they give up after 30 seconds of silence by themselves.
JOB_SECONDS = 40.0
# How long a service is left alone before it is tried again, and how many senders begin at once.
AGAIN_SECONDS = 600.0
MOST_AT_ONCE = 3


def start_sender(folder: RunFolder, name: str, *, patience_seconds: float = 30.0) -> subprocess.Popen[bytes]:
    """Start sending a run to a tracker; where a process does so already, the new one waits for its end.

    Args:
        folder: The run.
        name: Of the tracker.
        patience_seconds: How long the service may be silent once the run is over.

    Raises:
        OSError: It cannot be started.
    """
    folder.remote.mkdir(mode=0o700, exist_ok=True)
    arguments = [str(folder.path), name, "--patience-seconds", f"{patience_seconds:g}"]
    return start_detached(SENDER, arguments, log=folder.remote / f"{name}.log", cwd=folder.remote)


def start_senders(folder: RunFolder) -> list[subprocess.Popen[bytes]]:
    """Start sending a run to each of its trackers; one that cannot be started is named in the log, and that is all."""
    started = []
    for name in remote_names(folder):
        try:
            started.append(start_sender(folder, name))
        except OSError as error:
            logger.warning("Nothing is sent to %s: %s. `molfun sync %s` sends it later.", name, error, folder.id)
    return started


def wait_for_senders(senders: Iterable[subprocess.Popen[bytes]], seconds: float = JOB_SECONDS) -> None:
    """Wait until processes have ended, at most so many seconds."""
    deadline = time.monotonic() + seconds
    for sender in senders:
        with suppress(subprocess.TimeoutExpired):
            sender.wait(timeout=max(0.0, deadline - time.monotonic()))


def sync(folder: RunFolder, names: Sequence[str], *, patience_seconds: float = 30.0) -> list[Remote]:
    """Send a run to trackers and wait for it; return how they are then.

    Args:
        folder: The run.
        names: Trackers; those that it was not started with are added to it.
        patience_seconds: How long each service may be silent.

    Raises:
        SettingError: No tracker has one of the names.
        ModelError: The package of one is absent.
        RunError: The run is not over, and sends by itself.
    """
    if not run_status(folder).is_over:
        raise RunError(f"The run {folder.id} is not over; what it records is sent while it goes on. Try again then.")
    for name in names:
        find_tracker(name)
    senders = [start_sender(folder, name, patience_seconds=patience_seconds) for name in names]
    for sender in senders:
        sender.wait()
    return [remote for remote in read_remotes(folder, run_status(folder).status) if remote.name in names]


def send_again(home: Path) -> list[subprocess.Popen[bytes]]:
    """Start sending what services lack of runs that are over and that nobody sends, a few at a time.

    Each is left alone for ten minutes, and then for as long again as its run has been over: a service that is back gets
    what it lacks, and one that never comes back costs less and less.
    """
    due = [
        (folder, remote)
        for folder in RunStore(home).list()
        for remote in unsent(folder)
        if _is_due(folder, read_cursor(folder, remote))
    ]
    return [start_sender(folder, name) for folder, name in due[:MOST_AT_ONCE]]


def _is_due(folder: RunFolder, cursor: Cursor) -> bool:
    state = folder.read_state()
    # A run that was lost has no end of its own, only a last sign of life.
    known = (value for name in ("ended", "heartbeat") if isinstance(value := state.get(name), int | float))
    since = next(known, cursor.tried)
    last = max(cursor.tried, since)
    return find_process(cursor.process) is None and time.time() - last >= max(AGAIN_SECONDS, last - since)


def unsent(folder: RunFolder) -> list[str]:
    """Return the trackers that lack something of a run that is over."""
    status = run_status(folder)
    remotes = read_remotes(folder, status.status) if status.is_over else []
    return [remote.name for remote in remotes if remote.state != "done"]
