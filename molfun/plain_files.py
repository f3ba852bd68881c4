"""Opens files that another process wrote, whatever lies there: plain files only, no links, JSON within bounds.

A pipe would keep its reader waiting for ever, a link could lead anywhere, deep nesting would exhaust the stack.
"""

from __future__ import annotations

import json
import math
import os
import re
import stat
from io import BufferedReader
from pathlib import Path
from typing import Any

MAX_DEPTH = 50
MAX_DIGITS = 20
WHOLE = 2**63  # first whole number without a place in 64 bits
SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
BRACKET = re.compile(r'"(?:[^"\\]|\\.)*+"|[\[{]|[\]}]')


def open_plain(path: Path) -> BufferedReader:
    """Open a plain file for reading.

    Raises:
        OSError: It is absent, or a link, a pipe, a device or a folder.
    """
    number = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(number).st_mode):
            raise OSError(f"{path} is no plain file.")
        return os.fdopen(number, "rb")
    except BaseException:
        os.close(number)
        raise


def read_plain(path: Path, most_bytes: int) -> bytes:
    """Return the content of a plain file.

    Raises:
        OSError: It cannot be opened (`open_plain`) or has more than `most_bytes`.
    """
    with open_plain(path) as file:
        content = file.read(most_bytes + 1)
    if len(content) > most_bytes:
        raise OSError(f"{path} has more than {most_bytes} bytes.")
    return content


def parse_object(text: bytes) -> dict[str, Any] | None:
    """Return the JSON object in a text, None where there is none.

    What no reader of ours can use becomes None: NaN, infinity, whole numbers beyond 64 bits. Half characters, which
    cannot be written again, become question marks.

    >>> parse_object(b'{"a": 1, "b": NaN, "c": 1e999}'), parse_object(b'{"a": 1'), parse_object(b"[" * 10**6)
    ({'a': 1, 'b': None, 'c': None}, None, None)
    """
    try:
        content = text.decode("utf-8")
        if _is_deep(content):
            return None
        values = _DECODER.decode(content)
        if SURROGATE.search(text):
            values = json.loads(json.dumps(values, ensure_ascii=False).encode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None
    return values if isinstance(values, dict) else None


def _is_deep(text: str) -> bool:
    """Tell whether JSON is nested beyond `MAX_DEPTH`."""
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return False
    depth = 0
    for found in BRACKET.finditer(text):
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(found[0], 0)
        if depth > MAX_DEPTH:
            return True
    return False


def _whole(digits: str) -> int | None:
    value = int(digits) if len(digits) <= MAX_DIGITS else WHOLE
    return value if -WHOLE <= value < WHOLE else None


def _finite(digits: str) -> float | None:
    value = float(digits)
    return value if math.isfinite(value) else None


_DECODER = json.JSONDecoder(parse_int=_whole, parse_float=_finite, parse_constant=lambda _: None)
