"""The fenced blocks of the written pages, and what the comments before them ask for.

A comment of Markdown right before a block says how it is treated; no reader sees it:

    <!-- not run: REASON -->        it needs what a test does not have (a GPU, a cluster, an account, an hour)
    <!-- with: NAME, NAME -->       materials of `tests/docs/materials.py` that the page takes for granted
    <!-- file: NAME -->             the block is written into the folder under this name

`pytest tests/docs -v -k say_why` lists the blocks that do not run, with their reasons.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
BLOCK = re.compile(r"(?ms)(?P<marks>(?:^<!--[^\n]*-->\n+)*)^```(?P<kind>\w*)[^\n]*\n(?P<code>.*?)^```[ ]*$")
MARK = re.compile(r"<!-- (?P<word>not run|with|file): (?P<said>.+?) -->")
SHELL = ("sh", "bash", "shell", "console")
RUNNABLE = (*SHELL, "python")


@dataclass(frozen=True)
class Block:
    """One fenced block.

    Attributes:
        page: Its page, below the repository's root.
        line: Line of its first line of code, from 1.
        kind: The word behind the fence, "" where there is none.
        code: What stands between the fences.
        not_run: Why it is not run; empty where it is.
        materials: What the page takes for granted.
        file: Name under which it is written into the folder; empty where it is not.
    """

    page: str
    line: int
    kind: str
    code: str
    not_run: str = ""
    materials: tuple[str, ...] = ()
    file: str = ""

    @property
    def runs(self) -> bool:
        """Whether the block is run."""
        return self.kind in RUNNABLE and not self.not_run


def blocks_of(text: str, page: str) -> Iterator[Block]:
    """Yield the fenced blocks of a page, in order."""
    for match in BLOCK.finditer(text):
        marks = {mark["word"]: mark["said"] for mark in MARK.finditer(match["marks"])}
        yield Block(
            page, text.count("\n", 0, match.start("code")) + 1, match["kind"], match["code"],
            not_run=marks.get("not run", ""), file=marks.get("file", ""),
            materials=tuple(name.strip() for name in marks.get("with", "").split(",") if name.strip()),
        )  # fmt: skip


def blocks_on(page: Path) -> list[Block]:
    """Return the fenced blocks of a file."""
    return list(blocks_of(page.read_text(encoding="utf-8"), page.relative_to(ROOT).as_posix()))


def indented_commands(text: str) -> Iterator[str]:
    """Yield commands that stand in the text by four blanks or between back-ticks, outside fenced blocks."""
    rest = re.sub(r"(?ms)^```.*?^```", "", text)
    for line in rest.splitlines():
        if re.match(r"    (?:python|molfun|pytest|\.venv/bin/molfun) ", line):
            yield line.strip().removeprefix(".venv/bin/").partition("  ")[0].partition(" #")[0]
    yield from re.findall(r"`((?:molfun |python -m benchmarks\.|pytest tests)[^`\n]*)`", rest)
