"""The page on extending Molfun shows its examples as they are, and has one for each thing that can be one's own."""

from __future__ import annotations

import re
import textwrap

import pytest

from tests.docs.scripts import ROOT
from tests.docs.snippets import blocks_on

PAGE = ROOT / "docs" / "extend.md"


def test_every_example_is_on_the_page() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert [path.name for path in ROOT.glob("examples/own_*.py") if f"](../examples/{path.name})" not in text] == []


def plain(code: str) -> str:
    """Return code without docstrings, indentation and empty lines."""
    bare = re.sub(r'(?s)"""(?:(?!""").)*"""', "", textwrap.dedent(code))
    return "\n".join(line.strip() for line in bare.splitlines() if line.strip())


@pytest.mark.parametrize("name", ["own_head", "own_loss"])
def test_excerpts_are_the_code_of_the_example(name: str) -> None:
    [block] = [block for block in blocks_on(PAGE) if f"examples/{name}.py" in block.not_run]
    example = plain((ROOT / "examples" / f"{name}.py").read_text(encoding="utf-8"))
    definition = plain(block.code).partition('\nLOSSES["')[0]
    assert definition in example
