"""Every page in every state, light and dark, in a real browser with real runs; kept as pictures by `make gallery`."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from molfun.data.dataset import Dataset, save_dataset
from molfun.data.examples import EXAMPLES, load_example, save_example
from molfun.runs.plan import plan_run
from molfun.runs.store import RunFolder
from molfun.runs.submit import submit_run
from tests.browser.server import Server
from tests.browser.steps import wait_for_status
from tests.real_runs import processes_of, wait_for_end, wait_for_steps

# By name of the picture: address, and words that the page says when it is whole.
EMPTY = {
    "home-empty": ("/", "Start here"),
    "data-empty": ("/data", "Example"),
    "new-run-empty": ("/new_run", "A run needs data"),
    "live-empty": ("/live", "There is no run yet"),
    "runs-empty": ("/runs", "No run"),
    "compare-empty": ("/compare", "Two runs with curves are needed"),
    "predict-empty": ("/predict", "No run has weights yet"),
    "parameters": ("/parameters", "The strategies side by side"),
    "settings-empty": ("/settings", "The bin is empty"),
}
AT_WORK = {
    "home": ("/", "Recent runs"),
    "data": ("/data", "Look at it"),
    "new-run": ("/new_run?dataset={data}", "parameters train"),
    "live-running": ("/live?run={running}", "Training"),
    "live-finished": ("/live?run={head}", "Result"),
    "live-failed": ("/live?run={failed}", "killed"),
    "runs": ("/runs", "4 of 4 runs"),
    "compare": ("/compare?runs={head},{lora}", "scores highest"),
    "compare-running": ("/compare?runs={head},{running}", "Training"),
    "predict": ("/predict?run={head}", "Table of new sequences"),
    "parameters-lora": ("/parameters?model=antiberty&strategy=lora", "The strategies side by side"),
    "settings": ("/settings", "runs"),
}
SCHEMES = ("light", "dark")
# Pictures show runs on the whole example, of many steps; the same pages are whole with fewer rows and steps.
WITH_PICTURES = bool(os.environ.get("MOLFUN_SCREENSHOTS"))
LONG, STEPS_OF_KILLED, STEPS_OF_RUNNING = (200, 100, 60) if WITH_PICTURES else (2000, 10, 10)  # epochs, steps, steps
ROWS_OF_EACH = 12  # of each species in each part, where no pictures are taken
# The data folder of a test is shown as the one that people have.
RENAME = """([shown, usual]) => {
  const words = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (words.nextNode()) {
    words.currentNode.nodeValue = words.currentNode.nodeValue.replaceAll(shown, usual);
  }
}"""
WIDER = "(main) => main.scrollWidth - main.clientWidth"  # by how much a page is wider than the screen
NARROW = ("new-run", "live-finished", "runs", "compare")


def look(page: Page, server: Server, path: str, said: str) -> None:
    """Open an address and wait until the page is whole."""
    page.goto(server.url + path)
    expect(page.get_by_test_id("stMain").get_by_text(said).first).to_be_visible()
    expect(page.get_by_test_id("stStatusWidget")).to_have_count(0)
    expect(page.get_by_test_id("stSkeleton")).to_have_count(0)
    assert page.get_by_test_id("stException").count() == 0
    page.evaluate(RENAME, [str(server.home), "~/.molfun"])


@pytest.mark.parametrize("scheme", SCHEMES)
def test_pages_without_anything(
    server: Server, open_page: Callable[..., Page], screenshot: Callable[..., None], scheme: str
) -> None:
    page = open_page(scheme=scheme)
    for name, (path, said) in EMPTY.items():
        look(page, server, path, said)
        screenshot(page, f"{name}-{scheme}", 1800)


def save_genes(home: Path) -> Dataset:
    """Save the V genes, for pictures all of them."""
    if WITH_PICTURES:
        return save_example(home / "datasets", "v_genes")
    example, table = EXAMPLES["v_genes"], load_example("v_genes")
    few = table.groupby(["split", "species"]).head(ROWS_OF_EACH)
    return save_dataset(home / "datasets", few, example.columns, example.split, name=example.title)


def start(home: Path, dataset: Dataset, name: str, strategy: str, **changes: object) -> RunFolder:
    """Start a run on the V genes with AntiBERTy's pretrained weights."""
    told: dict[str, object] = {"name": name, "training.num_threads": 1, "training.keep_frozen": False}
    told |= {path.replace("__", "."): value for path, value in changes.items()}
    return submit_run(home, plan_run(home, {"data": {"dataset": dataset.id}}, strategy=strategy, changes=told)[0])


@pytest.mark.slow
def test_pages_with_runs(server: Server, open_page: Callable[..., Page], screenshot: Callable[..., None]) -> None:
    home = server.home
    dataset = save_genes(home)
    head = start(home, dataset, "V genes, head only", "head_only", training__epochs=8, training__keep_frozen=True)
    wait_for_end(head)
    lora = start(home, dataset, "V genes, LoRA", "lora", training__epochs=1)
    wait_for_end(lora)
    failed = start(home, dataset, "V genes, killed", "head_only", training__epochs=LONG)
    wait_for_steps(failed, STEPS_OF_KILLED)
    next(process for process in processes_of(failed) if "molfun.runs.rank" in process.cmdline()).kill()
    wait_for_end(failed)
    running = start(home, dataset, "V genes, long", "head_only", training__epochs=LONG)
    wait_for_steps(running, STEPS_OF_RUNNING)
    ids = {"data": dataset.id, "head": head.id, "lora": lora.id, "failed": failed.id, "running": running.id}
    for scheme in SCHEMES:
        page = open_page(scheme=scheme)
        for name, (path, said) in AT_WORK.items():
            look(page, server, path.format(**ids), said)
            if name == "data":
                page.get_by_role("button", name="Look at it").first.click()
                expect(page.get_by_role("button", name="Save")).to_be_visible()
            screenshot(page, f"{name}-{scheme}", 1800)
        page.goto(f"{server.url}/live?run={failed.id}")
        wait_for_status(page, "Failed")
    page = open_page(width=390, height=844)
    for name in NARROW:
        path, said = AT_WORK[name]
        look(page, server, path.format(**ids), said)
        assert page.get_by_test_id("stMain").evaluate(WIDER) == 0
        screenshot(page, f"{name}-narrow", 1800)
