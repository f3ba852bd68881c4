"""Runs of this machine: in order through its queue, each in a session of its own that no browser or app takes along."""

from __future__ import annotations

import os
import shlex
import signal
import socket
import time
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

import psutil
from typing_extensions import override

from molfun.errors import RunError
from molfun.runs import control, queue
from molfun.runs.attempts import begin_attempt
from molfun.runs.dispatcher import enqueue
from molfun.runs.endings import ENDED_AT_ONCE, cancelled
from molfun.runs.folder import RunFolder
from molfun.runs.launchers.base import How, Job, JobState, Launcher
from molfun.runs.process import end_survivors, find_process
from molfun.runs.queue import Ticket, ticket_for
from molfun.runs.spec import RunSpec
from molfun.runs.status import run_status

KILL_AFTER_SECONDS = 10.0
JOB_STATES: dict[str, JobState] = {
    "queued": "queued", "starting": "running", "running": "running", "stopping": "running", "finished": "done",
    "stopped": "cancelled", "failed": "failed", "lost": "failed",
}  # fmt: skip


class LocalLauncher(Launcher):
    """Run `python -m molfun.runs.supervisor RUN_DIR` detached, as soon as the machine has a free slot."""

    name: ClassVar[str] = "local"

    @override
    def check(self, spec: RunSpec) -> None:
        _ticket("", spec)

    @override
    def start(self, folder: RunFolder) -> None:
        ticket = _ticket(folder.id, folder.spec)
        begin_attempt(folder)
        folder.write_launch(launcher=self.name, host=socket.gethostname(), submitted=time.time())
        try:
            enqueue(_home(folder), ticket)
        except OSError as error:
            cause = f"The run could not be put into the queue: {error.strerror}. Check {_home(folder)}."
            folder.write_state(status="failed", cause=cause, ended=time.time())
            raise RunError(cause) from None

    @override
    def poll(self, folder: RunFolder) -> Job:
        status = run_status(folder)
        return Job(JOB_STATES.get(status.status, "unknown"), status.cause)

    @override
    def stop(self, folder: RunFolder, how: How = "save") -> None:
        status = run_status(folder)
        if status.status == "queued" and queue.leave(_home(folder), folder.id):
            folder.write_state(status="stopped", cause=cancelled(folder.saved_step), ended=time.time())
            return
        # Its turn may have come this very moment.
        status = run_status(folder)
        if not status.alive:
            raise RunError(f"The run {folder.id} is {status.status}; there is nothing to stop.")
        control.request(folder, "stop")
        if how == "now":
            _end(folder)

    @override
    def preview(self, spec: RunSpec, run_dir: Path) -> str:
        worker = f"-m molfun.runs.worker {shlex.quote(str(run_dir))}"
        gpus = spec.launch.gpus
        prefix = f"CUDA_VISIBLE_DEVICES={','.join(map(str, gpus))} " if gpus else ""
        if spec.training.num_processes == 1:
            return f"{prefix}python {worker}"
        return f"{prefix}torchrun --standalone --nproc-per-node {spec.training.num_processes} {worker}"


def _ticket(run_id: str, spec: RunSpec) -> Ticket:
    training = spec.training
    return ticket_for(
        run_id, device=training.device, num_processes=training.num_processes, picked=spec.launch.gpus
    )  # fmt: skip


def _home(folder: RunFolder) -> Path:
    return folder.path.parents[1]


def _end(folder: RunFolder) -> None:
    """Send SIGTERM to the run's processes, and SIGKILL to those that are left after `KILL_AFTER_SECONDS`."""
    process = find_process(folder.read_state())
    if process is None:
        raise RunError(f"The process of {folder.id} cannot be found on this machine; it may run on another one.")
    family = [process, *_children(process)]
    _signal_group(process, signal.SIGTERM)
    end_survivors(family, wait_seconds=KILL_AFTER_SECONDS)
    if run_status(folder).status == "lost":
        folder.write_state(status="stopped", cause=ENDED_AT_ONCE, ended=time.time())


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        children: list[psutil.Process] = process.children(recursive=True)
    except psutil.Error:
        return []
    return children


def _signal_group(process: psutil.Process, number: int) -> None:
    """Signal the supervisor's group where it leads one (it does, unless it was started by hand), else it alone."""
    with suppress(psutil.Error, ProcessLookupError):
        if os.getpgid(process.pid) == process.pid:
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)
