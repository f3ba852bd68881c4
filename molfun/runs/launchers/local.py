"""Workers as processes of this machine, in a session of their own, so that no browser or app takes them along."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from threading import Thread

import psutil
from typing_extensions import override

import molfun
from molfun.errors import RunError
from molfun.runs import control
from molfun.runs.endings import ENDED_AT_ONCE
from molfun.runs.files import locked
from molfun.runs.launchers.base import How, Launcher
from molfun.runs.process import find_process, identity_of
from molfun.runs.status import run_status
from molfun.runs.store import RunFolder

# What a worker may inherit; everything else (keys of other services among it) stays behind.
ALLOWED = frozenset(
    {
        "CUDA_DEVICE_ORDER", "CUDA_HOME", "CUDA_VISIBLE_DEVICES", "CURL_CA_BUNDLE", "HF_ENDPOINT", "HF_HOME",
        "HF_HUB_CACHE", "HF_HUB_OFFLINE", "HOME", "HTTPS_PROXY", "HTTP_PROXY", "LANG", "LANGUAGE", "LD_LIBRARY_PATH",
        "LOGNAME", "MKL_NUM_THREADS", "MOLFUN_HOME", "NO_PROXY", "OMP_NUM_THREADS", "OMP_WAIT_POLICY", "PATH",
        "PYTHONPATH", "REQUESTS_CA_BUNDLE", "SSL_CERT_DIR", "SSL_CERT_FILE", "TMPDIR", "TRANSFORMERS_OFFLINE", "TZ",
        "USER", "VIRTUAL_ENV", "XDG_CACHE_HOME", "http_proxy", "https_proxy", "no_proxy",
    }
)  # fmt: skip
ALLOWED_PREFIXES = ("LC_", "SLURM_", "WANDB_")
# Set by a tracker inside the app's own process; a worker that found them would write into the app's run.
NEVER = frozenset({"WANDB_SERVICE", "WANDB_RUN_ID"})
KILL_AFTER_SECONDS = 10.0


class LocalLauncher(Launcher):
    """Run `python -m molfun.runs.worker RUN_DIR` detached, its output in the run's log.

    Where the spec wants several processes, it is `python -m molfun.runs.supervisor RUN_DIR`.
    """

    @override
    def start(self, folder: RunFolder) -> None:
        module = "molfun.runs.supervisor" if folder.spec.training.num_processes > 1 else "molfun.runs.worker"
        self._claim(folder)
        process = self._spawn(folder, module)
        folder.write_state(**identity_of(process.pid))
        # Someone must wait for a child, or it stays a zombie that looks alive for as long as this process lives.
        Thread(target=process.wait, name=f"wait-{folder.id}", daemon=True).start()

    def _claim(self, folder: RunFolder) -> None:
        """Note that a new attempt starts; of two that start the same run at once, one is refused."""
        # The spec is never written again, so its file serves as the lock.
        with locked(folder.spec_path):
            status = run_status(folder)
            if status.alive:
                raise RunError(f"The run {folder.id} is at work already; stop it first.")
            if status.status == "finished":
                raise RunError(f"The run {folder.id} is finished, nothing of it is left to do; start a new run.")
            # A request left over from an earlier attempt would end this one at its first step.
            control.clear(folder, "stop")
            folder.write_state(
                status="starting", cause="", pid=None, create_time=None, start_ticks=None, host=None, ended=None,
                launched=time.time(), attempt=int(folder.read_state().get("attempt") or 0) + 1,
                resumed=None, resumed_step=None, resumed_progress=None,
            )  # fmt: skip

    def _spawn(self, folder: RunFolder, module: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", module, str(folder.path)]
        try:
            with folder.log_path.open("ab") as log:
                return subprocess.Popen(
                    command, cwd=folder.path, env=worker_environment(os.environ), stdin=subprocess.DEVNULL,
                    stdout=log, stderr=subprocess.STDOUT, start_new_session=True, close_fds=True,
                )  # fmt: skip
        except OSError as error:
            cause = f"The worker could not be started: {error.strerror}."
            folder.write_state(status="failed", cause=cause, ended=time.time())
            raise RunError(f"{cause} Check {folder.path} and {sys.executable}.") from None

    @override
    def stop(self, folder: RunFolder, how: How = "save") -> None:
        status = run_status(folder)
        if not status.alive:
            raise RunError(f"The run {folder.id} is {status.status}; there is nothing to stop.")
        control.request(folder, "stop")
        if how == "now":
            self._end(folder)

    def _end(self, folder: RunFolder) -> None:
        process = find_process(folder.read_state())
        if process is None:
            raise RunError(f"The process of {folder.id} cannot be found on this machine; it may run on another one.")
        family = [process, *_children(process)]
        _signal_group(process, signal.SIGTERM)
        _, left = psutil.wait_procs(family, timeout=KILL_AFTER_SECONDS)
        for survivor in left:
            # psutil compares the start time before it signals, so a recycled pid is never hit.
            with suppress(psutil.Error):
                survivor.kill()
        psutil.wait_procs(left, timeout=KILL_AFTER_SECONDS)
        if run_status(folder).status == "lost":
            folder.write_state(status="stopped", cause=ENDED_AT_ONCE, ended=time.time())


def worker_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a worker: what is allowed of ours, and where to find this package."""
    env = {
        name: value
        for name, value in environment.items()
        if (name in ALLOWED or name.startswith(ALLOWED_PREFIXES)) and name not in NEVER
    }
    # The worker starts in the run folder; a checkout that is not installed is found through its parent folder only.
    checkout = str(Path(molfun.__path__[0]).resolve().parent)
    if "site-packages" not in checkout:
        known = env.get("PYTHONPATH", "").split(os.pathsep)
        env["PYTHONPATH"] = os.pathsep.join([checkout, *(path for path in known if path and path != checkout)])
    # Idle compute threads sleep instead of spinning: 2 to 3 times faster where something else wants the cores (a second
    # run, a browser), and no slower where nothing does.
    return {"OMP_WAIT_POLICY": "PASSIVE", **env, "PYTHONUNBUFFERED": "1"}


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        children: list[psutil.Process] = process.children(recursive=True)
    except psutil.Error:
        return []
    return children


def _signal_group(process: psutil.Process, number: int) -> None:
    """Signal the worker's group where it leads one (it does, unless it was started by hand), else the worker alone."""
    with suppress(psutil.Error, ProcessLookupError):
        if os.getpgid(process.pid) == process.pid:
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)
