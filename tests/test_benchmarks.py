"""Benchmarks that are run by hand are held to run at all, in their quick size."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.peers import PEERS, Work
from molfun.training import FullFinetune
from tests.tiny import SEQUENCES, tiny_batch, tiny_model

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


@pytest.mark.parametrize("name", [name for name in PEERS if name != "molfun"])
@pytest.mark.filterwarnings("ignore")  # of the peers' own
def test_peers_do_the_same_work(name: str) -> None:
    """The last loss tells: same weights, batches, rates, clipping and number of steps."""
    if name == "lightning":
        pytest.importorskip("lightning")
    alphabet = tiny_model().adapter.alphabet
    work = Work(
        make_model=tiny_model, strategy=lambda: FullFinetune(amp=False, lr=1e-2),
        train=[tiny_batch(alphabet, sequences=SEQUENCES[i:]) for i in range(3)], epochs=2,
    )  # fmt: skip
    found = [PEERS[who](work) for who in ("molfun", name)]
    assert len(found[0].steps) == len(found[1].steps) == 5
    assert found[1].loss == pytest.approx(found[0].loss, rel=1e-5)
