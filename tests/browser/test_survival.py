"""The browser is closed and the app killed: the run goes on, and the app shows it whole when it is back."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.server import Server
from tests.browser.steps import (
    LOSS_POINTS,
    save_slow_run,
    start_run,
    wait_for_status,
    wait_until_curves_move,
    wait_until_finished,
)

FINISH_SECONDS = 240.0
# From the first visit of an app that has just answered to the state on the page.
SHOWN_SECONDS = 3.0


@pytest.mark.slow
def test_run_outlives_browser_and_killed_app(server: Server, open_page: Callable[..., Page]) -> None:
    page = open_page()
    page.goto(f"{server.url}/new_run?from={save_slow_run(server.home)}")
    run_id = start_run(page, "Head only", epochs=6)
    wait_until_curves_move(page)
    folder = server.home / "runs" / run_id
    page.close()
    server.kill()
    at_kill = json.loads((folder / "state.json").read_text())
    assert at_kill["status"] == "running"

    deadline = time.monotonic() + FINISH_SECONDS
    while json.loads((folder / "state.json").read_text())["status"] == "running" and time.monotonic() < deadline:
        time.sleep(0.5)
    assert json.loads((folder / "state.json").read_text())["status"] == "finished"

    server.start()
    page = open_page()
    came_back = time.monotonic()
    page.goto(f"{server.url}/live?run={run_id}")
    wait_for_status(page, "Finished")
    assert time.monotonic() - came_back < SHOWN_SECONDS
    wait_until_finished(page)
    page.wait_for_function(f"({LOSS_POINTS})() > 0")
    state = json.loads((folder / "state.json").read_text())
    assert page.evaluate(LOSS_POINTS) == state["total_steps"] > at_kill.get("step", 0)
    expect(page.get_by_text("Step 90 of 90")).to_be_visible()


@pytest.mark.slow
def test_killed_run_is_resumed_from_its_page(server: Server, open_page: Callable[..., Page]) -> None:
    page = open_page()
    page.goto(f"{server.url}/new_run?from={save_slow_run(server.home)}")
    run_id = start_run(page, "Head only", epochs=6)
    wait_until_curves_move(page)
    folder = server.home / "runs" / run_id
    deadline = time.monotonic() + FINISH_SECONDS
    while not (folder / "checkpoints" / "last" / "manifest.json").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    os.kill(json.loads((folder / "state.json").read_text())["pid"], signal.SIGKILL)
    resume = page.get_by_role("button", name="Resume")
    expect(resume).to_be_visible(timeout=30_000)
    expect(page.get_by_text("without saying why").first).to_be_visible()
    resume.click()
    wait_until_finished(page)
    state = json.loads((folder / "state.json").read_text())
    assert state["attempt"] == 2
    page.wait_for_function(f"({LOSS_POINTS})() == {state['total_steps']}")  # every step once
