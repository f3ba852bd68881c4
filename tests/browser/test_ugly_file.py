"""The whole way with a messy table: drop or paste it, mend it, split it fairly, train, scan, take it away."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from playwright.sync_api import Page, expect

from molfun.data.dataset import list_datasets, load_dataset
from tests.browser.server import Server
from tests.browser.steps import SCAN, start_run, wait_for_status
from tests.data.test_identity import identities_of_biotite
from tests.data.test_mutations import WILD_TYPE

FIRST = 24  # as the construct is numbered
NUM_FAMILIES, NUM_MEMBERS = 12, 6
LIMIT = 0.5  # as the page proposes it
DROP = """([name, content]) => {
    const bytes = Uint8Array.from(atob(content), letter => letter.charCodeAt(0));
    const transfer = new DataTransfer();
    transfer.items.add(new File([bytes], name, {type: 'text/csv'}));
    const zone = document.querySelector('[data-testid=stFileUploaderDropzone]');
    for (const kind of ['dragenter', 'dragover', 'drop'])
        zone.dispatchEvent(new DragEvent(kind, {dataTransfer: transfer, bubbles: true}));
}"""


def ugly_table() -> str:
    """Return mutations with units behind their values, and rows that nobody can use."""
    lines = ["mutant;ddG"]
    for number, wild in enumerate(WILD_TYPE, start=FIRST):
        lines += [f"{wild}{number}{new};{(number * 7 + ord(new)) % 50 / 10} kcal/mol" for new in "AWD" if new != wild]
    return "\n".join([*lines, "A24G;0.5", "M24del;1.0", "WT;0.0", f"M{FIRST}K;"])


@pytest.mark.slow
def test_an_ugly_table_becomes_a_scan(server: Server, open_page: Callable[..., Page], tmp_path: Path) -> None:
    page = open_page(height=1400)
    page.goto(f"{server.url}/data")
    page.get_by_role("radio", name="Paste").click()
    page.get_by_role("textbox", name="Table or FASTA").fill(ugly_table())
    page.get_by_role("button", name="Read it").click()
    page.get_by_role("textbox", name="Wild type").fill(f">gb1\n{WILD_TYPE}")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_text(f"rows fit, with M as residue {FIRST}.")).to_be_visible()
    expect(page.get_by_text("A24G expects A, but residue 24 is M")).to_be_visible()
    page.get_by_role("button", name="Build the sequences").click()
    expect(page.get_by_text("Cleaning so far")).to_be_visible()
    expect(page.get_by_role("button", name="Build the sequences")).to_have_count(0)
    page.get_by_role("radio", name="Regression").click()
    expect(page.get_by_role("radio", name="Regression", checked=True)).to_be_visible()
    page.get_by_role("button", name="Leave out rows with nothing in").click()
    page.get_by_role("button", name="without their units").click()
    expect(page.get_by_role("button", name="Undo")).to_have_count(3)
    # One step is taken back and done again.
    page.get_by_role("button", name="Undo").last.click()
    expect(page.get_by_role("button", name="Undo")).to_have_count(2)
    page.get_by_role("button", name="without their units").click()
    expect(page.get_by_role("button", name="Undo")).to_have_count(3)
    page.get_by_role("combobox", name="Split").click()
    page.get_by_role("option", name="By mutated position").click()
    expect(page.get_by_text("share at least 95 % of their residues with a training row")).to_be_visible()
    page.get_by_role("textbox", name="Name", exact=True).fill("GB1 scan")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Save dataset").click()
    page.get_by_role("button", name="Start a run with it").click()
    run_id = start_run(page, "Head only", epochs=2)
    wait_for_status(page, "Finished")

    saved = load_dataset(server.home / "datasets", list_datasets(server.home / "datasets")[0]["id"])
    assert saved.split.kind == "position"
    assert [step["kind"] for step in saved.about["recipe"]] == ["mutations", "drop", "numbers"]
    assert len(saved.frame) == ugly_table().count("\n") - 3

    page.get_by_role("button", name="Predict with it").click()
    page.wait_for_url(f"**/predict?run={run_id}")
    page.get_by_role("radio", name="Mutation scan").click()
    expect(page.get_by_role("textbox", name="Wild type")).to_have_value(WILD_TYPE)
    page.get_by_role("button", name=SCAN).click()
    expect(page.get_by_text("Ranking")).to_be_visible(timeout=400_000)
    assert re.search(r"job=\d{8}-\d{6}-[0-9a-f]{4}", page.url)
    with page.expect_download() as download:
        page.get_by_role("button", name="CSV").click()
    download.value.save_as(tmp_path / "scan.csv")
    scan = pd.read_csv(tmp_path / "scan.csv")
    assert scan.columns.tolist() == ["mutation", "prediction", "change", "measured", "part"]
    assert (scan["part"] == "test").sum() == saved.counts["test"]
    assert len(scan) == 1 + 19 * len(WILD_TYPE)
    assert scan.loc[scan["mutation"] == "WT", "change"].tolist() == [0.0]
    assert scan["prediction"].is_monotonic_decreasing
    # The address alone shows the same picture.
    other = open_page()
    other.goto(page.url)
    expect(other.get_by_text("Ranking")).to_be_visible()


def table_of_families() -> bytes:
    """Return what a plate reader's software and a spreadsheet made of families of alike proteins.

    A title, Windows line ends and letters, semicolons, decimal commas, stops, lower case, an empty value.
    """
    dice = np.random.default_rng(5)
    lines = ["Export of the plate reader;;", ";;", "Probe;Sequenz;Tm (°C)"]
    for family in range(NUM_FAMILIES):
        parent = dice.choice(list("ACDEFGHIKLMNPQRSTVWY"), 40)
        for member in range(NUM_MEMBERS):
            own = parent.copy()
            own[dice.integers(40, size=3)] = dice.choice(list("AGST"), 3)
            sequence = "".join(own) if member else "".join(own).lower() + "*"
            lines.append(f"F{family}-{member};{sequence};{50 + family + dice.random():.2f}".replace(".", ","))
    return "\r\n".join([*lines, f"F0-9;{WILD_TYPE};"]).encode("cp1252")


@pytest.mark.slow
def test_a_dropped_file_is_split_by_identity_and_scored(
    server: Server, open_page: Callable[..., Page], tmp_path: Path
) -> None:
    page = open_page(height=1400)
    page.goto(f"{server.url}/data")
    page.get_by_role("radio", name="Upload").click()
    expect(page.get_by_test_id("stFileUploaderDropzone")).to_be_visible()
    page.evaluate(DROP, ["Platte 7.csv", base64.b64encode(table_of_families()).decode()])
    expect(page.get_by_role("heading", name="Checks")).to_be_visible()
    page.get_by_role("button", name="Remove stops at the end").click()
    page.get_by_role("button", name="Leave out rows with nothing in").click()
    expect(page.get_by_role("button", name="Undo")).to_have_count(2)
    page.get_by_role("combobox", name="Split").click()
    page.get_by_role("option", name="By sequence identity").click()
    expect(page.get_by_text("No test row shares more than")).to_be_visible()
    page.get_by_role("textbox", name="Name", exact=True).fill("Plate 7")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Save dataset").click()
    page.get_by_role("button", name="Start a run with it").click()
    start_run(page, "Head only", epochs=2)
    wait_for_status(page, "Finished")

    saved = load_dataset(server.home / "datasets", list_datasets(server.home / "datasets")[0]["id"])
    assert (saved.split.kind, saved.split.max_identity) == ("identity", LIMIT)
    assert len(saved.frame) == NUM_FAMILIES * NUM_MEMBERS
    test, rest = (saved.frame[(saved.frame["split"] == "test") == is_test]["chain_1"] for is_test in (True, False))
    assert max(max(identities_of_biotite(one, other)) for one in test for other in rest) <= LIMIT

    # The scoreboard: the sentence, the baselines, every metric with its interval, and where the model is right.
    expect(page.get_by_text("test rows that training never saw")).to_be_visible()
    expect(page.get_by_text("One-hot").first).to_be_visible()
    page.get_by_text("Every metric, and where the model is right or wrong").click()
    expect(page.get_by_text("Intervals are over resampled test rows")).to_be_visible()
    expect(page.get_by_role("radio", name="By identity to training")).to_be_visible()

    page.get_by_role("button", name="Predict with it").click()
    page.get_by_role("radio", name="Mutation scan").click()
    page.get_by_role("textbox", name="Wild type").fill(saved.frame["chain_1"].iloc[1])
    page.keyboard.press("Control+Enter")
    page.get_by_role("button", name=SCAN).click()
    expect(page.get_by_text("Ranking")).to_be_visible(timeout=400_000)
    with page.expect_download() as download:
        page.get_by_role("button", name="CSV").first.click()
    download.value.save_as(tmp_path / "scan.csv")
    assert len(pd.read_csv(tmp_path / "scan.csv")) == 1 + 19 * 40
