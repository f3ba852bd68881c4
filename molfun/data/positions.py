"""Positions as people write them ("24-39, 52"), and how they are written back."""

from __future__ import annotations

import re
from collections.abc import Iterable

from molfun.errors import DataError, printable

STRETCH = re.compile(r"(-?\d{1,6})(?:\s*(?:-|–|\.\.|to)\s*(-?\d{1,6}))?")
MAX_POSITIONS = 10_000
MAX_SHOWN = 20


def parse_positions(text: str) -> list[int]:
    """Return the numbers that a text names, in order, each once.

    Example:
        >>> parse_positions("24-27, 52; -1")
        [-1, 24, 25, 26, 27, 52]

    Raises:
        DataError: A part is neither a number nor a stretch, runs backwards, or has far too many of them.
    """
    found: set[int] = set()
    for word in (word.strip() for word in re.split(r"[,;]", text)):
        if word:
            found.update(_stretch(word))
    return sorted(found)


def _stretch(word: str) -> range:
    match = STRETCH.fullmatch(word)
    if match is None:
        raise DataError(
            f"{printable(word, MAX_SHOWN)!r} is no position; expected numbers and stretches with commas between them, "
            "such as 24-39, 52."
        )
    first, last = int(match[1]), int(match[2] or match[1])
    if last < first:
        raise DataError(f"The stretch {first}-{last} runs backwards; write {last}-{first}.")
    if last - first >= MAX_POSITIONS:
        raise DataError(f"The stretch {first}-{last} has more than {MAX_POSITIONS:,} positions; write a shorter one.")
    return range(first, last + 1)


def write_positions(numbers: Iterable[int]) -> str:
    """Return numbers as `parse_positions` reads them.

    Example:
        >>> write_positions([52, 24, 25, 26])
        '24-26, 52'
    """
    stretches: list[list[int]] = []
    for number in sorted(set(numbers)):
        if stretches and number == stretches[-1][1] + 1:
            stretches[-1][1] = number
        else:
            stretches.append([number, number])
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in stretches)
