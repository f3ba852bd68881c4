"""A cross-validation in a real browser: all folds saved, one run a fold, one score over every row."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from molfun.data.dataset import list_datasets
from molfun.runs.store import RunStore
from tests.browser.server import Server
from tests.browser.steps import choose_run

TABLE = "sequence,value\n" + "\n".join(
    f"{'MKTAYIAKQR'[i % 7 :]}GSW{'A' * (i % 5)},{i * 0.37 % 2:.2f}" for i in range(60)
)


@pytest.mark.slow
def test_a_table_is_cross_validated(
    server: Server, open_page: Callable[..., Page], screenshot: Callable[..., None]
) -> None:
    page = open_page()
    page.goto(f"{server.url}/data")
    page.get_by_role("radio", name="Paste").click()
    page.get_by_role("textbox", name="Table or FASTA").fill(TABLE)
    page.get_by_role("button", name="Read it").click()
    page.get_by_text("Folds", exact=True).click()
    page.get_by_role("spinbutton", name="Folds").fill("2")
    page.get_by_role("spinbutton", name="Folds").press("Tab")
    page.get_by_role("button", name="Save all 2 folds").click()
    expect(page.get_by_text("Together they test each of the 60 rows once.")).to_be_visible()
    screenshot(page, "folds-saved", max_height=4800)
    assert len(list_datasets(server.home / "datasets")) == 2

    page.get_by_role("button", name="Cross-validate", exact=True).click()
    page.wait_for_url("**/new_run?dataset=*")
    choose_run(page, "Head only", epochs=1)
    page.get_by_role("button", name="Race or cross-validate").click()
    expect(page.get_by_text("8 runs, one after another.")).to_be_visible()
    screenshot(page, "folds-dialog")
    page.get_by_role("button", name="Close").click()
    screenshot(page, "folds-new-run", max_height=1400)
    page.get_by_role("button", name="Cross-validate in 2 folds").dblclick()
    page.wait_for_url("**/compare?runs=*")
    screenshot(page, "folds-begun")
    expect(page.get_by_text(re.compile(r"Head only: Spearman correlation -?0\.\d+ over 60 rows"))).to_be_visible(
        timeout=480_000
    )
    assert len(RunStore(server.home).list()) == 2
    assert len(list_datasets(server.home / "datasets")) == 2
    page.get_by_text("Every row, predicted by a run that did not train on it").click()
    expect(page.get_by_text("Predicted against true value")).to_be_visible()
    screenshot(page, "folds-over", max_height=4800)
    other = open_page(scheme="dark")
    other.goto(page.url)
    expect(other.get_by_text("Test Spearman correlation: folds, and pooled")).to_be_visible()
    screenshot(other, "folds-over-dark", max_height=4800)
