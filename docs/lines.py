"""Keeps the line numbers in docs/training.md true: finds each quoted line anew. `python docs/lines.py --write`."""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "training.md"
# [training/base.py:12](../molfun/training/base.py#L12) `code as it stands on that line`
LINK = re.compile(r"\[(?P<name>[\w/.]+):\d+\]\(\.\./molfun/(?P=name)#L\d+\) `(?P<code>[^`]+)`")


def relinked(match: re.Match[str]) -> str:
    """Return a link with the number of the one line that holds the quoted code.

    Raises:
        ValueError: The code is on no line of the file, or on several.
    """
    name, code = match["name"], match["code"]
    lines = (ROOT / "molfun" / name).read_text(encoding="utf-8").splitlines()
    found = [number for number, line in enumerate(lines, start=1) if code in line]
    if len(found) != 1:
        raise ValueError(f"molfun/{name} holds {code!r} on {len(found)} lines; quote one that it holds once.")
    return f"[{name}:{found[0]}](../molfun/{name}#L{found[0]}) `{code}`"


def with_lines(page: str) -> str:
    """Return the page with every link renewed."""
    return LINK.sub(relinked, page)


if __name__ == "__main__":
    text = PAGE.read_text(encoding="utf-8")
    if sys.argv[1:] == ["--write"]:
        PAGE.write_text(with_lines(text), encoding="utf-8")
    elif with_lines(text) != text:
        sys.exit("docs/training.md quotes lines that have moved; run: python docs/lines.py --write")
