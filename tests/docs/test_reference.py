"""The generated pages: every setting and every command is there, as the code declares it today."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from molfun.runs.spec import RunSpec
from molfun.settings import SettingInfo
from molfun.training.catalog import STRATEGIES
from tests.docs.scripts import ROOT, script
from tests.test_cli import molfun

REFERENCE = script("reference")


def info(**values: Any) -> SettingInfo:
    """Return the description of some setting."""
    begin: dict[str, Any] = {
        "name": "x", "label": "X", "help": "H.", "group": "", "level": "main", "unit": "", "depends_on": "",
        "kind": "int", "default": 1, "optional": False, "choices": (), "minimum": None, "maximum": None,
        "minimum_exclusive": False, "maximum_exclusive": False,
    }  # fmt: skip
    return SettingInfo(**{**begin, **values})


def leaves(values: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """Yield the dotted names of all values that are no mapping."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from leaves(value, f"{path}{name}.")
        else:
            yield f"{path}{name}"


@pytest.mark.parametrize("page", REFERENCE.PAGES)
def test_page_is_that_of_today(page: str) -> None:
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    assert REFERENCE.PAGES[page]() == text, "run: python docs/reference.py --write"


@pytest.mark.parametrize("kind", STRATEGIES)
def test_every_setting_of_a_spec_is_on_the_page(kind: str) -> None:
    spec = RunSpec.parse({"strategy": {"kind": kind}, "data": {"columns": {}, "split": {}}})
    names = set(leaves(spec.model_dump())) - {"strategy.kind"}
    page = REFERENCE.settings_page()
    assert len(names) > 80
    assert [name for name in sorted(names) if f"| `{name}` |" not in page] == []


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({}, "whole number"),
        ({"minimum": 0, "maximum": 100_000}, "whole number from 0 to 100,000"),
        ({"kind": "float", "minimum": 0.0, "minimum_exclusive": True, "optional": True}, "number above 0, or auto"),
        ({"kind": "float", "minimum": 0.0, "maximum": 1.0, "maximum_exclusive": True}, "number from 0 below 1"),
        ({"kind": "choice", "choices": ("a", "b")}, "`a`, `b`"),
        ({"kind": "bool"}, "on or off"),
    ],
)
def test_bounds_are_told_in_words(values: Mapping[str, Any], said: str) -> None:
    assert REFERENCE.may_be(info(**values)) == said


def test_cells_cannot_break_the_table() -> None:
    assert REFERENCE.cells("a|b", "two\nlines") == "| a\\|b | two lines |"


def test_commands_have_what_help_shows() -> None:
    page = REFERENCE.commands_page()
    section = page.partition("## molfun runs extend\n")[2].partition("\n## ")[0]
    shown = molfun("runs", "extend", "--help").stdout
    assert "`molfun runs extend ID EPOCHS [OPTIONS]`" in section
    for word in ("EPOCHS", "--detach", "Epochs in all"):
        assert word in section
        assert word.lower() in shown.lower()
