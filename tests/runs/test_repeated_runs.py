"""A real run, opened in each of three ways and executed in a fresh process or kernel: the same numbers, all digits."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import molfun
from molfun.runs.store import RunFolder, RunStore
from molfun.tracking.reader import read_metrics
from tests.real_runs import kill_all, starting, wait_for_end

ROOT = Path(__file__).parents[2]
PLOTLY = "application/vnd.plotly.v1+json"
TIMES = ("t", "seconds", "tokens_per_second")
COMMANDS = {
    "python": [sys.executable, "FILE"],
    "command": ["bash", "FILE"],
    "notebook": [sys.executable, "-c", "from nbclient.cli import main; main()", "FILE", "--output=done"],
}
ENDINGS = {"python": ".py", "command": ".sh", "notebook": ".ipynb"}


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder for a data folder that all tests of this file share."""
    return tmp_path_factory.mktemp("repeat")


@pytest.fixture(scope="module")
def original(room: Path) -> Iterator[RunFolder]:
    """Return a finished run with everything that is drawn at random: LoRA, dropout, averaging, another seed."""
    (room / "home").mkdir()
    begun = starting(room / "home", room)
    start = next(begun)
    folder = start(
        strategy="lora", training__epochs=2, training__seed=5, strategy__dropout=0.1, strategy__ema_decay=0.9,
        model__head={"dropout": 0.2},
    )  # fmt: skip
    wait_for_end(folder)
    yield folder
    next(begun, None)
    for other in RunStore(room / "home").list():
        kill_all(other)


def run_as(kind: str, original: RunFolder, room: Path, text: str = "") -> subprocess.CompletedProcess[str]:
    """Open a run as a file of a kind and execute that in a fresh process."""
    path = room / f"again{ENDINGS[kind]}"
    path.write_text(text or molfun.Run(original.path).open_as(kind))  # type: ignore[arg-type]
    scripts = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    places = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    env = {**os.environ, "MOLFUN_HOME": str(room / "home"), "PYTHONPATH": places, "PATH": scripts}
    command = [str(path) if part == "FILE" else part for part in COMMANDS[kind]]
    return subprocess.run(command, cwd=room, env=env, capture_output=True, text=True, timeout=300, check=False)


def recorded(folder: RunFolder) -> list[pd.DataFrame]:
    """Return all rows that a run recorded, without times and what the machine was doing."""
    tables = read_metrics(folder.metrics_path)
    return [table[[name for name in table if name not in TIMES and not name.startswith("sys/")]] for table in tables]


@pytest.mark.slow
@pytest.mark.parametrize("kind", COMMANDS)
def test_a_run_that_is_opened_gives_the_same_numbers(kind: str, original: RunFolder, room: Path) -> None:
    done = run_as(kind, original, room)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    again = RunStore(room / "home").list()[0]
    assert again.id != original.id
    for ours, theirs in zip(recorded(again), recorded(original), strict=True):
        pd.testing.assert_frame_equal(ours, theirs, check_exact=True)
    assert again.read_scoreboard()["test"] == original.read_scoreboard()["test"]
    if kind == "notebook":
        assert_notebook(json.loads((room / "done.ipynb").read_text()), again)
    if kind == "python":
        lines = done.stdout.rstrip().splitlines()
        assert [line.split()[-1] for line in lines[-5:]] == ["0"] * 5


def assert_notebook(notebook: dict[str, Any], again: RunFolder) -> None:
    """Hold that the curves were one display, which ends with the finished run, and that the scores are compared."""
    cells = {cell["id"]: cell for cell in notebook["cells"]}
    shown = [output for output in cells["train"]["outputs"] if output["output_type"] == "display_data"]
    assert len(shown) == 1
    data = shown[0]["data"]
    assert "finished · epoch 2 of 2" in "".join(data["text/plain"])
    names = [curve["name"] for curve in data[PLOTLY]["data"]]
    assert names[:3] == ["Training", "Smoothed", "Validation"]
    assert all(isinstance(curve["y"], list) for curve in data[PLOTLY]["data"])
    assert "difference" in "".join(cells["compare"]["outputs"][0]["data"]["text/plain"])
    assert again.id in "".join("".join(output.get("text", "")) for output in cells["train"]["outputs"])


@pytest.mark.slow
@pytest.mark.parametrize("kind", COMMANDS)
def test_other_data_are_refused_with_a_sentence(kind: str, original: RunFolder, room: Path) -> None:
    digest = molfun.Run(original.path).open_as("command").partition("data.sha256=")[2][:64]
    num_runs = len(RunStore(room / "home").list())
    text = molfun.Run(original.path).open_as(kind).replace(digest, "f" * 64)  # type: ignore[arg-type]
    done = run_as(kind, original, room, text)
    assert done.returncode != 0
    said = done.stdout + done.stderr
    assert "Expected data with the hash ffffffffffffffff, but the dataset 'few-" in said
    assert "plan_data(" not in said
    assert len(RunStore(room / "home").list()) == num_runs
