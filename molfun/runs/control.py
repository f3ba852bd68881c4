"""Requests of the app to a running worker: one small file each, read at step edges."""

from __future__ import annotations

import time
from contextlib import suppress

from molfun.errors import RunError
from molfun.runs.store import RunFolder

ACTIONS = ("stop",)


def request(folder: RunFolder, action: str) -> None:
    """Ask the worker for `action`; asking twice is the same as once.

    Raises:
        RunError: There is no such action, or the run folder cannot be written.
    """
    if action not in ACTIONS:
        raise RunError(f"{action!r} cannot be asked of a run; expected one of {', '.join(ACTIONS)}.")
    try:
        folder.control.mkdir(exist_ok=True)
        (folder.control / action).write_text(f"{time.time():.3f}\n", encoding="utf-8")
    except OSError as error:
        raise RunError(f"Cannot write to the run folder {folder.path}: {error.strerror}. Check its disk.") from None


def requested(folder: RunFolder) -> set[str]:
    """Return the actions asked for and not yet cleared; unknown files are ignored."""
    return {action for action in ACTIONS if (folder.control / action).exists()}


def clear(folder: RunFolder, action: str) -> None:
    """Forget a request, once it is fulfilled or when a run is resumed."""
    with suppress(FileNotFoundError):
        (folder.control / action).unlink()
