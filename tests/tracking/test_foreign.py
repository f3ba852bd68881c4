"""Trainings that were recorded elsewhere become runs: what our own trackers wrote, and what others write."""

from __future__ import annotations

import json
import resource
import shutil
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import pandas as pd
import pytest

from molfun.errors import DataError, RunError
from molfun.runs.attempts import begin_attempt
from molfun.runs.history import list_runs
from molfun.runs.importing import import_runs
from molfun.runs.status import run_status
from molfun.runs.store import RunFolder
from molfun.tracking.local import read_events, read_metrics
from molfun.tracking.tensorboard import TensorBoardTracker
from molfun.tracking.wandb import WandbTracker
from tests.tracking.runs_to_send import expected_steps, recorded_run, send


def curves(folder: RunFolder) -> tuple[dict[int, float], dict[int, float]]:
    steps, epochs = read_metrics(folder.metrics_path)
    return (
        dict(zip(steps["step"], steps["loss"], strict=True)),
        dict(zip(epochs["step"], epochs["val_loss"], strict=True)),
    )


def check(folder: RunFolder, source: str) -> None:
    """Hold that a run of `recorded_run` came back."""
    losses, scores = curves(folder)
    assert losses == pytest.approx(expected_steps(), rel=1e-6)
    assert scores == pytest.approx({1: 0.01, 2: 0.005}, rel=1e-6)
    assert run_status(folder).status == "finished"
    row = list_runs(folder.path.parents[1]).set_index("id").loc[folder.id]
    assert (row["model"], row["strategy"], row["dataset"], row["tags"]) == ("", "", source, ["imported"])


def test_event_files_of_tensorboard(home: Path) -> None:
    folder = recorded_run(home, "tensorboard")
    assert send(folder, "tensorboard", {}).returncode == 0
    (found,) = import_runs(home, folder.remote / "tensorboard")
    check(found, "TensorBoard")


def test_an_offline_run_of_wandb(home: Path) -> None:
    pytest.importorskip("wandb")
    folder = recorded_run(home, "wandb")
    assert send(folder, "wandb", {"WANDB_MODE": "offline"}).returncode == 0
    (found,) = import_runs(home, folder.remote / "wandb")
    check(found, "wandb")
    assert found.title == "a run"


def test_a_store_of_mlflow_in_a_folder(home: Path, tmp_path: Path) -> None:
    run = tmp_path / "mlruns" / "0" / "abc"
    for name in ("metrics/val", "params"):
        (run / name).mkdir(parents=True)
    (run / "meta.yaml").write_text("run_name: old one\nrun_id: abc\nstatus: 4\n")
    (run / "metrics" / "train_loss").write_text("1000 0.5 10\n2000 0.25 20\n")
    (run / "metrics" / "val" / "loss").write_text("2000 0.3 20\n")
    (run / "params" / "lr").write_text("0.001")
    (run / "params" / "head").mkdir()
    (run / "params" / "head" / "size").write_text("64")
    deleted = tmp_path / "mlruns" / "0" / "def"
    shutil.copytree(run, deleted)
    (deleted / "meta.yaml").write_text("run_name: gone\nrun_id: def\nlifecycle_stage: deleted\n")
    (found,) = import_runs(home, tmp_path / "mlruns")
    assert read_events(found.path / "events.jsonl")[0]["config"] == {"lr": "0.001", "head/size": "64"}
    assert curves(found) == ({10: 0.5, 20: 0.25}, {1: 0.3})
    assert run_status(found).status == "failed"
    assert found.title == "old one"


