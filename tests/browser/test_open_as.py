"""A run is opened as a file in a real browser: the button beside Evidence, what comes with a click, and a phone."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from molfun.data.dataset import Dataset
from molfun.runs.store import RunFolder
from tests.browser.server import Server
from tests.drawn_pages import dataset, make_run, write_results

__all__ = ["dataset", "make_run"]


@pytest.mark.parametrize("width", [1280, 390])
def test_a_run_opens_as_each_kind_of_file(
    server: Server, open_page: Callable[..., Page], screenshot: Callable[..., None], dataset: Dataset,
    make_run: Callable[..., RunFolder], width: int,
) -> None:  # fmt: skip
    folder = make_run("done", "finished")
    write_results(folder, dataset)
    page = open_page(width=width)
    page.goto(f"{server.url}/live?run=done")
    button = page.get_by_role("button", name="Open as")
    expect(button).to_be_visible()
    button.scroll_into_view_if_needed()
    button.click()
    texts = {}
    for title in ("Notebook", "Python", "Command line"):
        with page.expect_download() as waiting:
            page.get_by_role("button", name=title, exact=False).last.click()
        texts[waiting.value.suggested_filename] = Path(waiting.value.path()).read_text(encoding="utf-8")
    screenshot(page, f"open-as-{width}")
    assert sorted(texts) == ["done.ipynb", "done.py", "done.sh"]
    assert json.loads(texts["done.ipynb"])["nbformat"] == 4
    compile(texts["done.py"], "done.py", "exec")
    assert f"molfun fit {dataset.id} --strategy head_only" in texts["done.sh"]
