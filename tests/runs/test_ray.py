"""Runs on Ray: real requests to a server that answers as Ray's does, and real processes behind it."""

from __future__ import annotations

import json
import os
import shlex
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from molfun.errors import MolfunError, RunError, SettingError
from molfun.runs import control
from molfun.runs.attempts import begin_attempt
from molfun.runs.launchers import ray_http
from molfun.runs.launchers.base import Job
from molfun.runs.launchers.catalog import launcher_of
from molfun.runs.launchers.ray import RayLauncher, job_request, read_job
from molfun.runs.launchers.ray_entry import take_up
from molfun.runs.launchers.ray_http import RayJobs
from molfun.runs.spec import DataSource, RunSpec
from molfun.runs.status import run_status
from molfun.runs.steering import extend_run
from molfun.runs.store import RunFolder, RunStore
from molfun.runs.submit import submit_run
from molfun.runs.watch import ask_cluster
from molfun.tracking.local import read_metrics
from tests.real_runs import (
    assert_nothing_is_left,
    few_rows,
    tiny_spec,
    wait_for_end,
    wait_for_steps,
    wait_until,
)
from tests.runs.ray_server import GIVEN_UP, WAITS, RayServer

LAUNCHER = RayLauncher()
TOKEN = "correct-horse-battery"


@pytest.fixture(autouse=True)
def no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ray_http.TOKEN_NAME, raising=False)


@pytest.fixture
def ray(tmp_path: Path) -> Iterator[RayServer]:
    """A cluster of one core."""
    with RayServer(tmp_path, num_cpus=1.0) as server:
        yield server


def spec_for(address: str, **changes: Any) -> RunSpec:
    told = {"launch.where": "ray", "launch.ray.address": address}
    told |= {name.replace("__", "."): value for name, value in changes.items()}
    return RunSpec(name="A run", data=DataSource(dataset="d-1")).changed(told)


@pytest.fixture
def folder(home: Path, ray: RayServer) -> RunFolder:
    """A run that was created for the cluster and not started; its dataset does not exist."""
    return RunStore(home).create(spec_for(ray.address), run_id="a-run")


@pytest.fixture
def busy(ray: RayServer) -> Iterator[RayServer]:
    """The cluster with its only core taken."""
    jobs = RayJobs(ray.address)
    jobs.submit({"submission_id": "other", "entrypoint": "exec sleep 300", "entrypoint_num_cpus": 1, "runtime_env": {}})
    yield ray
    with suppress(MolfunError):
        jobs.stop("other")


def free(ray: RayServer) -> None:
    """Give the core back."""
    ray.jobs["other"].request["runtime_env"] = {"env_vars": {}}
    RayJobs(ray.address).stop("other")


@pytest.mark.slow
def test_a_fit_waits_trains_is_ended_resumed_and_finished(home: Path, busy: RayServer, tmp_path: Path) -> None:
    where = {"launch__where": "ray", "launch__ray__address": busy.address}
    run = submit_run(home, tiny_spec(home, few_rows(tmp_path / "few.csv"), training__epochs=400, **where))
    assert launcher_of(run).name == "ray"
    ask_cluster(run)
    assert run_status(run).status == "queued"
    assert run_status(run).cause.startswith("Waits in Ray's queue until the cluster has the cores and GPUs")
    free(busy)
    wait_for_steps(run, 4)
    assert LAUNCHER.poll(run) == Job("running")
    LAUNCHER.stop(run, "now")
    assert run_status(run).status == "stopped", run.log_tail()
    assert LAUNCHER.poll(run).state == "cancelled"
    assert_nothing_is_left(run)

    extend_run(run, int(run.read_state().get("epoch") or 0) + 1)
    LAUNCHER.start(run)
    wait_for_end(run)
    assert run_status(run).status == "finished", run.log_tail()
    assert run.read_state()["attempt"] == 2
    assert run.read_scoreboard()["test"]["rows"] == 8
    assert read_metrics(run.metrics_path)[0]["step"].is_unique
    wait_until(lambda: LAUNCHER.poll(run) == Job("done"), run)
    assert_nothing_is_left(run)


