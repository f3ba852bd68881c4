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

from molfun.errors import DataError, RunError
from molfun.runs import control
from molfun.runs.launchers.local import LocalLauncher
from molfun.runs.plan import plan_run
from molfun.runs.process import find_process
from molfun.runs.recording import best_of
from molfun.runs.spec import RunSpec
from molfun.runs.status import run_status
from molfun.runs.steering import extend_run, steer
from molfun.runs.store import RunFolder
from molfun.runs.submit import submit_run
from molfun.runs.worker import explain_failure, lost_a_peer
from molfun.tracking.local import read_events, read_metrics
from molfun.training.checkpoint import read_manifest

PATIENCE_SECONDS = 180.0


def wait_until(condition: Callable[[], bool], folder: RunFolder) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"{folder.read_state()}\n{folder.log_tail()}"
        time.sleep(0.1)


@pytest.fixture
def few(tmp_path: Path) -> Path:
    """A table of 40 short rows."""
    table = tmp_path / "few.csv"
    rows = [f"{'MKTAYIAKQR'[i % 7 :]}GSW{'A' * (i % 5)},{i * 0.37 % 2:.2f}" for i in range(40)]
    table.write_text("\n".join(["sequence,value", *rows]))
    return table


def spec_of(home: Path, table: Path, *, epochs: int) -> RunSpec:
    told = {"epochs": epochs, "batch_size": 4, "num_threads": 1, "save_every_steps": 2}
    values = {"data": {"table": str(table)}, "model": {"name": "esm2_8m", "weights": "random"}, "training": told}
    return plan_run(home, values)[0]


@pytest.fixture
def long_run(home: Path, few: Path) -> RunFolder:
    """Start a run that would take hours and wait for its fourth step."""
    folder = submit_run(home, spec_of(home, few, epochs=5000))
    wait_until(lambda: len(read_metrics(folder.metrics_path)[0]) >= 4 or not run_status(folder).alive, folder)
    assert run_status(folder).status == "running", folder.log_tail()
    return folder


def test_stop_and_save_keeps_a_checkpoint_and_a_test_score(long_run: RunFolder) -> None:
    LocalLauncher().stop(long_run, "save")
    wait_until(lambda: not run_status(long_run).alive, long_run)
    assert run_status(long_run).status == "stopped"
    saved = read_manifest(long_run.checkpoints / "last")["step"]
    assert saved == len(read_metrics(long_run.metrics_path)[0])
    events = [event for event in read_events(long_run.events_path) if event["kind"] == "checkpoint"]
    assert (events[-1]["name"], events[-1]["step"]) == ("last", saved)
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


def test_a_killed_run_goes_on_where_it_was_saved(long_run: RunFolder) -> None:
    os.kill(long_run.read_state()["pid"], signal.SIGKILL)
    wait_until(lambda: not run_status(long_run).alive, long_run)
    recorded = len(read_metrics(long_run.metrics_path)[0])
    LocalLauncher().start(long_run)
    wait_until(lambda: len(read_metrics(long_run.metrics_path)[0]) > recorded + 5, long_run)
    LocalLauncher().stop(long_run)
    wait_until(lambda: not run_status(long_run).alive, long_run)
    state, steps = long_run.read_state(), read_metrics(long_run.metrics_path)[0]
    assert (state["attempt"], state["status"]) == (2, "stopped")
    assert 0 < state["resumed_step"] <= recorded + 1
    assert steps["step"].tolist() == list(range(1, len(steps) + 1))
    assert steps["segment"].tolist() == [int(step > state["resumed_step"]) for step in steps["step"]]
    (resumed,) = (event for event in read_events(long_run.events_path) if event["kind"] == "resume")
    # At the end of an epoch the best weights may have been written, and the last state not yet.
    assert resumed["name"] in ("last", "best")
    assert resumed["step"] == state["resumed_step"]


def test_a_run_that_died_before_its_score_is_scored_and_trains_nothing(home: Path, few: Path) -> None:
    folder = submit_run(home, spec_of(home, few, epochs=2))
    wait_until(lambda: not run_status(folder).alive, folder)
    assert run_status(folder).status == "finished", folder.log_tail()
    board, trained = folder.read_scoreboard(), folder.metrics_path.read_bytes()
    folder.scoreboard_path.unlink()
    wait_until(lambda: find_process(folder.read_state()) is None, folder)
    folder.write_state(status="running")  # as if it had been killed while it predicted
    LocalLauncher().start(folder)
    wait_until(lambda: not run_status(folder).alive, folder)
    assert run_status(folder).status == "finished", folder.log_tail()
    assert folder.read_scoreboard() == board
    assert folder.metrics_path.read_bytes() == trained
    assert folder.read_state()["resumed_step"] == folder.read_state()["total_steps"]


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


