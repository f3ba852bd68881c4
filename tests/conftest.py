"""What every test shares: its own data folder, no network, fresh interpreters, one browser, tests that run alone."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ROOT = Path(__file__).parents[1]
CHROMIUM_FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SERIAL_FOLDERS = ("tests/browser", "tests/chaos", "tests/slurm")

# Set before anything loads torch or transformers; child processes inherit it.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["WANDB_MODE"] = "offline"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ["OMP_NUM_THREADS"] = "1"  # several workers share the cores


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what lies in the folders of browser and chaos tests as serial."""
    for item in items:
        if item.path.relative_to(ROOT).as_posix().startswith(SERIAL_FOLDERS):
            item.add_marker("serial")


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give every test an empty MOLFUN_HOME, so that none reads or writes the user's."""
    folder = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("MOLFUN_HOME", str(folder))
    return folder


@pytest.fixture(scope="session")
def fresh_python() -> Callable[..., str]:
    """Return a function that runs code in a new interpreter at the repository's root and returns its output."""

    def run(code: str, *, timeout: float = 120.0) -> str:
        command = [sys.executable, "-c", code]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=timeout, check=False)
        assert done.returncode == 0, f"{code}\n{done.stderr}"
        return done.stdout.strip()

    return run


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Return a Chromium, the only one of all tests; without one they fail rather than skip."""
    from playwright.sync_api import sync_playwright

    path = os.environ.get("MOLFUN_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    assert path, "The browser tests need chromium; install it, or name it with MOLFUN_CHROMIUM."
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=CHROMIUM_FLAGS)
        yield browser
        browser.close()
