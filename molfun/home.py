"""Where Molfun keeps its data: the folder named by MOLFUN_HOME, by default `~/.molfun`."""

from __future__ import annotations

import os
from pathlib import Path

from molfun.errors import RunError

ROOMS = ("runs", "datasets", "cache", "bin", "queue")


def data_home(given: str | Path | None = None) -> Path:
    """Return the data folder, created if absent; only its owner may read it.

    It holds `runs/`, `datasets/`, `cache/`, `bin/` and `queue/`.

    Args:
        given: Another folder than the environment names; None takes that one.

    Raises:
        RunError: It cannot be made.
    """
    root = expanded(given or os.environ.get("MOLFUN_HOME") or Path.home() / ".molfun").absolute()
    try:
        # mkdir gives its mode to the last folder only, so the root is made by itself.
        root.parent.mkdir(parents=True, exist_ok=True)
        root.mkdir(exist_ok=True, mode=0o700)
        for name in ROOMS:
            (root / name).mkdir(exist_ok=True, mode=0o700)
    except OSError as error:
        raise RunError(
            f"The data folder {root} cannot be made: {error.strerror}. Name one that you may write with MOLFUN_HOME."
        ) from None
    return root


def expanded(path: str | Path) -> Path:
    """Return a path that a person gave, with `~` as a folder; `~name` of nobody here is a name like any other."""
    try:
        return Path(path).expanduser()
    except (RuntimeError, ValueError):
        return Path(path)
