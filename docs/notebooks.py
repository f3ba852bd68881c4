"""Writes the notebooks out of the tutorials, so that text and code are the same. `python docs/notebooks.py --write`."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PAGES, NOTEBOOKS = ROOT / "docs" / "tutorials", ROOT / "notebooks"
CODE = re.compile(r"(?ms)^```python\n(.*?)^```\n")
LINK = re.compile(r"\]\(([^)#:\s]+)(#[^)\s]*)?\)")


def notebook(page: Path) -> str:
    """Return a tutorial as a notebook: every block of Python is a cell of code, what stands between is text."""
    parts = CODE.split(page.read_text(encoding="utf-8"))
    cells: list[dict[str, Any]] = []
    for place, part in enumerate(parts):
        texts = [part] if place % 2 else re.split(r"(?m)^(?=## )", LINK.sub(moved, part))
        cells += [cell("code" if place % 2 else "markdown", text) for text in texts if text.strip()]
    where = f"[docs/tutorials/{page.name}](../docs/tutorials/{page.name})"
    cells.insert(1, cell("markdown", f"*Written by `python docs/notebooks.py --write` out of {where}: change that.*"))
    for number, item in enumerate(cells, 1):
        item["id"] = f"{page.stem}-{number}"
    about = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
             "language_info": {"name": "python"}}  # fmt: skip
    whole = {"cells": cells, "metadata": about, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(whole, indent=1, ensure_ascii=False) + "\n"


def cell(kind: str, text: str) -> dict[str, Any]:
    """Return a cell without output."""
    found: dict[str, Any] = {"cell_type": kind, "id": "", "metadata": {}}
    if kind == "code":
        found |= {"execution_count": None, "outputs": []}
    return found | {"source": text.strip().splitlines(keepends=True)}


def moved(link: re.Match[str]) -> str:
    """Return a page's link as it is from the notebooks' folder; tutorials become notebooks."""
    target = (PAGES / link[1]).resolve()
    if target.parent == PAGES and target.suffix == ".md":
        return f"]({target.stem}.ipynb)"
    return f"]({Path(os.path.relpath(target, NOTEBOOKS)).as_posix()}{link[2] or ''})"


if __name__ == "__main__":
    for page in sorted(PAGES.glob("*.md")):
        if "--write" in sys.argv:
            (NOTEBOOKS / f"{page.stem}.ipynb").write_text(notebook(page), encoding="utf-8")
        else:
            sys.stdout.write(notebook(page))
