"""Each fuzz test has its own temporary folder, and must leave the process about as large as it was."""

from __future__ import annotations

import resource
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

GROWTH_BYTES = 700 * 1024**2  # of the peak, in one test; typically below 100 MB


@pytest.fixture(autouse=True)
def bounded_memory() -> Iterator[None]:
    """Refuse a test after which the process once held much more than before it."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    yield
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before < GROWTH_BYTES


@pytest.fixture
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder in which temporary files are made as well."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path
