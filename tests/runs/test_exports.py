"""Exports that the app asks for: one file made by a process of its own, and told about truthfully however it ends."""

from __future__ import annotations

import json
import os
import signal
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from molfun.errors import RunError
from molfun.runs import jobs
from molfun.runs.disk import disk_use
from molfun.runs.export_process import pack
from molfun.runs.exports import ExportJob, ExportState, list_exports, start_export
from molfun.runs.jobs import delete_job
from molfun.runs.store import RunFolder
from tests.drawn_pages import dataset, make_run, write_checkpoint
from tests.real_runs import starting, wait_for_end

__all__ = ["dataset", "make_run"]
ENDED = "Its process was ended from outside. Export it again."


def wait(condition: Callable[[], bool], seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.slow
def test_a_model_is_packed_beside_the_app(home: Path, tmp_path: Path) -> None:
    for start in starting(home, tmp_path):
        run = start(strategy="head_only", training__epochs=1)
        wait_for_end(run)
    job = start_export(run, "merged")
    assert job.state().status == "running"
    refused = start_export(run, "adapter")
    wait(lambda: all(known.state().status != "running" for known in list_exports(run)))
    state = job.state()
    assert state.status == "finished", job.log_path.read_text()
    assert state.difference is not None
    assert state.difference < 1e-5
    assert (refused.state().status, refused.num_bytes) == ("failed", None)
    assert refused.state().cause.startswith("The backbone of this run was drawn at random")
    with zipfile.ZipFile(job.zip_path) as file:
        assert file.testzip() is None
        names = {name.partition("/")[2] for name in file.namelist()}
        assert {name.partition("/")[0] for name in file.namelist()} == {f"{run.id}-merged"}
        about = json.loads(file.read(f"{run.id}-merged/molfun.json"))
    assert {"predict.py", "model.safetensors", "head.safetensors", "README.md", "config.json"} <= names
    assert about["task"] == "regression"
    left = {"job.json", "process.json", "state.json", "log.txt", job.zip_path.name}
    assert {path.name for path in job.path.iterdir()} == left
    row = disk_use(home).runs.iloc[0]
    assert row["exports"] > job.zip_path.stat().st_size
    assert delete_job(job) >= job_size(row)
    assert [known.id for known in list_exports(run)] == [refused.id]


def job_size(row: object) -> int:
    """Return the least that deleting the larger of two exports frees."""
    return int(row["exports"]) // 2  # type: ignore[index]


def test_a_killed_export_says_so_and_one_at_work_is_cancelled(
    make_run: Callable[..., RunFolder], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "START_SECONDS", 0.0)
    run = make_run("done", "finished")
    killed, cancelled = start_export(run, "merged"), start_export(run, "onnx")
    numbers = [json.loads((job.path / "process.json").read_text())["pid"] for job in (killed, cancelled)]
    os.kill(numbers[0], signal.SIGKILL)
    wait(lambda: killed.state().status == "failed")
    assert killed.state().cause == ENDED
    delete_job(cancelled)
    wait(lambda: not psutil.pid_exists(numbers[1]))
    assert [job.id for job in list_exports(run)] == [killed.id]


def test_what_cannot_be_asked_for_is_refused(make_run: Callable[..., RunFolder]) -> None:
    run = make_run("done", "finished")
    with pytest.raises(RunError, match=r"cannot be exported as '\.\./x'; expected one of merged, adapter, onnx"):
        start_export(run, "../x")
    assert list_exports(run) == []
    run.exports.write_text("a file")
    with pytest.raises(RunError, match="No export can be made in"):
        start_export(run, "merged")
    assert list_exports(run) == []


def test_damaged_folders_are_told_about_and_never_break(make_run: Callable[..., RunFolder], tmp_path: Path) -> None:
    run = make_run("done", "finished")
    job = ExportJob(run.exports / "20260101-000000-abcd")
    job.path.mkdir(parents=True)
    assert job.state() == ExportState("failed", "Starting", ENDED, None)
    for content in ("", "[]", '{"status": 5, "difference": "x"}', '{"kind": "../../x", "asked": "soon"}', "{" * 99999):
        for name in ("job.json", "state.json", "process.json"):
            (job.path / name).write_text(content)
        assert job.state().status == "failed"
        assert job.zip_path == job.path / "done-merged.zip"
    (job.path / "state.json").write_text('{"status": "finished"}')
    job.zip_path.symlink_to(write_checkpoint(run, "best", 1))
    assert job.num_bytes is None
    assert job.state().cause == "Its file is gone. Export it again."
    (run.exports / "20260101-000001-abcd").symlink_to(tmp_path)
    (run.exports / "something").mkdir()
    assert [known.id for known in list_exports(run)] == [job.id]


def test_packing_keeps_names_and_bytes(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    (folder / "inner").mkdir(parents=True)
    (folder / "a.txt").write_text("a" * 1000)
    (folder / "inner" / "b.bin").write_bytes(b"\0\xff")
    pack(folder, tmp_path / "model.zip")
    with zipfile.ZipFile(tmp_path / "model.zip") as file:
        assert file.namelist() == ["model/a.txt", "model/inner/b.bin"]
        assert file.read("model/inner/b.bin") == b"\0\xff"
        assert {entry.compress_type for entry in file.infolist()} == {zipfile.ZIP_STORED}
