"""A page of words, figures and tables that opens anywhere."""

from __future__ import annotations

import re

import pandas as pd
import plotly.graph_objects as go

from molfun.ui.html_page import Page


def outside(page: str) -> list[str]:
    """Return tags that would load something."""
    tags = re.findall(r"<(?:script|link|img|iframe|object|embed)\b[^>]*>", page)
    return [tag for tag in tags if "src=" in tag or "href=" in tag]


def drawn() -> Page:
    page = Page("A <b> title")
    page.section("First & last")
    page.figure("A line", go.Figure(go.Scatter(x=[1, 2], y=[3, 4])))
    page.fields([("known", 3), ("gone", None), ("empty", "")])
    page.code("More", "a: <1>")
    return page


def test_nothing_leads_outside() -> None:
    page = drawn().html("The end.")
    assert outside(page) == []
    assert "default-src 'none'" in page


def test_the_script_of_figures_is_there_once_and_only_for_figures() -> None:
    page = drawn()
    page.figure("Another", go.Figure())
    assert page.html("").count("plotly.js v") == 1
    assert "plotly.js v" not in Page("Words").html("")
    assert len(Page("Words").html("")) < 10_000


def test_the_same_page_has_the_same_bytes() -> None:
    assert drawn().html("x") == drawn().html("x")


def test_names_are_shown_as_they_are() -> None:
    page = Page("<b>")
    page.say("<i> a & b")
    page.say("")
    page.heading("<u>")
    page.table(pd.DataFrame({"<s>": ["<img src=x onerror=alert(1)>"]}))
    text = page.html("<q>")
    assert not re.search(r"<(?:b|i|u|s|q|img)[ >]", text)
    assert "&lt;img src=x" in text


def test_what_is_not_known_is_called_so_and_what_is_empty_is_left_out() -> None:
    page = drawn().html("")
    assert re.findall(r"<td>(.*?)</td>", page) == ["known", "3", "gone", "not known"]


def test_secrets_are_hidden_and_the_size_is_told() -> None:
    page = Page("Of hunter2hunter2")
    page.say("hunter2hunter2")
    text = page.html("hunter2hunter2", ["hunter2hunter2"])
    assert "hunter2" not in text
    assert "This page has 0.0 MB." in text
