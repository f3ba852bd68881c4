"""The way of a structure in a real browser: example, small ESMFold, Start, scores, viewer, prediction, file."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.server import Server
from tests.browser.steps import PREDICT, start_run, wait_for_status

SEQUENCE = "RPDFCLEPPYTGPCKARIIRYFYNAKAGLCQTFVYGGCRAKRNNFKSAEDCMRTCGGA"


def scene_is_drawn(page: Page, key: str) -> None:
    """Wait until a structure is seen: its canvas holds more than the ground."""
    box = page.locator(f".st-key-{key} .molfun-chart")
    expect(box.locator("canvas").first).to_be_visible()
    box.scroll_into_view_if_needed()
    page.wait_for_timeout(2_000)
    assert len(box.screenshot()) > 15_000, "an empty scene takes some 3 kB as PNG"


def camera(page: Page, key: str) -> list[float]:
    """Return from where a structure is looked at."""
    scene = f"document.querySelector('.st-key-{key} .molfun-chart')._fullLayout.scene._scene"
    found: list[float] = page.evaluate(f"(() => Object.values({scene}.getCamera().eye))()")
    return found


@pytest.mark.slow
def test_small_proteins_become_structures_to_look_at(
    server: Server, open_page: Callable[..., Page], screenshot: Callable[..., None], tmp_path: Path
) -> None:
    page = open_page()
    page.goto(server.url)
    page.get_by_role("button", name="Try it").last.click()
    expect(page.get_by_role("heading", name="New run")).to_be_visible()
    expect(page.get_by_text("was never trained, so that it begins with random weights")).to_be_visible()
    run_id = start_run(page, "Head only", epochs=1)
    wait_for_status(page, "Finished")
    expect(page.get_by_text(re.compile(r"lDDT 0\.\d+")).first).to_be_visible()
    expect(page.get_by_role("heading", name="Targets")).to_be_visible()
    scene_is_drawn(page, "target-space")
    page.locator(".st-key-target-space").scroll_into_view_if_needed()
    before, box = camera(page, "target-space"), page.locator(".st-key-target-space").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 200, box["y"] + 200)
    page.mouse.down()
    page.mouse.move(box["x"] + 320, box["y"] + 150, steps=5)
    page.mouse.up()
    turned = camera(page, "target-space")
    assert turned != before
    page.get_by_role("radio", name="Error").click()
    expect(page.get_by_text("≥ 8").first).to_be_visible()
    page.wait_for_timeout(2_000)  # the scene is drawn anew, then turned back
    assert camera(page, "target-space") == pytest.approx(turned, abs=1e-6)
    screenshot(page, "structures")
    assert len(list((server.home / "runs" / run_id / "predictions" / "structures").iterdir())) == 2

    page.goto(f"{server.url}/predict?run={run_id}")
    page.get_by_label("or paste a table or FASTA").fill(SEQUENCE)
    page.get_by_label("or paste a table or FASTA").press("Control+Enter")
    page.get_by_role("button", name=PREDICT).click()
    expect(page.get_by_text("1 of 1 row")).to_be_visible()
    scene_is_drawn(page, "folded-space")
    screenshot(page, "structures-predict")
    with page.expect_download() as told:
        page.get_by_role("button", name="mmCIF").click()
    told.value.save_as(tmp_path / "one.cif")
    assert (tmp_path / "one.cif").read_text().startswith("data_predicted")
    with page.expect_download() as told:
        page.get_by_role("button", name="1 structure (zip)").click()
    told.value.save_as(tmp_path / "all.zip")
    assert zipfile.ZipFile(tmp_path / "all.zip").namelist() == ["row_1.cif"]
