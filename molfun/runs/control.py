"""Requests to a run: one small file each in its folder, read by the worker at step edges.

`stop`, `stop_after_epoch` and `pause` stay until they are withdrawn or the attempt ends; the others go once obeyed.
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

from molfun.errors import RunError
from molfun.runs.files import read_json, write_json
from molfun.runs.folder import RunFolder

ACTIONS = ("stop", "stop_after_epoch", "pause", "checkpoint", "halve_lr", "extend")


def request(folder: RunFolder, action: str, *, by: str = "user", **values: Any) -> None:
    """Ask the worker for `action`; asking again before it is obeyed is the same as once.

    Args:
        folder: The run.
        action: One of `ACTIONS`.
        by: Who asks: "user", or "signal" for the system that ends the process.
        **values: What belongs to the request.

    Raises:
        RunError: There is no such action, or the run folder cannot be written.
    """
    if action not in ACTIONS:
        raise RunError(f"{action!r} cannot be asked of a run; expected one of {', '.join(ACTIONS)}.")
    try:
        folder.control.mkdir(exist_ok=True)
        write_json(folder.control / action, {"t": round(time.time(), 3), "by": by, **values})
    except OSError as error:
        raise folder.not_written(error) from None


def requested(folder: RunFolder) -> set[str]:
    """Return the actions asked for and not yet cleared; unknown files are ignored."""
    return {action for action in ACTIONS if (folder.control / action).exists()}


def read(folder: RunFolder, action: str) -> dict[str, Any]:
    """Return what a request says: t (unix seconds), by, and its values; empty where there is none."""
    return read_json(folder.control / action)


def clear(folder: RunFolder, *actions: str) -> None:
    """Forget requests, all where none is named: once obeyed, withdrawn, or when a new attempt begins."""
    for action in actions or ACTIONS:
        with suppress(FileNotFoundError):
            (folder.control / action).unlink()
