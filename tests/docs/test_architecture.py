"""The tour through the code names files that exist, and in each what is to be seen there."""

from __future__ import annotations

import re

import pytest

from tests.docs.scripts import ROOT

PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
SECTION = PAGE.partition("## Read in this order\n")[2].partition("\n## ")[0]
STOPS = re.findall(r"(?m)^\d+\. \[([^\]]+)\]\(\.\./([^)]+)\): (.+)$", SECTION)


def test_tour_is_a_short_one() -> None:
    assert 10 <= len(STOPS) <= 16
    assert len(re.findall(r"(?m)^\d+\. ", SECTION)) == len(STOPS)


@pytest.mark.parametrize(("name", "path", "words"), STOPS, ids=[stop[1] for stop in STOPS])
def test_stop_has_what_is_to_be_seen(name: str, path: str, words: str) -> None:
    assert name == path
    code = (ROOT / path).read_text(encoding="utf-8")
    symbols = re.findall(r"`([A-Za-z_]+)`", words)
    assert symbols
    assert [symbol for symbol in symbols if not re.search(rf"\b{symbol}\b", code)] == []
