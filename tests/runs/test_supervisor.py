"""Runs of two real processes: the numbers of one process, and every way to lose one of them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import pytest

from molfun.errors import RunError
from molfun.runs.endings import NOTES, read_failures
from molfun.runs.launchers.local import LocalLauncher
from molfun.runs.spec import DataSource, RunSpec
from molfun.runs.status import run_status
from molfun.runs.store import RunFolder, RunStore
from molfun.tracking.local import read_events, read_metrics
from tests.real_runs import (
    Start,
    assert_nothing_is_left,
    processes_of,
    starting,
    wait_for_end,
    wait_until,
)


def rank_of(folder: RunFolder, rank: int) -> psutil.Process:
    """Return one of the training processes."""
    (found,) = (process for process in processes_of(folder) if process.environ().get("RANK") == str(rank))
    return found


@pytest.fixture
def start(home: Path, tmp_path: Path) -> Iterator[Start]:
    """Return a function that starts a tiny run."""
    yield from starting(home, tmp_path)


@pytest.fixture
def two(start: Start) -> RunFolder:
    """A run of two processes that has taken some steps, and could take many more."""
    folder = start(training__num_processes=2, training__epochs=40, training__save_every_steps=2)
    wait_until(lambda: len(read_metrics(folder.metrics_path)[0]) >= 5 or not run_status(folder).alive, folder)
    assert run_status(folder).status == "running", folder.log_tail()
    return folder


def assert_resumes_to_the_end(folder: RunFolder) -> None:
    """Start a run again; hold that it went on where it was, finished, and has every step and epoch once."""
    recorded = len(read_metrics(folder.metrics_path)[0])
    LocalLauncher().start(folder)
    wait_for_end(folder)
    assert run_status(folder).status == "finished", folder.log_tail()
    state = folder.read_state()
    assert state["attempt"] == 2
    # The last save lies 2 steps back at most, one more may have been under way.
    assert recorded - 4 <= state["resumed_step"] <= recorded + 2
    (resumed,) = (event for event in read_events(folder.events_path) if event["kind"] == "resume")
    assert (resumed["step"], resumed["segment"]) == (state["resumed_step"], 1)
    steps, epochs = read_metrics(folder.metrics_path)
    assert steps["step"].tolist() == list(range(1, state["total_steps"] + 1))
    assert epochs["step"].tolist() == list(range(1, state["epochs"] + 1))
    assert folder.read_scoreboard()["test"]["rows"] == 8


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["ddp", "fsdp"])
def test_two_processes_train_as_one_with_twice_the_batch(start: Start, kind: str) -> None:
    one = start(training__batch_size=8, training__epochs=3)
    wait_for_end(one)
    two = start(training__num_processes=2, training__epochs=3, training__distributed=kind)
    wait_for_end(two)
    assert run_status(two).status == "finished", two.log_tail()
    for table, expected in zip(read_metrics(two.metrics_path), read_metrics(one.metrics_path), strict=True):
        told = expected.columns.difference(["t", "seconds", "tokens_per_second", "sys/cores", "sys/memory"])
        pd.testing.assert_frame_equal(table[told], expected[told], rtol=1e-4)
    assert_same_scores(two.read_scoreboard(), one.read_scoreboard())
    predictions = [pd.read_parquet(run.predictions / "test.parquet") for run in (two, one)]
    pd.testing.assert_frame_equal(*predictions, rtol=1e-4)
    assert (two.read_environment()["num_processes"], one.read_environment()["num_processes"]) == (2, 1)
    assert_nothing_is_left(two)
    assert "[rank 1]" not in two.log_tail()


def assert_same_scores(board: dict[str, Any], expected: dict[str, Any]) -> None:
    assert board["test"]["metrics"] == pytest.approx(expected["test"]["metrics"], rel=1e-3)
    assert {**board, "test": {}} == {**expected, "test": {}}
    assert board["test"]["rows"] == expected["test"]["rows"]


@pytest.mark.slow
@pytest.mark.parametrize("rank", [0, 1])
def test_a_killed_process_ends_the_run_and_a_resume_finishes_it(two: RunFolder, rank: int) -> None:
    killed = time.monotonic()
    rank_of(two, rank).kill()
    wait_for_end(two)
    assert time.monotonic() - killed < 15
    assert_nothing_is_left(two)
    status = run_status(two)
    assert status.status == "failed"
    assert status.cause.startswith("One of the 2 processes was ended by the system with signal 9 (SIGKILL), often for")
    assert_resumes_to_the_end(two)
    with pytest.raises(RunError, match="is finished, nothing of it is left to do; extend it"):
        LocalLauncher().start(two)


@pytest.mark.slow
def test_a_killed_supervisor_takes_everything_along_and_a_resume_finishes_the_run(two: RunFolder) -> None:
    os.kill(two.read_state()["pid"], signal.SIGKILL)
    assert_nothing_is_left(two)
    status = run_status(two)
    assert status.status == "lost"
    assert "can be resumed, from its last checkpoint" in status.cause
    assert_resumes_to_the_end(two)


@pytest.mark.slow
def test_a_killed_torchrun_takes_its_processes_along(two: RunFolder) -> None:
    (torchrun,) = (p for p in processes_of(two) if "molfun.runs.torchrun" in p.cmdline())
    torchrun.kill()
    wait_for_end(two)
    assert_nothing_is_left(two)
    assert run_status(two).cause.startswith(
        "The process that starts the 2 others was ended by the system with signal 9"
    )


@pytest.mark.slow
def test_stop_and_save_ends_all_processes_with_a_score(two: RunFolder) -> None:
    LocalLauncher().stop(two)
    wait_for_end(two)
    assert run_status(two).status == "stopped"
    assert two.read_scoreboard()["test"]["rows"] == 8
    assert_nothing_is_left(two)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1], ids=lambda number: number.name)
def test_a_signal_to_the_supervisor_saves_and_ends_all_processes(two: RunFolder, number: int) -> None:
    os.kill(two.read_state()["pid"], number)
    wait_for_end(two)
    status = run_status(two)
    assert (status.status, status.cause) == ("stopped", "Stopped on request; the last checkpoint is kept.")
    assert_nothing_is_left(two)
    saved = json.loads((two.checkpoints / "last" / "manifest.json").read_text())
    assert saved["step"] == len(read_metrics(two.metrics_path)[0])
    assert two.read_scoreboard() == {}  # who sends a signal has no time for a score


@pytest.mark.slow
def test_stop_now_ends_all_processes_at_once(start: Start) -> None:
    """The processes are still loading torch, and cannot save anything."""
    folder = start(training__num_processes=2)
    wait_until(lambda: len(processes_of(folder)) >= 4, folder)
    LocalLauncher().stop(folder, how="now")
    assert_nothing_is_left(folder)
    status = run_status(folder)
    assert (status.status, status.cause) == ("stopped", "Ended at once on request; the last steps are not saved.")


def test_a_failure_is_told_in_the_words_of_the_process(home: Path) -> None:
    """The dataset does not exist: both processes say so."""
    spec = RunSpec(data=DataSource(dataset="d-1")).changed({"training.num_processes": 2})
    folder = RunStore(home).create(spec)
    LocalLauncher().start(folder)
    wait_for_end(folder)
    status = run_status(folder)
    assert status.status == "failed", folder.log_tail()
    assert status.cause.startswith("No dataset has the id 'd-1'")
    assert_nothing_is_left(folder)


def test_a_process_that_is_not_the_main_one_leaves_a_note_and_no_state(folder: RunFolder, tmp_path: Path) -> None:
    """It fails before it meets the others: this machine has no second GPU."""
    before = folder.read_state()
    folder.spec_path.write_text(folder.spec.changed({"training.device": "cuda"}).to_yaml())
    env = {**os.environ, "RANK": "1", "LOCAL_RANK": "64", "WORLD_SIZE": "2", NOTES: str(tmp_path)}
    command = [sys.executable, "-m", "molfun.runs.worker", str(folder.path)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stdout
    assert "[rank 1] The run failed." in done.stdout
    (failure,) = read_failures(tmp_path)
    assert (failure.rank, failure.is_secondary) == (1, False)
    assert "GPU" in failure.cause
    assert folder.read_state() == before


def test_the_supervisor_is_light(tmp_path: Path) -> None:
    code = "import sys, molfun.runs.supervisor; print('torch' in sys.modules, 'streamlit' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False False\n"
