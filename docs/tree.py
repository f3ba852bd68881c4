"""Prints the README's tree: one line a file, out of its own first docstring sentence. `python docs/tree.py --write`."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
BEGIN, END = "<!-- tree: python docs/tree.py --write -->", "<!-- end of tree -->"


def first_sentence(path: Path) -> str:
    """Return the first sentence of a module's docstring, or of a script's first comment."""
    text = path.read_text(encoding="utf-8")
    words = ast.get_docstring(ast.parse(text)) if path.suffix == ".py" else text.splitlines()[0].lstrip("/ ")
    flat = " ".join((words or "").split())
    return re.split(r"(?<=[a-z)0-9`])[.;](?:\s|$)", flat, maxsplit=1)[0].rstrip(".")


def tree() -> str:
    """Return the tree as text; package files that hold only a docstring describe their folder."""
    lines = [f"{'app.py':<34} {first_sentence(ROOT / 'app.py')}"]
    for folder in ("pages", "molfun", "benchmarks"):
        files = sorted((ROOT / folder).rglob("*"), key=lambda p: (p.relative_to(ROOT).parent.as_posix(), p.name))
        seen: set[str] = set()
        for path in files:
            if path.suffix not in (".py", ".js") or "__pycache__" in path.parts:
                continue
            where = path.relative_to(ROOT).parent.as_posix()
            if where not in seen:
                seen.add(where)
                room = path.parent / "__init__.py"
                lines.append(f"{where + '/':<34} {first_sentence(room) if room.exists() else ''}".rstrip())
            if path.name != "__init__.py":
                lines.append(f"    {path.name:<30} {first_sentence(path)}".rstrip())
    return "\n".join(lines)


def with_tree(readme: str) -> str:
    """Return the README's text with the tree of today."""
    before, _, rest = readme.partition(BEGIN)
    after = rest.partition(END)[2]
    return f"{before}{BEGIN}\n```\n{tree()}\n```\n{END}{after}"


if __name__ == "__main__":
    page = ROOT / "README.md"
    new = with_tree(page.read_text(encoding="utf-8"))
    if "--write" in sys.argv:
        page.write_text(new, encoding="utf-8")
    else:
        sys.stdout.write(new)
