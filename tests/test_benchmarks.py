"""Benchmarks that are run by hand are held to run at all, in their quick size."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def run(*arguments: str) -> list[list[str]]:
    """Return the cells of the table that a benchmark prints."""
    done = subprocess.run(
        [sys.executable, "-m", *arguments], cwd=ROOT, capture_output=True, text=True, check=False, timeout=300,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


@pytest.mark.parametrize("arguments", [[], ["--tokens"]])
def test_prediction(arguments: list[str]) -> None:
    rows = run("benchmarks.prediction", "--quick", *arguments)
    assert len(rows) == (1 if arguments else 4)
    for row in rows:
        assert all(re.fullmatch(r"[\d,]+ \([\d,]+ to [\d,]+\)", cell) for cell in (row[1:] if arguments else row[2:5]))
