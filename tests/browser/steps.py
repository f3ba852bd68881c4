"""What a person does in the app, in words: used by the browser tests."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlparse

import pandas as pd
from playwright.sync_api import Page, expect

from molfun.data.dataset import save_dataset
from molfun.data.examples import save_example
from molfun.data.settings import ColumnSettings, SplitSettings
from molfun.runs.spec import RunSpec
from molfun.runs.store import RunStore
from molfun.training.catalog import STRATEGIES

# Buttons with a shortcut, which is part of what they are called.
START, SCAN, PREDICT = (re.compile(rf"^{label}( |$)") for label in ("Start", "Scan", "Predict"))
LOSS_POINTS = "() => document.querySelector('.molfun-chart')?.calcdata?.[0]?.length ?? 0"


def save_small_run(home: Path, **sections: dict[str, Any]) -> str:
    """Write the settings of a run that loads in a second and takes milliseconds a step; return its id.

    Args:
        home: The data folder.
        **sections: Settings by section, beside or instead of these.
    """
    rows = [{"sequence": "MKTAYIAKQR"[i % 7 :] + "GSW" + "A" * (i % 5), "value": i * 0.37 % 2} for i in range(40)]
    columns = ColumnSettings(sequence=["sequence"], target="value", task="regression")
    dataset = save_dataset(home / "datasets", pd.DataFrame(rows), columns, SplitSettings(), name="Small")
    values: dict[str, dict[str, Any]] = {
        "data": {"dataset": dataset.id}, "model": {"name": "esm2_8m", "weights": "random"},
        "training": {"batch_size": 4, "num_threads": 1, "keep_frozen": False},
        "strategy": {"kind": "head_only", "amp": False},
    }  # fmt: skip
    for name, settings in sections.items():
        values[name] = {**values.get(name, {}), **settings}
    return RunStore(home).create(RunSpec.parse(values), run_id="small").id


def save_slow_run(home: Path) -> str:
    """Write the settings of a run on the V genes with AntiBERTy that takes seconds an epoch; return its id."""
    dataset = save_example(home / "datasets", "v_genes")
    values: dict[str, dict[str, Any]] = {
        "data": {"dataset": dataset.id}, "training": {"keep_frozen": False}, "strategy": {"kind": "head_only"},
    }  # fmt: skip
    return RunStore(home).create(RunSpec.parse(values), run_id="slow").id


def try_example(page: Page, url: str) -> None:
    """Open the home page and take the first example, the V genes."""
    page.goto(url)
    page.get_by_role("button", name="Try it").first.click()
    expect(page.get_by_role("heading", name="New run")).to_be_visible()


def start_run(page: Page, strategy: str, *, epochs: int) -> str:
    """Choose a strategy and the number of epochs on New run, press Start, and return the run's id."""
    choose_run(page, strategy, epochs=epochs)
    page.get_by_role("button", name=START).click()
    page.wait_for_url("**/live?run=*")
    return parse_qs(urlparse(page.url).query)["run"][0]


def choose_run(page: Page, strategy: str, *, epochs: int) -> None:
    """Choose a strategy and the number of epochs on New run and wait for the preview of what trains."""
    choice = page.get_by_role("radio", name=strategy, exact=True)
    choice.click()
    expect(choice).to_be_checked()
    trains = next(card.trains for card in STRATEGIES.values() if card.title == strategy)
    expect(page.get_by_text(f"Trains {trains}")).to_be_visible()
    field = page.get_by_label("Epochs", exact=True)
    expect(field).to_have_count(1)  # for a moment the form of the strategy before is there too
    field.fill(str(epochs))
    field.press("Tab")
    expect(page.get_by_text(re.compile(rf"\({epochs} × \d+\)"))).to_be_visible()
    expect(page.get_by_text("parameters train")).to_be_visible()


def wait_until_curves_move(page: Page) -> None:
    """Wait until the training curve has points, and then more of them."""
    page.wait_for_function(f"({LOSS_POINTS})() >= 2")
    first = page.evaluate(LOSS_POINTS)
    page.wait_for_function(f"({LOSS_POINTS})() > {first}")


def wait_for_marker(page: Page, label: str) -> None:
    """Wait for a mark on the curves."""
    expect(page.locator(".molfun-chart").first.get_by_text(label)).to_be_visible()


def wait_for_status(page: Page, word: str, timeout_ms: int = 300_000) -> None:
    """Wait until the badge of the run's state says `word`; its icon is text too."""
    badge = page.get_by_test_id("stMain").get_by_text(re.compile(rf"\b{word}$"))
    expect(badge.first).to_be_visible(timeout=timeout_ms)


def wait_until_finished(page: Page, timeout_ms: int = 400_000) -> None:
    """Wait until the page says that the run finished and shows its result."""
    wait_for_status(page, "Finished", timeout_ms)
    expect(page.get_by_role("heading", name="Result")).to_be_visible()
    expect(page.get_by_text(re.compile(r"Balanced accuracy [01]\.\d+")).first).to_be_visible()
