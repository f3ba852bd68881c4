"""Predictions that the app asks for: made by a process of their own, and told about truthfully however it ends."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest

import molfun
from molfun.data.scan import scan_rows
from molfun.errors import RunError
from molfun.runs import jobs
from molfun.runs.jobs import delete_job
from molfun.runs.predictions import JobState, PredictionJob, find_prediction, list_predictions, start_prediction
from molfun.runs.store import RunFolder
from tests.real_runs import starting, wait_for_end

ROWS = pd.DataFrame({"sequence": ["MKTAYIAKQRGSW", "MK1", None], "note": ["a", "b", "c"]})


@pytest.fixture
def run(home: Path, tmp_path: Path) -> RunFolder:
    """Return a finished run."""
    for start in starting(home, tmp_path):
        folder = start(strategy="head_only", training__epochs=1)
        wait_for_end(folder)
        return folder
    raise AssertionError


def wait(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_prediction_is_made_beside_the_app(run: RunFolder) -> None:
    assert list_predictions(run) == []
    job = start_prediction(run, ROWS, {"name": "three", "kind": "table"}, device="cpu")
    assert job.state().status == "running"
    assert job.state().total == 3
    wait(lambda: job.state().status != "running")
    assert job.state().status == "finished", job.log_path.read_text()
    found = job.result()
    assert found is not None
    assert found.columns.tolist() == ["sequence", "note", "prediction", "problem"]
    expected = molfun.load(run.id, device="cpu").predict(ROWS)
    assert np.allclose(found["prediction"], expected["prediction"], atol=1e-5, equal_nan=True)
    assert found["problem"].tolist() == expected["problem"].tolist()
    second = start_prediction(run, scan_rows("MKT"), {"name": "scan", "kind": "scan", "wild_type": "MKT"}, device="cpu")
    wait(lambda: second.state().status != "running")
    assert {known.id for known in list_predictions(run)} == {job.id, second.id}
    assert find_prediction(run, second.id).about["wild_type"] == "MKT"  # type: ignore[union-attr]
    assert find_prediction(run, "../x") is None
    assert second.result()["mutation"].iloc[0] == "WT"  # type: ignore[index]


def test_intervals_that_cannot_be_promised_are_a_cause(run: RunFolder) -> None:
    job = start_prediction(run, ROWS, {"name": "x", "kind": "table", "others": [run.id], "coverage": 0.9}, device="cpu")
    wait(lambda: job.state().status != "running")
    assert job.state().status == "failed"
    assert job.state().cause.startswith("Intervals need 20 validation rows for a coverage of 90%, and there are 4")
    together = start_prediction(run, ROWS, {"name": "x", "kind": "table", "others": [run.id]}, device="cpu")
    wait(lambda: together.state().status != "running")
    found = together.result()
    assert found is not None
    assert found["spread"].iloc[0] == pytest.approx(0, abs=1e-6)


def test_a_killed_prediction_says_so(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "START_SECONDS", 0.0)
    job = start_prediction(run, scan_rows("MKTAYIAKQR" * 20), {"name": "long", "kind": "table"}, device="cpu")
    process = json.loads((job.path / "process.json").read_text())
    assert job.state().status == "running"
    os.kill(process["pid"], signal.SIGKILL)
    wait(lambda: not psutil.pid_exists(process["pid"]) or job.state().status == "failed")
    assert job.state().status == "failed"
    assert job.state().cause == "Its process was ended from outside. Ask for it again."
    assert job.result() is None
    assert delete_job(job) > 0
    assert list_predictions(run) == []


def test_what_cannot_be_predicted_fails_with_its_cause(run: RunFolder) -> None:
    weights = next((run.checkpoints / "best").glob("*.safetensors"))
    weights.write_bytes(weights.read_bytes()[:100])
    job = start_prediction(run, ROWS, {"name": "x", "kind": "table"}, device="cpu")
    wait(lambda: job.state().status != "running")
    assert job.state().status == "failed"
    assert "best" in job.state().cause
    assert "Traceback" in job.log_path.read_text()


def test_a_folder_whose_job_is_being_written_down_has_not_failed(tmp_path: Path) -> None:
    job = PredictionJob(jobs.make_folder(tmp_path))
    assert job.state().status == "running"


def test_damaged_folders_are_told_about_and_never_break(tmp_path: Path, home: Path) -> None:
    undated = PredictionJob(tmp_path / "20269999-000000-abcd")
    undated.path.mkdir()
    assert undated.state().status == "failed"
    job = PredictionJob(tmp_path / "20260101-000000-abcd")
    job.path.mkdir()
    assert job.state().status == "failed"
    for content in ("", "[]", '{"status": 5, "done": "x"}', '{"total": -1, "asked": "soon"}', "{" * 99999):
        for name in ("job.json", "state.json", "process.json"):
            (job.path / name).write_text(content)
        assert job.state() == JobState("failed", 0, 0, "Its process was ended from outside. Ask for it again.")
    job.result_path.write_bytes(b"PAR1 no")
    assert job.result() is None
    job.result_path.unlink()
    job.result_path.symlink_to("/etc/passwd")
    assert job.result() is None
    blocked = RunFolder(tmp_path / "run")
    blocked.path.mkdir()
    (blocked.path / "predictions").write_text("a file")
    with pytest.raises(RunError, match="No prediction can be made in"):
        start_prediction(blocked, ROWS, {"name": "x", "kind": "table"}, device="cpu")
