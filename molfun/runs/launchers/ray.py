"""Runs on a Ray cluster, sent through its Jobs interface: one node a run, and a folder that both sides see.

Ray's Jobs interface starts one command on one machine of the cluster, as soon as that has the cores and GPUs asked for.
"""

from __future__ import annotations

import json
import math
import os
import re
import shlex
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

from typing_extensions import override

from molfun.errors import MolfunError, RunError, SettingError
from molfun.runs import control
from molfun.runs.attempts import begin_attempt
from molfun.runs.detached import worker_environment
from molfun.runs.endings import ENDED_AT_ONCE, cancelled
from molfun.runs.files import locked
from molfun.runs.folder import RunFolder
from molfun.runs.launchers.base import How, Job, JobState, Launcher
from molfun.runs.launchers.ray_http import ERROR_LINE, TOKEN_NAME, NoAnswerError, RayJobs
from molfun.runs.spec import RunSpec
from molfun.runs.status import ENDED, run_status

JOB_STATES: dict[str, JobState] = {
    "PENDING": "queued", "RUNNING": "running", "SUCCEEDED": "done", "FAILED": "failed", "STOPPED": "cancelled",
}  # fmt: skip
# What goes along to the cluster: where weights and data are. No key or token: Ray shows a job's variables to everybody.
PASSED = ("HF_HOME", "HF_HUB_CACHE", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "XDG_CACHE_HOME")
# Ray kills a job that has not ended so long after it was stopped (its own default of 3 is too short to save).
STOP_SECONDS = 15
LOOK_SECONDS = 0.25
KNOWN_AFTER_SECONDS = 30.0
FORGOTTEN = "The Ray cluster does not know the job any more: it was started anew, or the job was deleted."
TOO_LONG = "JOB_SUPERVISOR_ACTOR_START_TIMEOUT"
LOG_BYTES = 1 << 16


class RayLauncher(Launcher):
    """Send a run's supervisor to a Ray cluster as one job."""

    name: ClassVar[str] = "ray"

    @override
    def check(self, spec: RunSpec) -> None:
        if spec.launch.nodes > 1:
            raise SettingError(
                f"Setting 'launch.nodes' is {spec.launch.nodes}, but a run on Ray has one node; set 1, or use a Slurm "
                "cluster."
            )
        num_gpus, processes = spec.launch.ray.num_gpus, spec.training.num_processes
        if num_gpus > 1 and not num_gpus.is_integer():
            raise SettingError(f"Setting 'launch.ray.num_gpus' is {num_gpus:g}; above 1, Ray gives whole GPUs only.")
        if spec.training.device == "cuda" and math.ceil(num_gpus) < processes:
            raise SettingError(
                f"Setting 'launch.ray.num_gpus' is {num_gpus:g}, but training on GPUs with {processes} processes needs "
                f"{processes}; raise it, or set training.device to cpu."
            )
        RayJobs(spec.launch.ray.address).version()

    @override
    def start(self, folder: RunFolder) -> None:
        spec = folder.spec
        jobs = RayJobs(spec.launch.ray.address)
        # Before the attempt begins: a cluster that is down changes nothing about the run.
        jobs.version()
        attempt = begin_attempt(folder)
        try:
            _submit(folder, jobs, job_request(spec, folder.path, attempt))
        except RunError as error:
            # A job that was taken all the same, unheard of, finds that it is not wanted; or it has begun already.
            if _withdraw(folder, "failed", str(error)):
                raise

    @override
    def poll(self, folder: RunFolder) -> Job:
        try:
            jobs, job = _find(folder)
            info = jobs.info(job)
            if info is None and _is_new(folder):
                return Job("queued", "On its way to the Ray cluster.")
            # Ray gives up a job that waits for 15 minutes, and all of them when its head is started anew.
            if (info is None or info.get("error_type") == TOO_LONG) and _is_waiting(folder):
                return _send_again(folder, jobs)
        except MolfunError as error:
            return Job("unknown", str(error))
        return Job("failed", FORGOTTEN) if info is None else read_job(info)

    @override
    def stop(self, folder: RunFolder, how: How = "save") -> None:
        status = run_status(folder)
        if status.is_over:
            raise RunError(f"The run {folder.id} is {status.status}; there is nothing to stop.")
        if _withdraw(folder, "stopped", cancelled(folder.saved_step)):
            # Also where Ray does not hear it: the job, once it starts, finds that it is not wanted any more.
            with suppress(MolfunError):
                jobs, job = _find(folder)
                jobs.stop(job)
            return
        control.request(folder, "stop")
        if how == "now":
            _end(folder)

    @override
    def logs(self, folder: RunFolder) -> str:
        tail = folder.log_tail(LOG_BYTES)
        if tail:
            return tail
        # What goes wrong before the run folder is reached is told by the cluster's shell, to Ray.
        try:
            jobs, job = _find(folder)
            return jobs.logs(job)[-LOG_BYTES:]
        except MolfunError as error:
            return str(error)

    @override
    def preview(self, spec: RunSpec, run_dir: Path) -> str:
        body = json.dumps(job_request(spec, run_dir, _next_attempt(run_dir)), indent=1, ensure_ascii=False)
        address = spec.launch.ray.address.rstrip("/")
        headers = ["-H 'Content-Type: application/json'"]
        if TOKEN_NAME in os.environ:
            headers.append(f'-H "Authorization: Bearer ${TOKEN_NAME}"')
        lines = [f"curl -X POST {shlex.quote(address + '/api/jobs/')}", *headers, f"-d {shlex.quote(body)}"]
        return " \\\n  ".join(lines)


