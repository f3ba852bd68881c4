"""The messages on the page of questions are those that the program says."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from tests.docs.scripts import ROOT
from tests.docs.snippets import Block, blocks_on

MESSAGES = [block for block in blocks_on(ROOT / "docs" / "questions.md") if block.kind == "text"]
GAP = "\0"
LONG_ENOUGH = 10


def texts_of(code: str) -> Iterator[str]:
    """Yield every text in Python code, with a gap for each value that is put into it."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        elif isinstance(node, ast.JoinedStr):
            yield "".join(part.value if isinstance(part, ast.Constant) else GAP for part in node.values)


@pytest.fixture(scope="module")
def said() -> str:
    """Everything that Molfun's code can say, with gaps."""
    files = sorted((ROOT / "molfun").rglob("*.py"))
    return GAP.join(text for path in files for text in texts_of(path.read_text(encoding="utf-8")))


def constant_parts(message: str) -> list[str]:
    """Return the sentences between the gaps of a quoted message, where they are long enough to be recognised."""
    parts = (part.strip(" '\".;:,\n") for part in re.split(r"…|(?<=\.) ", message))
    return [part for part in parts if len(part) >= LONG_ENOUGH]


@pytest.mark.parametrize("block", MESSAGES, ids=lambda block: block.code.strip()[:50])
def test_message_is_still_said(block: Block, said: str) -> None:
    parts = constant_parts(block.code)
    assert max(map(len, parts), default=0) >= LONG_ENOUGH
    assert [part for part in parts if part not in said] == []


def test_page_has_the_messages_that_people_meet() -> None:
    assert 25 <= len(MESSAGES) <= 60
    assert len({block.code for block in MESSAGES}) == len(MESSAGES)


def test_each_message_has_an_answer() -> None:
    page = (ROOT / "docs" / "questions.md").read_text(encoding="utf-8")
    answers = re.findall(r"```text\n.*?\n```\n\n(\S.*)", page)
    assert len(answers) == len(MESSAGES)
    assert [answer for answer in answers if answer.startswith(("```", "#"))] == []


def test_texts_are_found_with_gaps() -> None:
    code = 'raise E(f"Row {row}: expected " f"{what!r}; mend it.")\nX = "two " "parts"\n'
    assert {f"Row {GAP}: expected {GAP}; mend it.", "two parts"} <= set(texts_of(code))
    assert constant_parts("Row …: expected a finite number, found '…'; mend it.") == ["expected a finite number, found"]
