"""Links of the written pages and notebooks: where they lead, and which headings a page has."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
LINK = re.compile(r"!?\[[^\]]*\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)|<img[^>]*\bsrc=\"([^\"]+)\"")
HEADING = re.compile(r"(?m)^#{1,6} +(.+?)(?: +#+)?$")
LINE = re.compile(r"L(\d+)")


def without_code(text: str) -> str:
    """Return Markdown without its fenced blocks."""
    return re.sub(r"(?ms)^```.*?^```", "", text)


def text_of(path: Path) -> str:
    """Return the Markdown of a page, or of the text cells of a notebook."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".ipynb":
        return text
    cells = [cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "markdown"]
    return "\n\n".join("".join(cell["source"]) for cell in cells)


def targets_in(text: str) -> list[str]:
    """Return where the links and images of a page lead, those to other hosts left out."""
    found = [first or second for first, second in LINK.findall(without_code(text))]
    return [target for target in found if not re.match(r"[a-z]+:", target)]


def slug(heading: str) -> str:
    """Return the anchor that a heading gets, as GitHub makes it.

    >>> slug("Exact resume, and where it `ends`")
    'exact-resume-and-where-it-ends'
    """
    plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
    return re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")


def anchors_of(text: str) -> set[str]:
    """Return the anchors of a page; those of headings that stand twice are left out."""
    slugs = [slug(heading) for heading in HEADING.findall(without_code(text))]
    named = re.findall(r"<a (?:id|name)=\"([^\"]+)\"", text)
    return {name for name in slugs if slugs.count(name) == 1} | set(named)


def broken(page: Path) -> Iterator[str]:
    """Yield the links of a page that lead nowhere: no file, no heading, no line."""
    text = text_of(page)
    for target in targets_in(text):
        name, _, anchor = target.partition("#")
        path = page.parent / name if name else page
        if not path.exists():
            yield f"{target}: no such file"
        elif anchor and path.suffix in (".md", ".ipynb") and anchor not in anchors_of(text_of(path)):
            yield f"{target}: no such heading"
        elif (line := LINE.fullmatch(anchor)) and int(line[1]) > path.read_text(encoding="utf-8").count("\n"):
            yield f"{target}: no such line"