def test_a_table_of_numbers(home: Path, tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    pd.DataFrame({"step": [1, 2, 3], "loss": [3.0, 2.0, 1.0], "val_loss": [None, None, 1.5], "lr": 1e-3}).to_csv(path)
    (found,) = import_runs(home, path)
    losses, scores = curves(found)
    assert losses == {1: 3.0, 2: 2.0, 3: 1.0}
    assert scores == {1: 1.5}
    assert read_metrics(found.metrics_path)[0]["lr/all"].tolist() == [1e-3] * 3


def test_an_imported_run_cannot_go_on(home: Path, tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("step,loss\n1,2.0\n2,1.0\n")
    (found,) = import_runs(home, tmp_path / "log.csv")
    found.write_state(status="stopped")
    with pytest.raises(RunError, match="was trained elsewhere and has curves only; start a new run"):
        begin_attempt(found)
    assert run_status(found).status == "stopped"


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("x.txt", b"hello", "has no recorded curves"),
        ("x.wandb", b"nothing of it", "does not begin as a file of wandb"),
        ("mlflow.db", b"SQLite format 3\0" + b"\xff" * 200, "cannot be read"),
        ("events.out.tfevents.1", b"\xff" * 100, "has no recorded curves"),
        ("x.csv", b"a,b\n1,2\n3,4,5,6\n", "cannot be read"),
        ("x.csv", b"sequence,fitness\nMKV,0.5\nMKL,0.7\n", "has no recorded curves"),
    ],
)
def test_what_cannot_be_read_is_said(home: Path, tmp_path: Path, name: str, content: bytes, words: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=words):
        import_runs(home, tmp_path / name)


def test_of_several_files_the_one_that_cannot_be_read_is_named(home: Path, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("step,loss\n1,2.0\n")
    (tmp_path / "b.csv").write_text("step,loss\n1,2.0\n2,3.0,4.0,5.0\n")
    with pytest.raises(DataError, match=r"b\.csv cannot be read"):
        import_runs(home, tmp_path)


def test_a_database_of_something_else_is_passed_over(home: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "optuna.db")) as store:
        store.execute("CREATE TABLE trials (number INTEGER)")
    (tmp_path / "log.csv").write_text("step,loss\n1,2.0\n2,1.0\n")
    (found,) = import_runs(home, tmp_path)
    assert read_metrics(found.metrics_path)[0]["loss"].tolist() == [2.0, 1.0]


def test_nothing_there_is_said(home: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="There is nothing at"):
        import_runs(home, tmp_path / "absent")


def test_event_files_survive_a_torn_end(home: Path, tmp_path: Path) -> None:
    with TensorBoardTracker(folder=tmp_path / "tb") as tracker:
        for step in (1, 2, 3):
            tracker.log_step({"loss": float(step)}, step)
    (file,) = (tmp_path / "tb").iterdir()
    file.write_bytes(file.read_bytes()[:-20])
    (found,) = import_runs(home, tmp_path / "tb")
    assert read_metrics(found.metrics_path)[0]["loss"].tolist() == [1.0, 2.0, 3.0]


def test_direct_offline_run_of_wandb_is_named(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wandb")
    for kind in ("DATA", "CACHE", "CONFIG"):
        monkeypatch.setenv(f"WANDB_{kind}_DIR", str(tmp_path / kind))
    with WandbTracker(mode="offline", folder=tmp_path / "w") as tracker:
        tracker.start_run("r", name="named")
        tracker.log_metrics({"val_loss": 0.5}, 1)
    (found,) = import_runs(home, tmp_path / "w")
    assert found.title == "named"
    assert json.loads(found.metrics_path.read_text())["val_loss"] == 0.5


def test_a_full_disk_leaves_no_half_run(home: Path, tmp_path: Path) -> None:
    """A limit on the size of files stands for the disk: the record of 4,000 points does not fit under it."""
    table = tmp_path / "log.csv"
    table.write_text("step,loss\n" + "".join(f"{step},{1 / (step + 1)}\n" for step in range(4000)))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, before[1]))
    try:
        with pytest.raises(RunError, match="Nothing was kept; look for room on the disk"):
            import_runs(home, table)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    assert not list((home / "runs").iterdir())
