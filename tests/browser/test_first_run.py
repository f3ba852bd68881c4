"""The first path of a new user, in a real browser: example, model, strategy, Start, curves, result."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.server import Server
from tests.browser.steps import (
    LOSS_POINTS,
    save_slow_run,
    start_run,
    try_example,
    wait_for_status,
    wait_until_curves_move,
    wait_until_finished,
)


@pytest.mark.slow
def test_an_example_becomes_a_result(
    server: Server, open_page: Callable[..., Page], screenshot: Callable[..., None]
) -> None:
    page = open_page()
    page.goto(server.url)
    expect(page.get_by_role("heading", name="Molfun")).to_be_visible()
    try_example(page, server.url)
    run_id = start_run(page, "Head only", epochs=8)
    wait_until_curves_move(page)
    expect(page.get_by_role("button", name="Stop", exact=True)).to_be_visible()
    page.wait_for_function(f"({LOSS_POINTS})() > 60")
    screenshot(page, "live")
    wait_until_finished(page)
    screenshot(page, "result")
    page.get_by_text("Every metric, and where the model is right or wrong").click()
    expect(page.get_by_text("How sure, and how often right")).to_be_visible()
    page.get_by_role("radio", name="By class").click()
    expect(page.get_by_text("Accuracy by group")).to_be_visible()
    assert (server.home / "runs" / run_id / "checkpoints" / "best").is_dir()
    page.goto(f"{server.url}/runs")
    expect(page.get_by_text("1 of 1 run")).to_be_visible()


@pytest.mark.slow
def test_zoom_survives_refreshes_and_stop_ends_the_run(server: Server, open_page: Callable[..., Page]) -> None:
    page = open_page(height=1100)
    page.goto(f"{server.url}/new_run?from={save_slow_run(server.home)}")
    run_id = start_run(page, "Head only", epochs=200)
    wait_until_curves_move(page)
    drag = page.locator(".molfun-chart .nsewdrag").first.bounding_box()
    assert drag is not None
    page.mouse.move(drag["x"] + 0.2 * drag["width"], drag["y"] + 0.2 * drag["height"])
    page.mouse.down()
    page.mouse.move(drag["x"] + 0.8 * drag["width"], drag["y"] + 0.8 * drag["height"], steps=5)
    page.mouse.up()
    visible = "() => document.querySelector('.molfun-chart').layout.xaxis.range.map((x) => x.toFixed(3)).join()"
    zoomed = page.evaluate(visible)
    wait_until_curves_move(page)
    assert page.evaluate(visible) == zoomed
    page.get_by_role("button", name="Stop", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Stop and save").click()
    wait_for_status(page, "Stopped")
    expect(page.get_by_text(re.compile(r"Balanced accuracy [01]\.\d+")).first).to_be_visible()
    assert (server.home / "runs" / run_id / "checkpoints" / "last").is_dir()