def chain(error: Exception, earlier: Exception) -> Exception:
    """Return an error that came of an earlier one."""
    error.__cause__ = earlier
    return error


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (DataError("Row 3 is empty; remove it."), "Row 3 is empty; remove it."),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), "Lower the batch size"),
        (MemoryError(), "Lower the batch size"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), "Lower the batch size"),
        (OSError(28, "No space left on device"), "The disk is full"),
        (chain(RunError("No last checkpoint."), OSError(28, "No space left")), "The disk is full"),
        (chain(RuntimeError("unexpected pos 768 vs 662"), OSError(28, "No space left")), "The disk is full"),
        (RuntimeError("I/O error: No space left on device (os error 28)"), "The disk is full"),
        (chain(RunError("Said in words."), KeyError("x")), "Said in words."),
        (KeyError("x"), "Unexpected problem: KeyError"),
    ],
)
def test_causes_are_plain_words(error: BaseException, said: str) -> None:
    assert said in explain_failure(error)


@pytest.mark.parametrize(
    "error",
    [
        torch.distributed.DistBackendError("NCCL error"),
        torch.distributed.DistNetworkError("failed to connect"),
        RuntimeError("[gloo/transport/tcp/pair.cc:553] Connection closed by peer [127.0.0.1]:403."),
        RuntimeError("Connection reset by peer"),
        RuntimeError("Broken pipe"),
    ],
)
def test_a_lost_process_is_plain_words_among_several_only(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    assert explain_failure(error).startswith("Unexpected problem")
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert explain_failure(error).startswith("Another process of this run ended or could not be reached (")
    assert lost_a_peer(error)
    assert not any(lost_a_peer(other) for other in (OSError("Broken pipe"), RunError("gloo"), RuntimeError("shape")))


def test_best_of_reads_the_history() -> None:
    history = [{"val_loss": 2.0, "val_spearman": 0.1}, {"val_loss": 1.0, "val_spearman": 0.4}]
    assert best_of(history, 2) == {"metric": "spearman", "value": 0.4, "epoch": 2, "val_loss": 1.0}
    assert best_of(history, 0) == {}


def steered(folder: RunFolder) -> list[str]:
    return [event["action"] for event in read_events(folder.events_path) if event["kind"] == "steer"]


@pytest.mark.slow
def test_a_run_at_work_obeys_and_every_act_is_an_event(long_run: RunFolder) -> None:
    warmup = long_run.spec.strategy.warmup_steps
    wait_until(lambda: len(read_metrics(long_run.metrics_path)[0]) > warmup + 2, long_run)
    steer(long_run, "pause")
    wait_until(lambda: run_status(long_run).is_paused, long_run)
    at_pause = len(read_metrics(long_run.metrics_path)[0])
    beat = long_run.read_state()["heartbeat"]
    wait_until(lambda: long_run.read_state()["heartbeat"] > beat, long_run)  # a pause is no hang
    assert len(read_metrics(long_run.metrics_path)[0]) == at_pause
    steer(long_run, "halve_lr")
    steer(long_run, "checkpoint")
    wait_until(lambda: {"lr", "checkpoint"} <= set(steered(long_run)), long_run)
    assert control.requested(long_run) == {"pause"}
    steer(long_run, "continue")
    wait_until(lambda: len(read_metrics(long_run.metrics_path)[0]) > at_pause + 2, long_run)
    rates = read_metrics(long_run.metrics_path)[0]["lr/head"]
    assert rates[at_pause] == pytest.approx(rates[at_pause - 1] / 2, rel=1e-3)  # at 5000 epochs the curve is flat here
    assert extend_run(long_run, 6000)
    wait_until(lambda: long_run.read_state()["epochs"] == 6000, long_run)
    steer(long_run, "stop_after_epoch")
    wait_until(lambda: run_status(long_run).is_over, long_run)
    assert run_status(long_run).status == "stopped"
    manifest = read_manifest(long_run.checkpoints / "last")
    assert manifest["step"] % 7 == 0  # 28 training rows, 4 a step: the whole epoch
    assert {"pause", "go_on", "epochs", "stop_after_epoch"} <= set(steered(long_run))
    found = long_run.read_preflight()
    assert found["rows"] == 4
    assert found["disk_needed_bytes"] < found["disk_free_bytes"]
    assert found["forecast_seconds"] > 0
