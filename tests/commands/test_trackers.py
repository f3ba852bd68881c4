"""`molfun sync` and `molfun import`, as they are typed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from molfun.cli import app
from molfun.errors import DataError, RunError, SettingError
from molfun.tracking.catalog import TRACKERS
from molfun.tracking.event_files import read_scalars
from molfun.tracking.packages import REQUIREMENTS
from tests.tracking.runs_to_send import expected_steps, recorded_run


def run(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, list(arguments), catch_exceptions=True)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.output


def test_sync_sends_a_run_where_it_never_was(home: Path) -> None:
    folder = recorded_run(home)
    code, said = run("sync", folder.id, "--to", "tensorboard")
    assert (code, said.strip()) == (0, f"{folder.id}  TensorBoard: up to date")
    (file,) = (folder.remote / "tensorboard").iterdir()
    losses = {point.step: point.value for point in read_scalars(file) if point.tag == "step/loss"}
    assert losses == pytest.approx(expected_steps(), rel=1e-6)


def test_sync_without_a_run_sends_all_that_lack_something(home: Path) -> None:
    for name in ("one", "two"):
        recorded_run(home, "tensorboard", run_id=name)
    recorded_run(home, run_id="untracked")
    code, said = run("sync", "--json")
    assert code == 0
    assert sorted((row["id"], row["state"]) for row in json.loads(said)) == [("one", "done"), ("two", "done")]
    assert run("sync") == (0, "Nothing waits to be sent.\n")


def test_sync_ends_where_a_killed_writer_left_half_a_line(home: Path) -> None:
    folder = recorded_run(home, "tensorboard", status="failed", cause="The disk was full.")
    with folder.metrics_path.open("ab") as record:
        record.write(b'{"kind": "st')
    assert run("sync", folder.id)[0] == 0
    assert len(list((folder.remote / "tensorboard").iterdir())) == 1
    assert run("sync") == (0, "Nothing waits to be sent.\n")


def test_sync_tells_what_could_not_be_sent(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    recorded_run(home, "mlflow")
    code, said = run("sync", "run-1", "--seconds", "2")
    assert code == 1
    assert "MLflow: offline, 202 points waiting" in said
    assert "127.0.0.1" in said


def test_sync_refuses_what_cannot_be(home: Path) -> None:
    folder = recorded_run(home)
    with pytest.raises(SettingError, match="did you mean 'mlflow'"):
        run("sync", folder.id, "--to", "mlfow")
    with pytest.raises(SettingError, match="did you mean 'mlflow'"):
        run("sync", "--to", "mlfow")
    with pytest.raises(RunError, match="No run has the id"):
        run("sync", "absent")


def test_import_makes_runs(home: Path, tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("step,loss\n1,2.0\n2,1.0\n")
    code, said = run("import", str(tmp_path / "log.csv"), "--json")
    assert code == 0
    assert [row["name"] for row in json.loads(said)] == ["log"]
    with pytest.raises(DataError, match="There is nothing at"):
        run("import", str(tmp_path / "absent"))


def test_sync_of_all_goes_on_where_one_needs_a_package_that_is_absent(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(REQUIREMENTS, "nowhere", "nowhere")
    monkeypatch.setitem(TRACKERS, "elsewhere", replace(TRACKERS["tensorboard"], name="elsewhere", package="nowhere"))
    for run_id, tracker in (("a", "elsewhere"), ("b", "tensorboard"), ("c", "elsewhere")):
        recorded_run(home, tracker, run_id=run_id)
    code, said = run("sync")
    assert code == 1
    assert "a  not sent: This tracker needs the package nowhere" in said
    assert "b  TensorBoard: up to date" in said
