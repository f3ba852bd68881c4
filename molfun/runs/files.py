"""Small files that another process may be reading or writing at the same moment."""

from __future__ import annotations

import errno
import fcntl
import json
import math
import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from molfun.plain_files import parse_object, read_plain

MAX_JSON_BYTES = 16 * 1024 * 1024
RESERVE_BYTES = 1 << 16


def replace_text(path: Path, text: str) -> None:
    """Write a file so that a reader sees the old one or the new one, never half of it."""
    # The name aside is this call's own: app and worker may write the same file within the same moment.
    aside = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(2)}")
    try:
        aside.write_text(text, encoding="utf-8")
        aside.replace(path)
    except OSError:
        aside.unlink(missing_ok=True)
        raise


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Write one JSON object, replacing the file at once; NaN and infinity, which JSON lacks, become null."""
    replace_text(path, as_json(values))


def as_json(value: Any) -> str:
    """Return JSON that any reader takes: NaN and infinity are null, other types are text."""
    return json.dumps(_plain(value), indent=1, ensure_ascii=False, allow_nan=False, default=str)


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(name): _plain(inner) for name, inner in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [_plain(inner) for inner in value]
    return value


def read_json(path: Path) -> dict[str, Any]:
    """Return the JSON object in a file; empty where the file is absent, no plain file, too large, or holds none."""
    try:
        return parse_object(read_plain(path, MAX_JSON_BYTES)) or {}
    except (OSError, ValueError):  # ValueError is what Python makes of a path with a NUL character
        return {}


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock file `path`, so that reading, changing and writing is one step among processes and threads.

    On a shared disk that knows no locks (some NFS servers) it holds nothing; single files are replaced whole anyway.
    """
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
        except OSError as error:
            if error.errno not in (errno.ENOLCK, errno.EOPNOTSUPP):
                raise
        yield


def put_in_reserve(path: Path, num_bytes: int = RESERVE_BYTES) -> None:
    """Write a file whose room can be given back on a full disk, so that the end of a run can still be noted."""
    if not path.exists():
        with suppress(OSError):
            path.write_bytes(os.urandom(num_bytes))


def write_json_surely(path: Path, values: Mapping[str, Any], *, reserve: Path) -> None:
    """Write one JSON object; on a full disk, give up the reserve for it.

    Raises:
        OSError: It cannot be written all the same.
    """
    try:
        write_json(path, values)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT) or not reserve.exists():
            raise
        reserve.unlink(missing_ok=True)
        write_json(path, values)
