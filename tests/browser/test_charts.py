"""Charts that keep what a person did to them while their data grow, and show more where somebody looks closer."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from molfun.data.dataset import Dataset
from molfun.runs.process import identity_of
from molfun.runs.store import RunFolder
from tests.browser.server import Server
from tests.drawn_pages import dataset, make_run

__all__ = ["dataset", "make_run"]

NUM_STEPS = 20_000
RANGE = "(chart) => chart.layout.xaxis.range.map((x) => Math.round(x)).join()"
DRAWN = "(chart) => Number(chart.dataset.drawn)"
INSIDE = (
    "(chart) => { const [first, last] = chart.layout.xaxis.range;"
    " return Array.from(chart._fullData[0].x).filter((x) => x >= first && x <= last).length }"
)


def add_steps(folder: RunFolder, first: int, num_steps: int = 50) -> int:
    """Record more steps, as a worker does; return the number of the next one."""
    with folder.metrics_path.open("a") as file:
        for step in range(first, first + num_steps):
            row = {"kind": "step", "segment": 0, "step": step, "t": float(step), "loss": 0.4 + (step * 37 % 100) / 300}
            file.write(json.dumps({**row, "epoch": step / 1000, "lr/head": 1e-3, "tokens_per_second": 1e3}) + "\n")
    folder.write_state(heartbeat=time.time(), step=first + num_steps)
    return first + num_steps


@pytest.fixture
def long_runs(make_run: Callable[..., RunFolder], dataset: Dataset) -> Iterator[list[RunFolder]]:
    """Return two runs at work, of 20,000 steps; a process that sleeps is theirs."""
    with subprocess.Popen(["sleep", "600"]) as worker:
        folders = [make_run(name, "running", num_steps=10) for name in ("one", "two")]
        for folder in folders:
            folder.write_state(**identity_of(worker.pid))
            add_steps(folder, 11, NUM_STEPS)
        yield folders
        worker.kill()


def zoom(page: Page, number: int) -> None:
    """Drag over the middle of a chart."""
    drag = page.locator(".molfun-chart .nsewdrag").nth(number)
    drag.scroll_into_view_if_needed()
    box = drag.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 0.4 * box["width"], box["y"] + 0.2 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.45 * box["width"], box["y"] + 0.8 * box["height"], steps=5)
    page.mouse.up()


@pytest.mark.parametrize(("path", "number"), [("live?run=one", 0), ("compare?runs=one,two", 1)])
def test_zoom_is_kept_over_refreshes(
    server: Server, open_page: Callable[..., Page], long_runs: list[RunFolder], path: str, number: int
) -> None:
    page = open_page()
    page.goto(f"{server.url}/{path}")
    chart = page.locator(".molfun-chart").nth(number)
    page.wait_for_function("(n) => document.querySelectorAll('.molfun-chart .nsewdrag').length > n", arg=number)
    everything = chart.evaluate(RANGE)
    zoom(page, number)
    zoomed = chart.evaluate(RANGE)
    assert zoomed != everything
    page.wait_for_timeout(1500)  # the closer look has come
    step = NUM_STEPS + 11
    for _ in range(3):
        drawn = chart.evaluate(DRAWN)
        step = add_steps(long_runs[0], step)
        expect(chart).not_to_have_attribute("data-drawn", str(drawn))
        assert chart.evaluate(RANGE) == zoomed


def test_a_closer_look_shows_every_step(
    server: Server, open_page: Callable[..., Page], long_runs: list[RunFolder]
) -> None:
    page = open_page()
    page.goto(f"{server.url}/live?run=one")
    page.wait_for_function("() => document.querySelectorAll('.molfun-chart .nsewdrag').length > 0")
    chart = page.locator(".molfun-chart").first
    zoom(page, 0)
    first, last = map(int, chart.evaluate(RANGE).split(","))
    coarse = chart.evaluate(INSIDE)
    page.wait_for_function(f"([few]) => ({INSIDE})(document.querySelector('.molfun-chart')) > few", arg=[2 * coarse])
    assert chart.evaluate(INSIDE) >= min(600, 0.9 * (last - first))
    chart.locator(".nsewdrag").dblclick()
    page.wait_for_function(f"() => ({RANGE})(document.querySelector('.molfun-chart')) !== '{first},{last}'")


def test_a_chart_without_news_is_not_drawn_again(
    server: Server, open_page: Callable[..., Page], long_runs: list[RunFolder]
) -> None:
    page = open_page()
    page.goto(f"{server.url}/live?run=one")
    page.wait_for_function("() => document.querySelectorAll('.molfun-chart .nsewdrag').length > 3")
    drawn = [chart.evaluate(DRAWN) for chart in page.locator(".molfun-chart").all()]
    page.wait_for_timeout(5000)  # two refreshes
    assert [chart.evaluate(DRAWN) for chart in page.locator(".molfun-chart").all()] == drawn
    add_steps(long_runs[0], NUM_STEPS + 11)
    expect(page.locator(".molfun-chart").first).not_to_have_attribute("data-drawn", str(drawn[0]))
    page.wait_for_timeout(1000)
    # No epoch has ended, so the validation is as it was.
    assert page.locator(".molfun-chart").nth(1).evaluate(DRAWN) == drawn[1]


def test_how_curves_are_shown_stands_in_the_address(
    server: Server, open_page: Callable[..., Page], long_runs: list[RunFolder]
) -> None:
    page = open_page()
    page.goto(f"{server.url}/live?run=one&smoothing=0.5")
    expect(page.get_by_role("slider", name="Smoothing")).to_have_value("0.5")
    page.get_by_text("Log scale", exact=True).click()
    page.wait_for_url(re.compile("log=1"))
    other = open_page()
    other.goto(page.url)
    expect(other.get_by_role("slider", name="Smoothing")).to_have_value("0.5")
    other.wait_for_function("() => document.querySelector('.molfun-chart')?.layout?.yaxis?.type === 'log'")
