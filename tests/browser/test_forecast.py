"""A batch that does not fit is made to fit with one click, before anything starts."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pandas as pd
from playwright.sync_api import Page, expect

from molfun.data.dataset import save_dataset
from molfun.data.settings import ColumnSettings, SplitSettings
from tests.browser.server import Server
from tests.browser.steps import save_small_run


def long_rows(home: Path) -> str:
    """Save a thousand rows of a thousand residues; return their id."""
    rows = [
        {"sequence": "MKTAYIAKQR" * 100 + "ACDEFGHIKL"[i % 10] * (i % 7 + 1), "value": float(i)} for i in range(1000)
    ]
    columns = ColumnSettings(sequence=["sequence"], target="value", task="regression")
    return save_dataset(home / "datasets", pd.DataFrame(rows), columns, SplitSettings(), name="Long").id


def test_a_batch_that_is_too_large_is_made_to_fit(
    server: Server, open_page: Callable[..., Page], screenshot: Callable[..., None]
) -> None:
    page = open_page()
    run_id = save_small_run(
        server.home, data={"dataset": long_rows(server.home)}, training={"batch_size": 512}, strategy={"kind": "full"}
    )
    page.goto(f"{server.url}/new_run?from={run_id}")
    expect(page.get_by_text(re.compile(r"This may not fit.* batch size [\d]+, accumulation \d+"))).to_be_visible()
    screenshot(page, "forecast")
    page.get_by_role("button", name="Fit it").click()
    expect(page.get_by_role("button", name="Fit it")).to_have_count(0)
    batch = page.get_by_role("spinbutton", name="Batch size (rows)")
    expect(batch).not_to_have_value("512")
    rows = int(batch.input_value())
    expect(page.get_by_text(re.compile(rf"^Effective batch: {rows} rows × {512 // rows} batches"))).to_be_visible()
    expect(page.get_by_text("of memory for the heaviest batch")).to_be_visible()
    expect(page.get_by_text("This may not fit")).to_have_count(0)
    screenshot(page, "forecast-fits")
