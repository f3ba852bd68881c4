"""A run is steered in a real browser from its start to the bin and back; a second tab follows."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from molfun.runs.store import RunStore
from tests.browser.server import Server
from tests.browser.steps import save_small_run, start_run, wait_for_marker, wait_for_status, wait_until_curves_move


def choose(page: Page, act: str) -> None:
    """Take an act from the menu."""
    page.get_by_role("button", name="Steer").click()
    page.get_by_role("menuitem", name=act).click()


@pytest.mark.slow
def test_run_is_steered_stopped_resumed_deleted_and_brought_back(
    server: Server, open_page: Callable[..., Page], screenshot: Callable[..., None]
) -> None:
    page, other = open_page(), open_page()
    page.goto(f"{server.url}/new_run?from={save_small_run(server.home)}")
    run_id = start_run(page, "Head only", epochs=900)
    folder = RunStore(server.home).get(run_id)
    other.goto(page.url)
    wait_until_curves_move(page)

    page.get_by_role("button", name="Pause", exact=True).click()
    wait_for_status(page, "Paused")
    step = folder.read_state()["step"]
    other.get_by_role("button", name="Continue", exact=True).click()
    wait_for_status(page, "Running")
    wait_for_marker(page, "paused")
    choose(page, "Halve the learning rate")
    wait_for_marker(page, "LR ×0.5")
    choose(page, "More epochs")
    field = page.get_by_role("spinbutton", name="Epochs in all")
    field.fill("1200")
    field.press("Tab")
    page.get_by_role("button", name="Train them").click()
    wait_for_marker(page, "1,200 epochs")
    expect(page.get_by_text(re.compile(r"^\d+ / 1,200$"))).to_be_visible()
    screenshot(page, "steering")

    page.get_by_role("button", name="Stop", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Stop and save").click()
    wait_for_status(page, "Stopped")
    assert folder.read_state()["step"] > step
    other.get_by_role("button", name="Resume", exact=True).click()
    wait_for_marker(page, "resumed")
    page.get_by_role("button", name="Stop", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="End at once").click()
    wait_for_status(page, "Stopped")

    page.get_by_role("button", name="Delete…").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete 1 run").click()
    expect(page.get_by_text("was deleted and lies in the bin")).to_be_visible()
    assert not folder.path.exists()
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("button", name="Resume", exact=True)).to_be_visible()
    assert folder.path.is_dir()
