"""A real Chromium, an app with an empty data folder, and pictures of pages."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.browser.server import Server

FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# Two cores that train and draw at once are slow; nothing waits longer than it must.
PATIENCE_MS = 60_000


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Return a Chromium; without one these tests fail rather than skip."""
    path = os.environ.get("MOLFUN_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    assert path, "The browser tests need chromium; install it, or name it with MOLFUN_CHROMIUM."
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def server(home: Path) -> Iterator[Server]:
    """Return a running app with an empty data folder."""
    server = Server(home)
    server.start()
    yield server
    server.kill()
    server.end_runs()


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Return a function that opens a new window; all are closed at the end."""
    contexts = []

    def open_window(*, width: int = 1280, height: int = 900, scheme: str = "light") -> Page:
        context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
        contexts.append(context)
        context.set_default_timeout(PATIENCE_MS)
        return context.new_page()

    expect.set_options(timeout=PATIENCE_MS)
    yield open_window
    for context in contexts:
        context.close()


@pytest.fixture
def screenshot() -> Callable[[Page, str], None]:
    """Return a function that keeps a picture of the whole page where MOLFUN_SCREENSHOTS names a folder."""

    def take(page: Page, name: str, max_height: int = 2400) -> None:
        folder = os.environ.get("MOLFUN_SCREENSHOTS")
        if not folder:
            return
        size = page.viewport_size or {"width": 1280, "height": 900}
        page.mouse.move(0, 0)
        height = page.evaluate("document.querySelector('[data-testid=stMain]').scrollHeight")
        page.set_viewport_size({"width": size["width"], "height": min(max(size["height"], height), max_height)})
        page.wait_for_timeout(1500)  # charts follow the size of the window
        page.screenshot(path=Path(folder) / f"{name}.png")
        page.set_viewport_size(size)

    return take
