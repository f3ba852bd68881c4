"""What a person does in the app, in words: used by the browser tests."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, urlparse

from playwright.sync_api import Page, expect

from molfun.training.catalog import STRATEGIES

LOSS_POINTS = "() => document.querySelector('.molfun-chart')?.calcdata?.[0]?.length ?? 0"


def try_example(page: Page, url: str) -> None:
    """Open the home page and take the first example, the V genes."""
    page.goto(url)
    page.get_by_role("button", name="Try it").first.click()
    expect(page.get_by_role("heading", name="New run")).to_be_visible()


def start_run(page: Page, strategy: str, *, epochs: int) -> str:
    """Choose a strategy and the number of epochs on New run, press Start, and return the run's id."""
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
    page.get_by_role("button", name="Start", exact=True).click()
    page.wait_for_url("**/live?run=*")
    return parse_qs(urlparse(page.url).query)["run"][0]


def wait_until_curves_move(page: Page) -> None:
    """Wait until the training curve has points, and then more of them."""
    page.wait_for_function(f"({LOSS_POINTS})() >= 2")
    first = page.evaluate(LOSS_POINTS)
    page.wait_for_function(f"({LOSS_POINTS})() > {first}")


def wait_for_status(page: Page, word: str, timeout_ms: int = 120_000) -> None:
    """Wait until the badge of the run's state says `word`; its icon is text too."""
    badge = page.get_by_test_id("stMain").get_by_text(re.compile(rf"\b{word}$"))
    expect(badge.first).to_be_visible(timeout=timeout_ms)


def wait_until_finished(page: Page, timeout_ms: int = 180_000) -> None:
    """Wait until the page says that the run finished and shows its result."""
    wait_for_status(page, "Finished", timeout_ms)
    expect(page.get_by_role("heading", name="Result")).to_be_visible()
    expect(page.get_by_text(re.compile(r"Balanced accuracy [01]\.\d+")).first).to_be_visible()
