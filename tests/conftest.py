"""What every test shares: its own data folder, no network, fresh interpreters, tests that run alone."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SERIAL_FOLDERS = ("tests/browser", "tests/chaos")

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