def test_a_run_cancelled_while_it_waits_never_begins(busy: RayServer, folder: RunFolder) -> None:
    LAUNCHER.start(folder)
    LAUNCHER.stop(folder)
    assert run_status(folder).cause == "Cancelled before its turn came; nothing was trained."
    assert busy.jobs["a-run_1"].is_stopped
    # Ray forgets that it was stopped, as it may after a restart of its head.
    busy.jobs["a-run_1"].is_stopped = False
    free(busy)
    wait_until(lambda: busy.jobs["a-run_1"].status == "SUCCEEDED", folder)
    assert "Attempt 1 was cancelled or started elsewhere" in folder.log_tail()
    assert run_status(folder).status == "stopped"
    with pytest.raises(RunError, match="is stopped; there is nothing to stop"):
        LAUNCHER.stop(folder)


def test_a_job_that_ray_gave_up_waiting_for_is_sent_again(busy: RayServer, folder: RunFolder) -> None:
    LAUNCHER.start(folder)
    for number in (2, 3):
        busy.give_up(folder.read_launch()["job"])
        assert LAUNCHER.poll(folder).state == "queued"
        assert folder.read_launch()["job"] == f"a-run_1_{number}"
    assert folder.read_state()["attempt"] == 1
    LAUNCHER.stop(folder)
    busy.give_up("a-run_1_3")
    assert LAUNCHER.poll(folder).state == "failed"


@pytest.mark.parametrize(
    ("state", "begins"),
    [
        ({"status": "queued", "attempt": 2}, True),
        ({"status": "queued", "attempt": 1}, True),
        ({"status": "queued", "attempt": 3}, False),
        ({"status": "stopped", "attempt": 2}, False),
        ({"status": "running", "attempt": 2}, False),
    ],
)
def test_an_attempt_begins_once_and_only_while_it_is_wanted(
    folder: RunFolder, state: dict[str, Any], begins: bool
) -> None:
    folder.write_state(**state)
    assert take_up(folder, 2) is begins
    if begins:
        assert (folder.read_state()["status"], folder.read_state()["pid"]) == ("starting", os.getpid())
    else:
        assert folder.read_state().items() >= state.items()
    assert not take_up(folder, 2)


def test_no_letter_of_a_path_reaches_the_shell_as_a_command(tmp_path: Path) -> None:
    home = tmp_path / 'it\'s $(touch oops) & "blank"; `touch oops`'
    run = RunStore(home).create(spec_for("http://127.0.0.1:8265"), run_id="a-run")
    run.write_state(status="stopped")
    request = job_request(run.spec, run.path, 1)
    env = {**os.environ, **request["runtime_env"]["env_vars"]}
    subprocess.run(request["entrypoint"], shell=True, env=env, cwd=tmp_path, check=True)
    assert "there is nothing to do" in run.log_tail()
    assert list(tmp_path.rglob("oops")) == []


# As Ray 2.60.0 said them.
TAIL = ", last available logs (truncated to 20,000 chars):\nINFO job_manager.py:581 -- Runtime env is setting up.\n"
GPUS = (
    "Failed to start.\nTraceback (most recent call last):\n  File x\nValueError: GPU quantities must be whole numbers."
)
SHELL = f"code 2{TAIL}/bin/sh: 1: cd: can't cd to /lab/runs/a\nRunning entrypoint for job a: cd /lab/runs/a && exec x"


@pytest.mark.parametrize(
    ("info", "state", "reason"),
    [
        ({"status": "PENDING", "message": WAITS}, "queued", "Waits in Ray's queue until the cluster has the cores"),
        ({"status": "RUNNING", "message": "Job is currently running."}, "running", ""),
        ({"status": "SUCCEEDED", "driver_exit_code": 0}, "done", ""),
        ({"status": "STOPPED", "message": "Job was intentionally stopped."}, "cancelled", "The job was stopped on the"),
        ({"status": "FAILED", "message": GPUS}, "failed", "Ray could not run the job: GPU quantities must be whole"),
        ({"status": "FAILED", "driver_exit_code": 3, "message": TAIL}, "failed", "The job ended with code 3."),
        ({"status": "FAILED", "driver_exit_code": -9, "message": ""}, "failed", "The job was ended by signal 9."),
        ({"status": "FAILED", "driver_exit_code": 127}, "failed", "The job's machine has no Python at /"),
        (
            {"status": "FAILED", "driver_exit_code": 2, "message": SHELL},
            "failed", "The job's machine cannot use the run folder (cd: can't cd to /lab/runs/a); it must be there",
        ),
        (
            {"status": "FAILED", "message": GIVEN_UP, "error_type": "JOB_SUPERVISOR_ACTOR_START_TIMEOUT"},
            "failed", "The job waited longer than this Ray lets jobs wait",
        ),
        ({"status": "FAILED", "driver_exit_code": "?", "message": None}, "failed", "Ray could not run the job: no"),
        ({"status": "RECOVERING"}, "unknown", "Ray calls the job 'RECOVERING', which is not known here."),
        ({}, "unknown", "Ray calls the job 'None'"),
    ],
)  # fmt: skip
def test_what_ray_says_is_put_in_plain_words(info: dict[str, Any], state: str, reason: str) -> None:
    job = read_job(info)
    assert job.state == state
    assert job.reason.startswith(reason)
    assert (job.reason == "") == (reason == "")


