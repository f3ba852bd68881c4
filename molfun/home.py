"""Where Molfun keeps its data: the folder named by MOLFUN_HOME, by default `~/.molfun`."""

from __future__ import annotations

import os
from pathlib import Path


def data_home() -> Path:
    """Return the data folder, created if absent; only its owner may read it.

    It holds `runs/`, `datasets/`, `cache/` and `bin/`.
    """
    root = Path(os.environ.get("MOLFUN_HOME") or Path.home() / ".molfun").expanduser().absolute()
    for name in ("runs", "datasets", "cache", "bin"):
        (root / name).mkdir(parents=True, exist_ok=True, mode=0o700)
    return root