def job_request(spec: RunSpec, run_dir: Path, attempt: int) -> dict[str, Any]:
    """Return what Ray is asked for one attempt at a run.

    Args:
        spec: The run's settings.
        run_dir: Its folder, which must have the same path on the cluster; need not exist.
        attempt: Number of the attempt, 1 for the first.
    """
    run_dir = run_dir.absolute()
    command = [sys.executable, "-m", "molfun.runs.launchers.ray_entry", str(run_dir), str(attempt)]
    told = {name: os.environ[name] for name in PASSED if name in os.environ}
    # Ray (2.60) leaves all GPUs visible to a job that asked for none, also those that it gave to others.
    hidden = {} if spec.launch.ray.num_gpus else {"CUDA_VISIBLE_DEVICES": ""}
    return {
        # exec: Ray's signals reach the supervisor itself, not a shell before it.
        "entrypoint": f"cd {shlex.quote(str(run_dir))} && exec {shlex.join(command)} < /dev/null >> log.txt 2>&1",
        # No run id has a "_", so no other run or attempt is named like this.
        "submission_id": f"{run_dir.name}_{attempt}",
        "entrypoint_num_cpus": spec.launch.ray.num_cpus,
        "entrypoint_num_gpus": spec.launch.ray.num_gpus,
        "metadata": {"molfun_run": run_dir.name, "molfun_name": spec.name, "molfun_attempt": str(attempt)},
        "runtime_env": {
            "env_vars": {
                **worker_environment(told),
                **hidden,
                "MOLFUN_HOME": str(run_dir.parents[1]),
                "RAY_JOB_STOP_WAIT_TIME_S": str(STOP_SECONDS),
            }
        },
    }


def read_job(info: Mapping[str, Any]) -> Job:
    """Return what Ray's answer about a job means."""
    told, message = str(info.get("status")), str(info.get("message") or "")
    state = JOB_STATES.get(told, "unknown")
    if state == "queued":
        return Job(state, "Waits in Ray's queue until the cluster has the cores and GPUs that it asks for.")
    if state == "failed":
        return Job(state, _why_failed(info, message))
    if state == "cancelled":
        return Job(state, "The job was stopped on the Ray cluster; the run can be resumed.")
    return Job(state, f"Ray calls the job {told!r}, which is not known here." if state == "unknown" else "")