def test_a_job_that_ray_forgot_is_sent_again_while_it_waits_and_lost_after(folder: RunFolder, busy: RayServer) -> None:
    LAUNCHER.start(folder)
    del busy.jobs["a-run_1"]
    assert LAUNCHER.poll(folder) == Job("queued", "On its way to the Ray cluster.")
    folder.write_launch(submitted=time.time() - 60)
    assert LAUNCHER.poll(folder).state == "queued"
    del busy.jobs["a-run_1_2"]
    folder.write_launch(submitted=time.time() - 60)
    folder.write_state(status="running")
    assert LAUNCHER.poll(folder).reason.startswith("The Ray cluster does not know the job any more")


def test_a_cluster_out_of_reach_changes_nothing(home: Path, folder: RunFolder) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        nobody = f"http://127.0.0.1:{server.getsockname()[1]}"
    refused = r"does not answer \(connection refused\)\. Check launch.ray.address and that the cluster is up"
    with pytest.raises(RunError, match=refused):
        LAUNCHER.check(spec_for(nobody))
    run = RunStore(home).create(spec_for(nobody), run_id="another")
    before = run.read_state()
    with pytest.raises(RunError, match=refused):
        LAUNCHER.start(run)
    assert run.read_state() == before
    assert LAUNCHER.poll(run) == Job("unknown", "The run another was not sent to a Ray cluster; start it first.")
    begin_attempt(run)
    run.write_launch(launcher="ray", job="another_1", address=nobody)
    assert LAUNCHER.poll(run).state == "unknown"
    assert "connection refused" in LAUNCHER.logs(run)
    LAUNCHER.stop(run)
    assert run_status(run).status == "stopped"


def test_a_run_at_work_is_asked_through_its_folder_also_where_ray_is_gone(folder: RunFolder) -> None:
    folder.write_state(status="running", heartbeat=time.time(), host="another-host", attempt=1)
    folder.write_launch(launcher="ray", job="a-run_1", address="http://127.0.0.1:9")
    LAUNCHER.stop(folder)
    assert control.read(folder, "stop")["by"] == "user"
    with pytest.raises(RunError, match="does not answer"):
        LAUNCHER.stop(folder, "now")


def test_a_refused_job_fails_the_attempt_with_rays_words(folder: RunFolder, ray: RayServer) -> None:
    ray.submit({"submission_id": "a-run_1", "entrypoint": "true"})
    with pytest.raises(RunError, match=r"refuses: Job with submission_id a-run_1 already exists\. Please use"):
        LAUNCHER.start(folder)
    assert run_status(folder).status == "failed"
    assert "already exists" in run_status(folder).cause


def test_a_job_that_was_taken_without_a_word_is_found(busy: RayServer, folder: RunFolder) -> None:
    busy.is_mute = True
    LAUNCHER.start(folder)
    assert LAUNCHER.poll(folder).state == "queued"
    assert list(busy.jobs) == ["other", "a-run_1"]


