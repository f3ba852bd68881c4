"""Starts the runs of this machine's queue when their turn comes: `python -m molfun.runs.dispatcher HOME`.

Whoever puts a run into the queue starts what can start at once, and this process where something has to wait. It ends
by itself when nothing waits any more, so there is no daemon to install.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import time
from pathlib import Path

from molfun.errors import RunError
from molfun.runs.detached import start_detached
from molfun.runs.folder import RunFolder
from molfun.runs.machine import list_gpus
from molfun.runs.process import identity_of
from molfun.runs.queue import Holder, Ticket, changing, next_up, queue_path, read_queue
from molfun.runs.store import RunStore
from molfun.runs.warm_start import shared_warm_start

logger = logging.getLogger("molfun.dispatcher")

LOOK_SECONDS = 0.5


def enqueue(home: Path, ticket: Ticket) -> None:
    """Put a run at the end of the queue, and start it if nothing stands in its way.

    Raises:
        OSError: The data folder cannot be written.
    """
    with changing(home) as queue:
        queue.waiting = [*(known for known in queue.waiting if known.id != ticket.id), ticket]
    advance(home)
    revive(home)


def advance(home: Path) -> None:
    """Start every run whose turn it is."""
    gpus = list_gpus()
    while True:
        with changing(home) as queue:
            found = next_up(queue, gpus)
            if found is None:
                return
            ticket, chosen = found
            queue.waiting.remove(ticket)
            holder = _start(home, ticket, chosen)
            if holder is not None:
                queue.holding.append(holder)


def revive(home: Path) -> None:
    """See to it that a process looks after the runs that wait: also after a restart of the machine."""
    queue = read_queue(home)
    if not queue.waiting or queue.has_dispatcher:
        return
    with changing(home) as queue:
        if not queue.waiting or queue.has_dispatcher:
            return
        log = queue_path(home).with_suffix(".log")
        process = start_detached("molfun.runs.dispatcher", [str(home)], log=log, cwd=home)
        queue.dispatcher = identity_of(process.pid)


def _start(home: Path, ticket: Ticket, gpus: list[int]) -> Holder | None:
    """Start the supervisor of a run; None where there is nothing to start any more, or it cannot be."""
    try:
        folder = RunStore(home).get(ticket.id)
    except RunError:
        return None
    if folder.read_state().get("status") != "queued":
        return None
    changes = {"CUDA_VISIBLE_DEVICES": ",".join(map(str, gpus))} if gpus else {}
    try:
        process = start_supervisor(folder, changes)
    except OSError as error:
        cause = f"The run could not be started: {error.strerror}. Check {folder.path} and {sys.executable}."
        folder.write_state(status="failed", cause=cause, ended=time.time())
        return None
    return Holder(ticket.id, gpus, process)


def start_supervisor(folder: RunFolder, changes: dict[str, str]) -> dict[str, object]:
    """Start the process that watches a run, or take one that waits; return its identity.

    Raises:
        OSError: It cannot be started.
    """
    process = shared_warm_start().take(folder, changes) or start_detached(
        "molfun.runs.supervisor", [str(folder.path)], log=folder.log_path, cwd=folder.path, changes=changes
    )
    identity = identity_of(process.pid)
    folder.write_state(status="starting", launched=time.time(), **identity)
    return identity


def dispatch(home: Path) -> None:
    """Look after the queue until nothing waits, or another process does."""
    mine = identity_of(os.getpid())
    while True:
        advance(home)
        with changing(home) as queue:
            if not queue.waiting:
                queue.dispatcher = {}
                return
            if queue.has_dispatcher and queue.dispatcher.get("pid") != mine["pid"]:
                return
            queue.dispatcher = mine
        time.sleep(LOOK_SECONDS)


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description="Start the runs of this machine's queue when their turn comes.")
    parser.add_argument("home", type=Path)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stdout)
    dispatch(parser.parse_args().home.absolute())
    return 0


if __name__ == "__main__":
    sys.exit(main())
