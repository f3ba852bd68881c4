"""Small files that another process may be reading or writing at the same moment."""

from __future__ import annotations

import fcntl
import json
import math
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any


def replace_text(path: Path, text: str) -> None:
    """Write a file so that a reader sees the old one or the new one, never half of it."""
    # The name aside is this call's own: app and worker may write the same file within the same moment.
    aside = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(2)}")
    aside.write_text(text, encoding="utf-8")
    aside.replace(path)


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Write one JSON object, replacing the file at once; NaN and infinity, which JSON lacks, become null."""
    text = json.dumps(_plain(values), indent=1, ensure_ascii=False, allow_nan=False, default=str)
    replace_text(path, text)


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(name): _plain(inner) for name, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list | tuple) else value


def read_json(path: Path) -> dict[str, Any]:
    """Return the JSON object in a file; empty where the file is absent or holds none."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return values if isinstance(values, dict) else {}


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock file `path`, so that reading, changing and writing is one step among processes and threads."""
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
