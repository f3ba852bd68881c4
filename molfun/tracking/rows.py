"""Rows of the metrics file from a byte on, as they were written, superseded ones among them: what senders read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from molfun.plain_files import open_plain, parse_object
from molfun.tracking.base import Row, finite
from molfun.tracking.names import LINE_BYTES, is_count

NOT_METRICS = frozenset({"kind", "segment", "step", "t"})


class Piece(NamedTuple):
    """What was read.

    Attributes:
        rows: In the order of the file.
        offset: Byte behind the last whole line, where the next read begins.
        num_lines: How many lines that were, those that are no rows among them.
    """

    rows: list[Row]
    offset: int
    num_lines: int


def read_rows(path: Path, offset: int = 0, max_bytes: int = 1 << 19) -> Piece:
    """Read whole lines of a metrics file, at most `max_bytes` of them (one at least); nothing where it is absent."""
    try:
        with open_plain(path) as file:
            file.seek(offset)
            text = file.read(max_bytes)
            if b"\n" not in text:
                text += file.read(LINE_BYTES)
    except OSError:
        return Piece([], offset, 0)
    if b"\n" not in text and len(text) > LINE_BYTES:
        return Piece([], offset + len(text), 0)  # no writer of ours makes such a line
    whole = text[: text.rfind(b"\n") + 1]
    return Piece(list(_parsed(whole, offset)), offset + len(whole), whole.count(b"\n"))


def count_lines(path: Path, offset: int = 0) -> int:
    """Return how many whole lines a file has from a byte on; 0 where it is absent."""
    count = 0
    try:
        with open_plain(path) as file:
            file.seek(offset)
            while text := file.read(1 << 20):
                count += text.count(b"\n")
    except OSError:
        return 0
    return count


def _parsed(text: bytes, offset: int) -> Iterator[Row]:
    for line in text.split(b"\n"):
        offset += len(line) + 1
        row = parse_object(line) or {}
        kind, step, t, segment = row.get("kind"), row.get("step"), row.get("t"), row.get("segment")
        if kind not in ("step", "epoch") or not isinstance(step, int) or not is_count(step) or not _is_number(t):
            continue
        numbers = {name: value for name, value in row.items() if name not in NOT_METRICS and _is_number(value)}
        yield Row(kind, step, float(t or 0.0), finite(numbers), segment if isinstance(segment, int) else 0, offset)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
