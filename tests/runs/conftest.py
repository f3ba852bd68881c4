"""Runs without a model: real folders, real processes that only sleep."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from molfun.runs.spec import DataSource, RunSpec
from molfun.runs.store import RunFolder, RunStore


@pytest.fixture
def folder(home: Path) -> RunFolder:
    """A run that was created and never started."""
    return RunStore(home).create(RunSpec(name="A test run", data=DataSource(dataset="d-1")), run_id="a-run")


@pytest.fixture
def sleeper() -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    """Return a function that starts a process in a session of its own; all are gone after the test."""
    started: list[subprocess.Popen[bytes]] = []

    def start() -> subprocess.Popen[bytes]:
        code = "import time; print('up', flush=True); time.sleep(300)"
        process = subprocess.Popen([sys.executable, "-c", code], start_new_session=True, stdout=subprocess.PIPE)
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()
