"""Watches what a piece of code does to the machine: what it writes where, what it starts, what it connects to."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
# Audit events (docs.python.org/3/library/audit_events.html) whose first arguments are paths that are changed.
CHANGES = {
    "os.chmod": 1, "os.chown": 1, "os.link": 2, "os.mkdir": 1, "os.remove": 1, "os.rename": 2, "os.rmdir": 1,
    "os.symlink": 2, "os.truncate": 1, "os.utime": 1,
}  # fmt: skip
STARTS = {"os.exec", "os.fork", "os.posix_spawn", "os.system", "pty.spawn", "socket.connect", "subprocess.Popen"}
# Python's own caches are nobody's data.
CACHES = ("__pycache__", ".hypothesis")

_allowed: tuple[Path, ...] | None = None
_may_start = ""
_seen: list[str] = []


@contextmanager
def watched(*folders: Path, may_start: str = "") -> Iterator[list[str]]:
    """Yield a list that fills with what is written outside `folders`, and with what is started or connected to.

    Args:
        *folders: Where may be written.
        may_start: Module that may be run as a process; empty for none.
    """
    global _allowed, _may_start  # an audit hook stays for the life of the process
    _install()
    _seen.clear()
    _allowed, _may_start = tuple(folder.resolve() for folder in folders), may_start
    try:
        yield _seen
    finally:
        _allowed = None


def _install() -> None:
    if not getattr(sys, "_molfun_fuzz_guard", False):
        sys.addaudithook(_hook)
        sys._molfun_fuzz_guard = True  # type: ignore[attr-defined]


def _hook(event: str, args: tuple[Any, ...]) -> None:
    if _allowed is None:
        return
    if event in STARTS:
        if not (_may_start and _may_start in repr(args[:2])):
            _seen.append(f"{event} {args[:2]!r}")
    elif event == "open":
        path, _, flags = args
        if flags & WRITES and isinstance(path, str | bytes | os.PathLike):
            _judge(event, path, -1)
    elif event in CHANGES:
        for path in args[: CHANGES[event]]:
            _judge(event, path, next((item for item in args[1:] if isinstance(item, int)), -1))


def _judge(event: str, path: Any, folder: int) -> None:
    """Note a change outside the allowed folders; `folder` is the descriptor that a relative path starts from."""
    assert _allowed is not None
    name = os.fsdecode(path) if isinstance(path, str | bytes | os.PathLike) else f"/proc/self/fd/{path}"
    base = Path(f"/proc/self/fd/{folder}") if folder > 2 and not name.startswith("/") else Path()
    try:
        place = (base / name).parent.resolve() / Path(name).name
    except (OSError, ValueError, RuntimeError):
        return  # no such place: the call itself will fail
    if place == Path("/dev/null") or any(cache in place.parts for cache in CACHES):
        return
    if event == "os.mkdir" and place.is_dir():
        return  # there already: nothing is made
    if not any(place.is_relative_to(folder) for folder in _allowed):
        _seen.append(f"{event} {place}")
