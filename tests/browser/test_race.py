"""Four strategies are raced and compared in a real browser; the address shows the same to somebody else."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from molfun.runs.status import run_status
from molfun.runs.store import RunStore
from tests.browser.server import Server
from tests.browser.steps import choose_run, save_small_run

RACE_SECONDS = 900.0
TITLES = ("Head only", "LoRA", "Partial", "Full")
SHOWN = (
    "() => [...document.querySelectorAll('.molfun-chart')]"
    ".map(chart => (chart.data ?? []).map(line => [line.name, line.line.color]))"
)


@pytest.mark.slow
def test_a_race_is_started_watched_compared_and_shared(
    server: Server, open_page: Callable[..., Page], screenshot: Callable[..., None]
) -> None:
    page = open_page()
    page.goto(f"{server.url}/new_run?from={save_small_run(server.home)}")
    choose_run(page, "LoRA", epochs=3)
    page.get_by_role("button", name="Race or cross-validate").click()
    page.get_by_role("button", name="Start the race").dblclick()
    page.wait_for_url("**/compare?runs=*")
    screenshot(page, "race-begun")
    conclusion = page.get_by_text(re.compile(r"scores highest \(-?[01]\.\d+\)"))
    expect(conclusion).to_be_visible(timeout=480_000)
    runs = [run for run in RunStore(server.home).list() if run.id != "small"]
    # Two scores are enough for a conclusion; the others are still at work then.
    deadline = time.monotonic() + RACE_SECONDS
    while not all(run_status(run).is_over for run in runs):
        assert time.monotonic() < deadline, [run.read_state() for run in runs]
        time.sleep(0.5)
    assert len(runs) == len(TITLES)
    assert all((run.checkpoints / "best").is_dir() for run in runs)
    expect(page.get_by_text("Score against cost")).to_be_visible()

    page.get_by_role("radio", name="Epoch", exact=True).click()
    page.wait_for_url(re.compile(r"x=epoch"))
    page.wait_for_function(f"({SHOWN})().every(chart => chart.length === {len(TITLES)})")
    shown = page.evaluate(SHOWN)
    assert [[name for name, _ in chart] for chart in shown] == [list(TITLES)] * 2
    assert len({color for _, color in shown[0]}) == len(TITLES)
    screenshot(page, "race-over")
    other = open_page()
    other.goto(page.url)
    expect(other.get_by_text(re.compile("scores highest"))).to_be_visible()
    same = json.dumps(shown, separators=(",", ":"))
    other.wait_for_function(f"JSON.stringify(({SHOWN})()) === '{same}'")


@pytest.mark.slow
def test_settings_are_raced(server: Server, open_page: Callable[..., Page], screenshot: Callable[..., None]) -> None:
    page = open_page()
    page.goto(f"{server.url}/new_run?from={save_small_run(server.home, training={'epochs': 3})}")
    page.get_by_role("button", name="Race or cross-validate").click()
    # The page behind is drawn anew with every answer of the preview; the dialog stays.
    expect(page.get_by_text("of memory for the heaviest batch")).to_be_visible()
    for title in TITLES[2:]:
        page.get_by_role("button", name=title, exact=True).click()
    expect(page.get_by_text("2 runs, one after another.")).to_be_visible()
    page.get_by_role("combobox", name="Vary settings").fill("Rank")
    page.get_by_role("option", name="Rank", exact=True).click()
    page.keyboard.press("Tab")
    values = page.get_by_role("textbox", name="Values of Rank")
    values.fill("2, 4")
    values.press("Tab")
    expect(page.get_by_text("3 runs, one after another.")).to_be_visible()
    screenshot(page, "race-grid")
    page.get_by_role("button", name="Start the race").click()
    page.wait_for_url("**/compare?runs=*")
    expect(page.get_by_text(re.compile(r"scores highest"))).to_be_visible(timeout=400_000)
    ranks = [getattr(run.spec.strategy, "rank", None) for run in RunStore(server.home).list() if run.id != "small"]
    assert sorted(ranks, key=str) == [2, 4, None]