def test_logs_are_the_runs_else_what_ray_keeps(folder: RunFolder, ray: RayServer) -> None:
    RayJobs(ray.address).submit({"submission_id": "j", "entrypoint": "cd /no/such/folder && true", "runtime_env": {}})
    folder.write_launch(launcher="ray", job="j", address=ray.address)
    wait_until(lambda: LAUNCHER.poll(folder).state == "failed", folder)
    assert "cannot use the run folder" in LAUNCHER.poll(folder).reason
    assert "/no/such/folder" in LAUNCHER.logs(folder)
    folder.log_path.write_text("Epoch 1\n")
    assert LAUNCHER.logs(folder) == "Epoch 1\n"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"launch__ray__num_gpus": 1.5}, r"'launch.ray.num_gpus' is 1.5; above 1, Ray gives whole GPUs only"),
        ({"training__device": "cuda"}, r"'launch.ray.num_gpus' is 0, but training on GPUs with 1 processes needs 1"),
        (
            {"training__device": "cuda", "training__num_processes": 2, "launch__ray__num_gpus": 1},
            r"'launch.ray.num_gpus' is 1, but training on GPUs with 2 processes needs 2",
        ),
        (
            {"launch__where": "slurm", "launch__nodes": 2, "training__num_processes": 2},
            r"'launch.nodes' is 2, but a run on Ray has one node; set 1, or use a Slurm cluster\.",
        ),
    ],
)
def test_check_refuses_what_ray_cannot_give(ray: RayServer, changes: dict[str, Any], words: str) -> None:
    LAUNCHER.check(spec_for(ray.address))
    with pytest.raises(SettingError, match=words):
        LAUNCHER.check(spec_for(ray.address, **changes))


def test_the_token_is_shown_to_ray_and_stored_nowhere(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with RayServer(tmp_path, num_cpus=0.5, token=TOKEN) as server:
        with pytest.raises(RunError, match=r"only those in who have its token \(Unauthorized: Missing authentication"):
            RayJobs(server.address).version()
        monkeypatch.setenv(ray_http.TOKEN_NAME, "wrong-token-wrong")
        with pytest.raises(RunError, match="Forbidden: Invalid authentication token"):
            RayJobs(server.address).version()
        monkeypatch.setenv(ray_http.TOKEN_NAME, TOKEN)
        monkeypatch.setenv("WANDB_API_KEY", TOKEN)
        run = RunStore(home).create(spec_for(server.address), run_id="a-run")
        LAUNCHER.start(run)
        assert LAUNCHER.poll(run).state == "queued"
        assert TOKEN not in json.dumps(server.jobs["a-run_1"].request)
    assert TOKEN not in LAUNCHER.preview(run.spec, run.path)
    assert [path for path in run.path.rglob("*") if path.is_file() and TOKEN.encode() in path.read_bytes()] == []


def test_the_preview_is_a_command_that_sends_the_very_request(
    home: Path, ray: RayServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = spec_for(ray.address, launch__ray__num_gpus=1).changed({"name": "Ann's run"})
    path = home / "runs" / "new-run"
    words = shlex.split(LAUNCHER.preview(spec, path))
    assert words[:4] == ["curl", "-X", "POST", f"{ray.address}/api/jobs/"]
    assert json.loads(words[-1]) == job_request(spec, path, 1)
    assert "CUDA_VISIBLE_DEVICES" not in json.loads(words[-1])["runtime_env"]["env_vars"]
    monkeypatch.setenv(ray_http.TOKEN_NAME, TOKEN)
    assert '-H "Authorization: Bearer $RAY_JOB_TOKEN"' in LAUNCHER.preview(spec, path)


def test_only_what_is_needed_goes_along(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HOME", "/lab/weights")
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    request = job_request(spec_for("http://127.0.0.1:8265"), home / "runs" / "a-run", 3)
    assert (request["submission_id"], request["metadata"]["molfun_attempt"]) == ("a-run_3", "3")
    told = request["runtime_env"]["env_vars"]
    assert told["MOLFUN_HOME"] == str(home)
    assert told["HF_HOME"] == "/lab/weights"
    # A run that asked for no GPU must not take one that Ray gave to somebody else.
    assert told["CUDA_VISIBLE_DEVICES"] == ""
    optional = {"PYTHONPATH", "HF_HUB_CACHE", "XDG_CACHE_HOME", "TRANSFORMERS_OFFLINE"}
    assert set(told) - optional == {
        "CUDA_DEVICE_ORDER", "CUDA_VISIBLE_DEVICES", "HF_HOME", "HF_HUB_OFFLINE", "MOLFUN_HOME", "OMP_WAIT_POLICY",
        "PYTHONUNBUFFERED", "RAY_JOB_STOP_WAIT_TIME_S",
    }  # fmt: skip
