"""The state of a run from real processes: alive, killed, zombie, another's pid, another host, another boot."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from molfun.errors import RunError
from molfun.runs import control
from molfun.runs.process import find_process, identity_of
from molfun.runs.status import run_status
from molfun.runs.store import RunFolder

Sleeper = Callable[[], "subprocess.Popen[bytes]"]


def test_a_new_run_is_queued(folder: RunFolder) -> None:
    status = run_status(folder)
    assert (status.status, status.alive, status.progress, status.seconds_left) == ("queued", False, None, None)


def test_a_living_process_is_running(folder: RunFolder, sleeper: Sleeper) -> None:
    folder.write_state(status="running", **identity_of(sleeper().pid))
    assert run_status(folder).status == "running"
    control.request(folder, "stop")
    assert (run_status(folder).status, run_status(folder).alive) == ("stopping", True)


def test_a_killed_process_is_lost(folder: RunFolder, sleeper: Sleeper) -> None:
    process = sleeper()
    folder.write_state(status="running", step=12, heartbeat=1000.0, **identity_of(process.pid))
    process.kill()
    process.wait()
    status = run_status(folder)
    assert (status.status, status.alive, status.ended) == ("lost", False, 1000.0)
    assert "ended after step 12 without saying why" in status.cause


def test_a_zombie_is_dead(folder: RunFolder, sleeper: Sleeper) -> None:
    process = sleeper()
    folder.write_state(status="running", **identity_of(process.pid))
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # it has ended, and nobody has taken note
    assert psutil.Process(process.pid).status() == psutil.STATUS_ZOMBIE
    assert run_status(folder).status == "lost"


@pytest.mark.parametrize(
    "other",
    [{"start_ticks": 1}, {"start_ticks": None, "create_time": 1000.0}, {"boot_id": "another"}, {"pid": "12"}],
    ids=["ticks", "create time", "boot", "no pid"],
)
def test_another_s_process_is_not_ours(folder: RunFolder, sleeper: Sleeper, other: dict[str, Any]) -> None:
    identity = identity_of(sleeper().pid)
    assert find_process(identity) is not None
    folder.write_state(status="running", **(identity | other))
    assert find_process(folder.read_state()) is None
    assert run_status(folder).status == "lost"


def test_create_time_alone_identifies(sleeper: Sleeper) -> None:
    assert find_process(identity_of(sleeper().pid) | {"start_ticks": None}) is not None


@pytest.mark.parametrize(("age_seconds", "expected"), [(5, "running"), (90, "lost")])
def test_another_host_is_judged_by_its_heartbeat(folder: RunFolder, age_seconds: float, expected: str) -> None:
    host = f"not-{socket.gethostname()}"
    folder.write_state(status="running", pid=1, host=host, heartbeat=time.time() - age_seconds)
    status = run_status(folder)
    assert status.status == expected
    assert (host in status.cause) == (expected == "lost")


@pytest.mark.parametrize(("age_seconds", "expected"), [(1, "starting"), (60, "lost")])
def test_a_start_without_a_process_is_lost_in_the_end(folder: RunFolder, age_seconds: float, expected: str) -> None:
    folder.write_state(status="starting", launched=time.time() - age_seconds)
    assert run_status(folder).status == expected


@pytest.mark.parametrize("ended", ["finished", "stopped", "failed"])
def test_what_the_worker_said_stands(folder: RunFolder, ended: str) -> None:
    folder.write_state(status=ended, cause="because", started=100.0, ended=160.0, pid=1)
    status = run_status(folder)
    assert (status.status, status.cause, status.alive, status.ended) == (ended, "because", False, 160.0)
    assert status.progress == (1.0 if ended == "finished" else None)


@pytest.mark.parametrize(
    ("content", "cause"), [("{", "no readable state"), ('{"status": "dreaming"}', "update Molfun")]
)
def test_a_state_that_cannot_be_read_is_lost(folder: RunFolder, content: str, cause: str) -> None:
    folder.state_path.write_text(content)
    status = run_status(folder)
    assert status.status == "lost"
    assert cause in status.cause


def test_time_left_is_the_pace_so_far(folder: RunFolder, sleeper: Sleeper) -> None:
    """25 of 100 steps in 50 seconds leave 75 steps of 2 seconds."""
    folder.write_state(
        status="running", step=25, total_steps=100, started=1000.0, heartbeat=1050.0, **identity_of(sleeper().pid)
    )
    status = run_status(folder)
    assert (status.progress, status.seconds_left) == (0.25, 150.0)


def test_time_left_of_a_resumed_run_is_the_pace_of_its_own_attempt(folder: RunFolder, sleeper: Sleeper) -> None:
    """Taken up at step 50 of 100, 25 steps in 50 seconds leave 25 steps of 2 seconds."""
    folder.write_state(
        status="running", step=75, total_steps=100, started=900.0, heartbeat=1050.0, resumed=1000.0, resumed_step=50,
        resumed_progress=0.5, **identity_of(sleeper().pid),
    )  # fmt: skip
    status = run_status(folder)
    assert (status.progress, status.seconds_left) == (0.75, 50.0)


def test_control_takes_known_actions_only(folder: RunFolder) -> None:
    assert control.requested(folder) == set()
    control.request(folder, "stop")
    (folder.control / "dance").write_text("")
    assert control.requested(folder) == {"stop"}
    control.clear(folder, "stop")
    control.clear(folder, "stop")
    assert control.requested(folder) == set()
    with pytest.raises(RunError, match="'dance' cannot be asked of a run"):
        control.request(folder, "dance")


def test_a_process_found_is_the_one_signalled(sleeper: Sleeper) -> None:
    process = sleeper()
    found = find_process(identity_of(process.pid))
    assert found is not None
    found.send_signal(signal.SIGTERM)
    assert process.wait(10) == -signal.SIGTERM


def test_identity_of_a_dead_process_finds_nothing(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    identity = identity_of(process.pid)
    assert identity["create_time"] is None
    assert find_process(identity) is None
