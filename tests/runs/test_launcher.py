"""Workers as real processes: detached, reaped, with a small environment, and never somebody else's."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import molfun
from molfun.errors import RunError
from molfun.runs import control
from molfun.runs.detached import worker_environment
from molfun.runs.launchers.local import LocalLauncher
from molfun.runs.process import find_process, identity_of
from molfun.runs.status import run_status
from molfun.runs.store import RunFolder

Sleeper = Callable[[], "subprocess.Popen[bytes]"]
CHECKOUT = str(Path(molfun.__path__[0]).parent)


def wait_until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def test_start_runs_a_detached_worker_and_reaps_it(folder: RunFolder) -> None:
    """The spec names a dataset that does not exist, so the real worker fails, and says so in the folder."""
    LocalLauncher().start(folder)
    state = folder.read_state()
    assert state["attempt"] == 1
    assert os.getsid(state["pid"]) == state["pid"]  # its own session: no Ctrl-C of ours reaches it
    wait_until(lambda: not run_status(folder).alive)
    status = run_status(folder)
    assert status.status == "failed", folder.log_tail()
    assert "No dataset has the id 'd-1'" in status.cause
    wait_until(lambda: not Path(f"/proc/{state['pid']}").exists())


def test_start_refuses_a_run_at_work(folder: RunFolder, sleeper: Sleeper) -> None:
    folder.write_state(status="running", **identity_of(sleeper().pid))
    with pytest.raises(RunError, match="is at work already"):
        LocalLauncher().start(folder)


def test_start_refuses_a_finished_run(folder: RunFolder) -> None:
    folder.write_state(status="finished", attempt=1)
    with pytest.raises(RunError, match=r"The run a-run is finished, nothing of it is left to do; extend it"):
        LocalLauncher().start(folder)
    assert folder.read_state()["attempt"] == 1


@pytest.mark.parametrize("ended", ["stopped", "failed", "lost"])
def test_of_two_starts_at_once_one_is_refused(folder: RunFolder, ended: str) -> None:
    folder.write_state(status=ended, attempt=1, resumed_step=7)
    with ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(lambda _: _try_start(folder), range(4)))
    assert outcomes.count("started") == 1
    assert all("already" in outcome for outcome in outcomes if outcome != "started")
    state = folder.read_state()
    assert (state["attempt"], state["resumed_step"]) == (2, None)
    LocalLauncher().stop(folder, how="now")


def _try_start(folder: RunFolder) -> str:
    try:
        LocalLauncher().start(folder)
    except RunError as error:
        return str(error)
    return "started"


def test_start_forgets_an_old_request(folder: RunFolder) -> None:
    control.request(folder, "stop")
    LocalLauncher().start(folder)
    assert control.requested(folder) == set()
    wait_until(lambda: not run_status(folder).alive)


def test_start_says_when_the_worker_cannot_be_started(folder: RunFolder) -> None:
    folder.log_path.mkdir()
    LocalLauncher().start(folder)
    status = run_status(folder)
    assert status.status == "failed"
    assert status.cause.startswith("The run could not be started: Is a directory")


def test_stop_save_asks_and_leaves_the_process_alone(folder: RunFolder, sleeper: Sleeper) -> None:
    process = sleeper()
    folder.write_state(status="running", **identity_of(process.pid))
    LocalLauncher().stop(folder)
    assert control.requested(folder) == {"stop"}
    assert process.poll() is None


def test_stop_now_ends_the_process(folder: RunFolder, sleeper: Sleeper) -> None:
    process = sleeper()
    folder.write_state(status="running", **identity_of(process.pid))
    identity = identity_of(process.pid)
    LocalLauncher().stop(folder, how="now")
    assert find_process(identity) is None
    status = run_status(folder)
    assert status.status == "stopped"
    assert "the last steps are not saved" in status.cause


def test_stop_now_kills_what_ignores_it(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("molfun.runs.launchers.local.KILL_AFTER_SECONDS", 0.5)
    code = "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(300)"
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, start_new_session=True, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        folder.write_state(status="running", **identity_of(process.pid))
        identity = identity_of(process.pid)
        LocalLauncher().stop(folder, how="now")
        assert find_process(identity) is None


def test_stop_never_signals_a_recycled_pid(folder: RunFolder, sleeper: Sleeper) -> None:
    process = sleeper()
    folder.write_state(status="running", **(identity_of(process.pid) | {"start_ticks": 1}))
    with pytest.raises(RunError, match="is lost; there is nothing to stop"):
        LocalLauncher().stop(folder, how="now")
    assert process.poll() is None
    assert find_process(identity_of(process.pid)) is not None


def test_stop_now_of_another_host_says_where(folder: RunFolder) -> None:
    folder.write_state(status="running", pid=1, host="elsewhere", heartbeat=time.time())
    with pytest.raises(RunError, match="cannot be found on this machine"):
        LocalLauncher().stop(folder, how="now")


def test_environment_passes_what_is_allowed_only() -> None:
    ours = {
        "PATH": "/bin", "LC_ALL": "C", "SLURM_JOB_ID": "1", "WANDB_API_KEY": "k", "MOLFUN_HOME": "/m",
        "PYTHONPATH": "/x", "AWS_SECRET_ACCESS_KEY": "s", "OPENAI_API_KEY": "s", "WANDB_SERVICE": "x",
        "WANDB_RUN_ID": "x", "LD_PRELOAD": "x", "NCCL_SOCKET_IFNAME": "ib0", "PYTORCH_CUDA_ALLOC_CONF": "a",
    }  # fmt: skip
    env = worker_environment(ours)
    assert env == {
        "PATH": "/bin", "LC_ALL": "C", "SLURM_JOB_ID": "1", "WANDB_API_KEY": "k", "MOLFUN_HOME": "/m",
        "PYTHONPATH": os.pathsep.join([CHECKOUT, "/x"]), "PYTHONUNBUFFERED": "1", "OMP_WAIT_POLICY": "PASSIVE",
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID", "NCCL_SOCKET_IFNAME": "ib0", "PYTORCH_CUDA_ALLOC_CONF": "a",
    }  # fmt: skip
    assert worker_environment({"CUDA_DEVICE_ORDER": "FASTEST_FIRST"})["CUDA_DEVICE_ORDER"] == "FASTEST_FIRST"
