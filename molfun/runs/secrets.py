"""Keys and passwords: found in the environment or the system keyring, and hidden in whatever a process writes.

They are handed to workers through the environment only: never in a run folder, never on a command line.
"""

from __future__ import annotations

import atexit
import json
import logging
import os
import re
import sys
import threading
from collections.abc import Iterable, Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any, TextIO, cast
from urllib.parse import quote

HIDDEN = "[hidden]"
MIN_LETTERS = 8
SERVICE = "molfun"
NAME = re.compile(r"KEY|TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIAL|(^|_)PASS(_|$)")
# Names that hold one of the words above and no secret; of addresses only the password within is one.
HARMLESS_NAME = re.compile(r"TOKENIZER|KEYBOARD|KEYMAP|(PROXY|URL|URI)$")
USER_AND_PASSWORD = re.compile(r"://([^/@\s]*:([^/@\s]+))@")
# A line that never ends is written in pieces of this size.
MAX_HELD_LETTERS = 65536


def secret_values(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return what must never be written, the longest first, each also as Python, JSON and addresses spell it.

    Args:
        environ: Variables by name: those whose name says so, and passwords within addresses.
    """
    found: set[str] = set()
    for name, value in environ.items():
        found.update(part for match in USER_AND_PASSWORD.findall(value) for part in match)
        if NAME.search(name.upper()) and not HARMLESS_NAME.search(name.upper()) and not _is_path(value):
            # A private key has several lines; logs are read line by line.
            found.update(line.strip() for line in value.splitlines() if "-----" not in line)
    spelt = {way for value in found if len(value) >= MIN_LETTERS for way in _spellings(value)}
    return tuple(sorted(spelt, key=lambda value: (-len(value), value)))


def redact(text: str, values: Iterable[str]) -> str:
    """Return `text` with every secret in it replaced by "[hidden]".

    Args:
        text: Anything.
        values: As `secret_values` gives them, the longest first.

    Example:
        >>> redact("Bearer 0123456789abcdef", ["0123456789abcdef"])
        'Bearer [hidden]'
    """
    for value in values:
        text = text.replace(value, HIDDEN)
    return text


def find_secret(name: str) -> str | None:
    """Return a key from the environment, else from the system keyring where the package keyring is installed.

    Args:
        name: Of the variable, and of the entry that `keyring set molfun NAME` makes.
    """
    if value := os.environ.get(name):
        return value
    if find_spec("keyring") is None:
        return None
    try:
        found = import_module("keyring").get_password(SERVICE, name)
    except Exception:  # noqa: BLE001 - a locked or absent keyring fails in the way of its system; the run goes on without
        return None
    return str(found) if found else None


def guard_streams(environ: Mapping[str, str] | None = None) -> None:
    """Hide secrets in everything that this process prints from now on: text, log lines, tracebacks.

    What C code or child processes write to the same files by themselves is out of reach.

    Args:
        environ: Where the secrets are; None is this process's environment.
    """
    values = secret_values(os.environ if environ is None else environ)
    for name in ("stdout", "stderr"):
        old = getattr(sys, name)
        if old is None or isinstance(old, GuardedStream):
            continue
        new = GuardedStream(old, values)
        setattr(sys, name, new)
        _move_handlers(old, new)
        atexit.register(new.finish)


def _move_handlers(old: TextIO, new: GuardedStream) -> None:
    """Let log handlers that were made earlier write through the guard: libraries make theirs when they are imported."""
    for reference in list(logging._handlerList):  # type: ignore[attr-defined]
        handler = reference()
        if isinstance(handler, logging.StreamHandler) and handler.stream is old:
            handler.setStream(cast(TextIO, new))


class GuardedStream:
    """A text stream that hides secrets in what is written to another one, also where one comes in several pieces.

    Whole lines are handed on at once. `flush` hands on the beginning of a line as well, but for an end that could be
    the beginning of a secret. Everything else is the other stream's: its file number, its encoding.

    Args:
        stream: Where the text goes.
        values: The secrets, none with a line break, the longest first.
    """

    def __init__(self, stream: TextIO, values: Iterable[str]) -> None:
        self._stream, self._values = stream, tuple(values)
        self._held = ""
        # Re-entrant: a signal may print while its own thread does.
        self._lock = threading.RLock()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write text; the part after the last line break waits for the rest of its line."""
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        with self._lock:
            self._held += text
            if "\n" in text or len(self._held) > MAX_HELD_LETTERS:
                whole, line_break, self._held = self._held.rpartition("\n")
                self._stream.write(redact(whole + line_break, self._values))
            if len(self._held) > MAX_HELD_LETTERS:
                self._hand_on_beginning()
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write several pieces of text."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Hand on what may be shown of the line under way, and flush the stream behind."""
        with self._lock:
            self._hand_on_beginning()
            self._stream.flush()

    def finish(self) -> None:
        """Hand on all that is left: nothing comes after it."""
        with self._lock:
            rest = redact(self._held, self._values)
            kept = _possible_beginning(rest, self._values)
            # Most of a secret is as good as all of it.
            self._stream.write(rest[: len(rest) - kept] + HIDDEN if kept >= MIN_LETTERS else rest)
            self._held = ""
            self._stream.flush()

    @property
    def buffer(self) -> IO[bytes]:
        """Where bytes are written; they pass the same guard."""
        return cast(IO[bytes], _GuardedBytes(self))

    def _hand_on_beginning(self) -> None:
        text = redact(self._held, self._values)
        cut = len(text) - _possible_beginning(text, self._values)
        self._stream.write(text[:cut])
        self._held = text[cut:]


class _GuardedBytes:
    """The binary side of a guarded stream."""

    def __init__(self, guarded: GuardedStream) -> None:
        self._guarded = guarded

    def __getattr__(self, name: str) -> Any:
        return getattr(self._guarded._stream.buffer, name)

    def write(self, data: bytes) -> int:
        self._guarded.write(bytes(data).decode(self._guarded.encoding or "utf-8", errors="replace"))
        return len(data)

    def flush(self) -> None:
        self._guarded.flush()


def _possible_beginning(text: str, values: Iterable[str]) -> int:
    """Return how many letters at the end of `text` could be the beginning of a secret; 0 for none."""
    longest = 0
    for value in values:
        for length in range(min(len(value) - 1, len(text)), longest, -1):
            if text.endswith(value[:length]):
                longest = length
                break
    return longest


def _spellings(value: str) -> set[str]:
    return {value, repr(value)[1:-1], json.dumps(value)[1:-1], quote(value, safe="")}


def _is_path(value: str) -> bool:
    """Tell whether a value names a file here: where a secret lies is none itself, and would hide half of every log."""
    try:
        return value.startswith(("/", "~")) and Path(value).expanduser().exists()
    except (OSError, ValueError, RuntimeError):
        return False
