"""The beginning of an attempt at a run: who may begin one, and what is written before anything is started."""

from __future__ import annotations

import time
from typing import Any

from molfun.errors import RunError
from molfun.runs import control
from molfun.runs.files import locked
from molfun.runs.folder import RunFolder
from molfun.runs.status import run_status

# What an earlier attempt left in the state and the next one must not be taken for.
FORGOTTEN: dict[str, Any] = dict.fromkeys(
    ("pid", "create_time", "start_ticks", "boot_id", "host", "started", "ended", "heartbeat", "resumed", "resumed_step",
     "resumed_progress", "phase", "paused")
)  # fmt: skip


def begin_attempt(folder: RunFolder) -> int:
    """Note that a new attempt at a run is queued; return its number, 1 for the first.

    Of two that begin at once, one is refused.

    Raises:
        RunError: The run waits or is at work already, is finished, or was trained elsewhere; or its folder cannot be
            written.
    """
    try:
        # The spec is never written again, so its file serves as the lock.
        with locked(folder.spec_path):
            return _begin(folder)
    except OSError as error:
        raise folder.not_written(error) from None


def _begin(folder: RunFolder) -> int:
    status, state = run_status(folder), folder.read_state()
    if state.get("imported"):
        raise RunError(f"The run {folder.id} was trained elsewhere and has curves only; start a new run instead.")
    if status.alive:
        raise RunError(f"The run {folder.id} is at work already; stop it first.")
    if status.status == "queued" and state.get("attempt"):
        raise RunError(f"The run {folder.id} waits in the queue already; cancel it first to start it elsewhere.")
    if status.status == "finished" and not _has_epochs_left(folder):
        raise RunError(f"The run {folder.id} is finished, nothing of it is left to do; extend it, or start a new run.")
    attempt = int(state.get("attempt") or 0) + 1
    # A request left over from an earlier attempt would end this one at its first step.
    control.clear(folder)
    folder.keep_reserve()
    folder.write_state(status="queued", cause="", launched=time.time(), attempt=attempt, **FORGOTTEN)
    return attempt


def begin_again(folder: RunFolder) -> int:
    """Note a new attempt that nobody asked for: a cluster started the job again. Return its number."""
    attempt = int(folder.read_state().get("attempt") or 0) + 1
    control.clear(folder)
    folder.write_state(status="queued", cause="", launched=time.time(), attempt=attempt, **FORGOTTEN)
    return attempt


def _has_epochs_left(folder: RunFolder) -> bool:
    """Tell whether a finished run was extended beyond what it trained."""
    done = folder.read_state().get("epochs")
    return isinstance(done, int) and folder.epochs > done
