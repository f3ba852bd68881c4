"""A stand-in for the head of a Ray cluster: its Jobs interface on loopback, in front of real processes.

Shapes, words and habits were recorded from Ray 2.60.0: errors are tracebacks in plain text, a job that was stopped
while it waited is started all the same, and a stop signals every process of a job.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil

VERSION = {"version": "4", "ray_version": "2.60.0", "ray_commit": "b7f4259e944b", "session_name": "session_2026-11-23"}
WAITS = (
    "Job has not started yet. It may be waiting for resources (CPUs, GPUs, memory, custom resources) to become "
    "available. It may be waiting for the runtime environment to be set up."
)
GIVEN_UP = (
    "Job supervisor actor failed to start within 900.0 seconds. This timeout can be configured by setting the "
    "environment variable RAY_JOB_START_TIMEOUT_SECONDS."
)


@dataclass
class ServerJob:
    """One job, as Ray keeps it."""

    request: dict[str, Any]
    log: Path
    status: str = "PENDING"
    message: str = WAITS
    error_type: str | None = None
    exit_code: int | None = None
    is_stopped: bool = False
    submitted: float = field(default_factory=time.time)
    process: subprocess.Popen[bytes] | None = None

    @property
    def num_cpus(self) -> float:
        return float(self.request.get("entrypoint_num_cpus") or 0)

    def details(self) -> dict[str, Any]:
        """Return what GET /api/jobs/ID answers."""
        asked = {name: self.request.get(name) for name in ("submission_id", "entrypoint", "metadata", "runtime_env")}
        is_over = self.status in ("SUCCEEDED", "FAILED", "STOPPED")
        return {
            "type": "SUBMISSION", "job_id": None, "driver_info": None, "status": self.status, "message": self.message,
            "error_type": self.error_type, "driver_exit_code": self.exit_code, **asked,
            "start_time": int(self.submitted * 1000), "end_time": int(time.time() * 1000) if is_over else None,
        }  # fmt: skip


class RayServer:
    """One head node with some cores.

    Args:
        folder: Where the output of the jobs is kept.
        num_cpus: Cores; a job waits until it has those that it asks for.
        token: What callers must show; empty lets everybody in.
    """

    def __init__(self, folder: Path, *, num_cpus: float = 2.0, token: str = "") -> None:
        self.folder, self.num_cpus, self.token = folder, num_cpus, token
        self.jobs: dict[str, ServerJob] = {}
        # Take the next job and close the connection without a word.
        self.is_mute = False
        self._lock = threading.RLock()
        self._threads: list[threading.Thread] = []
        self._http = _Server(("127.0.0.1", 0), _Handler)
        self._http.ray = self

    @property
    def address(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def __enter__(self) -> Self:
        self._run(lambda: self._http.serve_forever(poll_interval=0.02))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._http.shutdown()
        self._http.server_close()
        with self._lock:
            self.num_cpus = 0.0
            for job in self.jobs.values():
                if job.process is not None and job.status == "RUNNING":
                    end(job.process.pid, wait_seconds=0)
        for thread in self._threads:
            thread.join(timeout=30)

    def submit(self, request: dict[str, Any]) -> tuple[int, str]:
        """Take a job; return status and body of the answer."""
        if "entrypoint" not in request:
            return 400, traceback_of("TypeError: JobSubmitRequest.__init__() missing 1 argument: 'entrypoint'")
        name = request["submission_id"]
        with self._lock:
            if name in self.jobs:
                said = (
                    f"ValueError: Job with submission_id {name} already exists. Please use a different submission_id."
                )
                return 500, traceback_of(said + "\n.")
            self.jobs[name] = ServerJob(request, self.folder / f"job-driver-{name}.log")
            self._advance()
        return 200, json.dumps({"job_id": name, "submission_id": name})

    def stop(self, job: ServerJob) -> bool:
        """Ask a job to end; one that waits goes on waiting."""
        if job.status not in ("PENDING", "RUNNING"):
            return False
        job.is_stopped = True
        if job.status == "RUNNING":
            self._end(job)
        return True

    def give_up(self, name: str) -> None:
        """Fail a job that has waited for a quarter of an hour."""
        job = self.jobs[name]
        job.status, job.message, job.error_type = "FAILED", GIVEN_UP, "JOB_SUPERVISOR_ACTOR_START_TIMEOUT"

    def _advance(self) -> None:
        """Start what there is room for."""
        with self._lock:
            for job in self.jobs.values():
                used = sum(other.num_cpus for other in self.jobs.values() if other.status == "RUNNING")
                if job.status == "PENDING" and used + job.num_cpus <= self.num_cpus:
                    self._start(job)

    def _start(self, job: ServerJob) -> None:
        # A node of its own: nothing of this environment but what the job brings along.
        told = job.request.get("runtime_env", {}).get("env_vars", {})
        env = {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], "RAY_ADDRESS": "192.0.2.2:6380", **told}
        with job.log.open("ab") as log:
            log.write(b"2026-11-23 07:11:06,519\tINFO job_manager.py:581 -- Runtime env is setting up.\n")
            job.process = subprocess.Popen(
                job.request["entrypoint"], shell=True, start_new_session=True, env=env, stdout=log,
                stderr=subprocess.STDOUT,
            )  # fmt: skip
        job.status, job.message = "RUNNING", "Job is currently running."
        self._run(lambda: self._watch(job))
        if job.is_stopped:
            self._end(job)

    def _watch(self, job: ServerJob) -> None:
        assert job.process is not None
        code = job.process.wait()
        with self._lock:
            if job.is_stopped:
                job.status, job.message = "STOPPED", "Job was intentionally stopped."
            elif code == 0:
                job.status, job.message, job.exit_code = "SUCCEEDED", "Job finished successfully.", 0
            else:
                job.status, job.exit_code, job.error_type = "FAILED", code, "JOB_ENTRYPOINT_COMMAND_ERROR"
                job.message = (
                    f"Job entrypoint command failed with exit code {code}, last available logs (truncated to 20,000 "
                    f"chars):\n{job.log.read_text()}"
                )
            self._advance()

    def _end(self, job: ServerJob) -> None:
        assert job.process is not None
        pid, wait = job.process.pid, int(job.request["runtime_env"]["env_vars"].get("RAY_JOB_STOP_WAIT_TIME_S", 3))
        self._run(lambda: end(pid, wait_seconds=wait))

    def _run(self, work: Any) -> None:
        thread = threading.Thread(target=work, daemon=True)
        self._threads.append(thread)
        thread.start()


def end(pid: int, *, wait_seconds: float) -> None:
    """End a process and all below it: SIGTERM to each, SIGKILL to what is left."""
    with suppress(psutil.Error):
        family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
        for number in (signal.SIGTERM, signal.SIGKILL):
            for process in family:
                with suppress(psutil.Error):
                    process.send_signal(number)
            deadline = time.monotonic() + wait_seconds
            # Looked at only, not waited for: the exit code is the watcher's.
            while any(map(is_alive, family)) and time.monotonic() < deadline:
                time.sleep(0.05)


def is_alive(process: psutil.Process) -> bool:
    """Tell whether a process still does something."""
    with suppress(psutil.Error):
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    return False


def traceback_of(last: str) -> str:
    """Return an error as Ray's server words it."""
    return f'Traceback (most recent call last):\n  File "job_head.py", line 419, in submit_job\n    ...\n{last}\n'