def _why_failed(info: Mapping[str, Any], message: str) -> str:
    """Return why a job failed, for a person: Ray's message holds its own tracebacks and the end of the log."""
    if info.get("error_type") == TOO_LONG:
        return (
            "The job waited longer than this Ray lets jobs wait (RAY_JOB_START_TIMEOUT_SECONDS of its head node); ask "
            "for fewer cores or GPUs."
        )
    code = info.get("driver_exit_code")
    if not isinstance(code, int):
        lines = ERROR_LINE.findall(message) or message.splitlines() or ["no message"]
        return f"Ray could not run the job: {lines[-1][:300].rstrip('.')}."
    if code in (126, 127):
        return f"The job's machine has no Python at {sys.executable}; install Molfun at the same path there."
    if code < 0:
        return f"The job was ended by signal {-code}."
    # The shell's own words: everything that Molfun says goes to the run folder.
    if told := re.findall(r"^\S*sh: (?:line )?\d+: (.+)$", message, re.MULTILINE):
        return f"The job's machine cannot use the run folder ({told[-1][:300]}); it must be there at the same path."
    return f"The job ended with code {code}."


def _submit(folder: RunFolder, jobs: RayJobs, request: Mapping[str, Any]) -> None:
    """Send a job and note its name; where no answer comes, find out whether it was taken.

    Raises:
        RunError: It was not taken, or nobody can say.
    """
    job = request["submission_id"]
    folder.write_launch(launcher="ray", job=job, address=jobs.address, submitted=time.time(), host=None)
    try:
        jobs.submit(request)
    except NoAnswerError:
        if jobs.info(job) is None:
            raise


def _send_again(folder: RunFolder, jobs: RayJobs) -> Job:
    """Send the attempt that still waits as another job; whichever of them starts first is the only one to begin."""
    attempt = int(folder.read_state().get("attempt") or 1)
    request = job_request(folder.spec, folder.path, attempt)
    sent = re.fullmatch(rf"{re.escape(request['submission_id'])}_(\d+)", str(folder.read_launch().get("job")))
    request["submission_id"] += f"_{int(sent[1]) + 1 if sent else 2}"
    _submit(folder, jobs, request)
    return read_job({"status": "PENDING"})


def _find(folder: RunFolder) -> tuple[RayJobs, str]:
    """Return the cluster that a run was sent to, and the name of its job there.

    Raises:
        MolfunError: It was sent to none.
    """
    launch = folder.read_launch()
    address, job = launch.get("address"), launch.get("job")
    if launch.get("launcher") != "ray" or not isinstance(address, str) or not isinstance(job, str):
        raise RunError(f"The run {folder.id} was not sent to a Ray cluster; start it first.")
    return RayJobs(address), job


def _is_new(folder: RunFolder) -> bool:
    """Tell whether the job was sent just now: its name is noted here before Ray has it."""
    submitted = folder.read_launch().get("submitted")
    return isinstance(submitted, int | float) and time.time() - submitted < KNOWN_AFTER_SECONDS


def _is_waiting(folder: RunFolder) -> bool:
    return folder.read_state().get("status") == "queued"


def _withdraw(folder: RunFolder, status: str, cause: str) -> bool:
    """Note that an attempt which waits is not wanted any more; False where it has begun."""
    with locked(folder.spec_path):
        if not _is_waiting(folder):
            return False
        folder.write_state(status=status, cause=cause, ended=time.time())
    return True


def _end(folder: RunFolder) -> None:
    """Let Ray end the processes (SIGTERM, after `STOP_SECONDS` SIGKILL), and wait for it.

    Raises:
        RunError: Ray gives no answer, or does not end them.
    """
    jobs, job = _find(folder)
    jobs.stop(job)
    # Ray looks once a second, and so may be a little late itself.
    deadline = time.monotonic() + 2 * STOP_SECONDS
    while (info := jobs.info(job)) is not None and read_job(info).state in ("queued", "running"):
        if time.monotonic() > deadline:
            raise RunError(f"Ray has not ended the job {job} within {2 * STOP_SECONDS} seconds; try again.")
        time.sleep(LOOK_SECONDS)
    if folder.read_state().get("status") not in ENDED:
        folder.write_state(status="stopped", cause=ENDED_AT_ONCE, ended=time.time())


def _next_attempt(run_dir: Path) -> int:
    return int(RunFolder(run_dir).read_state().get("attempt") or 0) + 1
