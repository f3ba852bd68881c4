"""An app with an empty data folder, windows of a real Chromium, and pictures of pages."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from tests.browser.server import Server

# Two cores that train and draw at once are slow; nothing waits longer than it must.
PATIENCE_MS = 180_000
NUM_COLORS = 256


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
        picture = Image.open(BytesIO(page.screenshot())).convert("RGB")
        # A third of the bytes, and no colour is off by more than eyes can see.
        palette = picture.quantize(NUM_COLORS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
        palette.save(Path(folder) / f"{name}.png", optimize=True)
        page.set_viewport_size(size)

    return take