class _Server(ThreadingHTTPServer):
    ray: RayServer


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        return

    def do_GET(self) -> None:
        self._answer({})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self._answer(json.loads(body) if body else {})

    def _answer(self, body: dict[str, Any]) -> None:
        ray = self.server.ray
        shown = self.headers.get("Authorization", "")
        if ray.token and not shown:
            return self._send(401, "Unauthorized: Missing authentication token")
        if ray.token and shown != f"Bearer {ray.token}":
            return self._send(403, "Forbidden: Invalid authentication token")
        if (self.command, self.path) == ("GET", "/api/version"):
            return self._send(200, json.dumps(VERSION))
        if (self.command, self.path) == ("POST", "/api/jobs/"):
            answer = ray.submit(body)
            if ray.is_mute:
                self.close_connection = True
                return None
            return self._send(*answer)
        name, _, act = self.path.removeprefix("/api/jobs/").partition("/")
        return self._send(*self._about(name, act))

    def _about(self, name: str, act: str) -> tuple[int, str]:
        job = self.server.ray.jobs.get(name)
        if job is None:
            return 404, f"Job {name} does not exist"
        if (self.command, act) == ("POST", "stop"):
            return 200, json.dumps({"stopped": self.server.ray.stop(job)})
        if (self.command, act) == ("GET", "logs"):
            return 200, json.dumps({"logs": job.log.read_text() if job.log.exists() else ""})
        return (200, json.dumps(job.details())) if act == "" else (404, "404: Not Found")

    def _send(self, status: int, body: str) -> None:
        content = body.encode()
        self.send_response(status)
        kind = "application/json" if status == 200 else "text/plain"
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
