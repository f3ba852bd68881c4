"""The app in Chromium: how long a click in the navigation takes, and from the click on Start to the first loss.

Part of `benchmarks.startup` (`--pages`). A page is there when its title stands and its script has run to its end, as
Streamlit's own mark says. The clock is the browser's.
"""

from __future__ import annotations

import os
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from urllib.parse import parse_qs, urlparse

from playwright.sync_api import Browser, Page, sync_playwright

from molfun.data.examples import save_example
from molfun.runs.folder import RunFolder
from tests.browser.server import Server
from tests.browser.steps import START, choose_run
from tests.conftest import CHROMIUM_FLAGS

TITLES = {
    "Home": "Molfun", "Data": "Data", "Runs": "Runs", "New run": "New run", "Compare": "Compare", "Live": "Live",
    "Predict": "Predict", "Parameters": "Parameters", "Settings": "Settings",
}  # fmt: skip
NUM_ROUNDS = 5
PATIENCE_MS = 120_000
CHANGE = """async ([label, title]) => {
  const link = [...document.querySelectorAll('[data-testid=stSidebarNavLink]')].find(l => l.innerText.endsWith(label));
  const begun = performance.now();
  link.click();
  for (;;) {
    await new Promise(requestAnimationFrame);
    const there = [...document.querySelectorAll('[data-testid=stMain] h1, [data-testid=stMain] h2')]
      .some(heading => heading.innerText.startsWith(title));
    const state = document.querySelector('[data-testid=stApp]').dataset.testScriptState;
    if (there && state === 'notRunning') return performance.now() - begun;
    if (performance.now() - begun > 60000) return NaN;
  }
}"""


def change_pages(page: Page) -> dict[str, list[float]]:
    """Return milliseconds of every click on a page in the navigation."""
    seconds: dict[str, list[float]] = {}
    for _ in range(NUM_ROUNDS + 1):
        for label, title in TITLES.items():
            seconds.setdefault(label, []).append(page.evaluate(CHANGE, [label, title]))
            page.wait_for_timeout(600)
    return seconds


def click_to_loss(page: Page, server: Server, strategy: str, *, patience_seconds: float) -> float:
    """Return seconds from the click on Start to the first row of metrics, after a person took some time to choose."""
    page.goto(f"{server.url}/new_run")
    page.get_by_role("button", name=START).wait_for()
    page.get_by_text("parameters train").wait_for()
    page.wait_for_timeout(1e3 * patience_seconds)
    choose_run(page, strategy, epochs=40)
    begun = time.time()
    page.get_by_role("button", name=START).click()
    page.wait_for_url("**/live?run=*")
    folder = RunFolder(server.home / "runs" / parse_qs(urlparse(page.url).query)["run"][0])
    while not folder.metrics_path.exists() or b"\n" not in folder.metrics_path.read_bytes():
        time.sleep(0.01)
    seconds = time.time() - begun
    if folder.read_state()["create_time"] > begun:
        print("The next one had no standby: something changed meanwhile (code, packages, memory).")
    server.end_runs()
    return seconds


def measure(browser: Browser, server: Server) -> None:
    """Print both tables."""
    page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.goto(server.url)
    page.get_by_test_id("stSidebarNavLink").first.wait_for()
    print("\n| page | first click | median of later ones | slowest |\n|---|---|---|---|")
    for label, (first, *later) in change_pages(page).items():
        print(f"| {label} | {first:.0f} ms | {statistics.median(later):.0f} ms | {max(later):.0f} ms |")
    print("\n| strategy | click on Start to first loss, after 25 s on New run |\n|---|---|")
    for strategy in ("Head only", "LoRA"):
        print(f"| {strategy} | {click_to_loss(page, server, strategy, patience_seconds=25):.2f} s |")


def print_pages() -> None:
    """Start the app with a data folder of its own, and measure it."""
    path = os.environ.get("MOLFUN_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as place, sync_playwright() as playwright:
        save_example(Path(place) / "datasets", "v_genes")
        server = Server(Path(place))
        server.start()
        browser = playwright.chromium.launch(executable_path=path, args=CHROMIUM_FLAGS)
        try:
            measure(browser, server)
        finally:
            browser.close()
            server.kill()
            server.end_runs()
