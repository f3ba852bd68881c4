"""Real workers, ended in every way: asked to stop, terminated, killed, and failing by themselves."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from molfun.errors import DataError
from molfun.runs.launchers.local import LocalLauncher
from molfun.runs.plan import plan_run
from molfun.runs.status import run_status
from molfun.runs.store import RunFolder
from molfun.runs.submit import submit_run
from molfun.runs.worker import best_of, explain_failure
from molfun.tracking.local import read_metrics
from molfun.training.checkpoint import read_manifest

PATIENCE_SECONDS = 180.0


def wait_until(condition: Callable[[], bool], folder: RunFolder) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"{folder.read_state()}\n{folder.log_tail()}"
        time.sleep(0.1)


@pytest.fixture
def long_run(home: Path, tmp_path: Path) -> RunFolder:
    """Start a run that would take hours and wait for its third step."""
    table = tmp_path / "few.csv"
    rows = [f"{'MKTAYIAKQR'[i % 7 :]}GSW{'A' * (i % 5)},{i * 0.37 % 2:.2f}" for i in range(40)]
    table.write_text("\n".join(["sequence,value", *rows]))
    spec, _ = plan_run(
        home,
        {"data": {"table": str(table)}, "model": {"name": "esm2_8m", "weights": "random"}},
        changes={"training.epochs": 5000, "training.batch_size": 4, "training.num_threads": 1},
    )
    folder = submit_run(home, spec)
    wait_until(lambda: len(read_metrics(folder.metrics_path)[0]) >= 3 or not run_status(folder).alive, folder)
    assert run_status(folder).status == "running", folder.log_tail()
    return folder


def test_stop_and_save_keeps_a_checkpoint_and_a_test_score(long_run: RunFolder) -> None:
    LocalLauncher().stop(long_run, "save")
    wait_until(lambda: not run_status(long_run).alive, long_run)
    assert run_status(long_run).status == "stopped"
    assert read_manifest(long_run.checkpoints / "last")["step"] == len(read_metrics(long_run.metrics_path)[0])
    assert long_run.read_scoreboard()["test"]["rows"] == 8


def test_sigterm_ends_the_run_after_the_step(long_run: RunFolder) -> None:
    os.kill(long_run.read_state()["pid"], signal.SIGTERM)
    wait_until(lambda: not run_status(long_run).alive, long_run)
    assert run_status(long_run).status == "stopped"
    assert read_manifest(long_run.checkpoints / "last")["step"] > 0


def test_sigkill_is_seen_as_lost_and_loses_no_recorded_step(long_run: RunFolder) -> None:
    os.kill(long_run.read_state()["pid"], signal.SIGKILL)
    wait_until(lambda: not run_status(long_run).alive, long_run)
    status = run_status(long_run)
    assert status.status == "lost"
    assert status.cause.endswith(".")
    steps = read_metrics(long_run.metrics_path)[0]["step"].tolist()
    assert steps == list(range(1, len(steps) + 1))


def test_a_run_whose_dataset_is_gone_fails_in_words(home: Path, tmp_path: Path) -> None:
    spec, dataset = plan_run(home, {"data": {"example": "gb1_stability"}, "model": {"weights": "random"}})
    shutil.rmtree(dataset.folder)
    from molfun.runs.store import RunStore

    folder = RunStore(home).create(spec)
    LocalLauncher().start(folder)
    wait_until(lambda: not run_status(folder).alive, folder)
    status = run_status(folder)
    assert status.status == "failed"
    assert dataset.id in status.cause
    assert "Traceback" in folder.log_tail()
    assert "Traceback" not in status.cause


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (DataError("Row 3 is empty; remove it."), "Row 3 is empty; remove it."),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), "Lower the batch size"),
        (MemoryError(), "Lower the batch size"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), "Lower the batch size"),
        (OSError(28, "No space left on device"), "The disk is full"),
        (KeyError("x"), "Unexpected problem: KeyError"),
    ],
)
def test_causes_are_plain_words(error: BaseException, said: str) -> None:
    assert said in explain_failure(error)


def test_best_of_reads_the_history() -> None:
    history = [{"val_loss": 2.0, "val_spearman": 0.1}, {"val_loss": 1.0, "val_spearman": 0.4}]
    assert best_of(history, 2) == {"metric": "spearman", "value": 0.4, "epoch": 2, "val_loss": 1.0}
    assert best_of(history, 0) == {}
