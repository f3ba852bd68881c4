"""What a service lacked when its sender gave up is sent once it is back, by the app, without anybody's click."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from molfun.runs.process import identity_of
from molfun.runs.remotes import change_cursor, read_remotes
from molfun.runs.senders import AGAIN_SECONDS, send_again
from tests.tracking.runs_to_send import recorded_run, send
from tests.tracking.services import serving


def test_a_service_that_is_back_gets_what_it_lacked(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("comet_ml")
    with serving("comet") as service:
        folder = recorded_run(home, "comet", ended=time.time() - 2 * AGAIN_SECONDS)
        service.fault = "500"
        assert send(folder, "comet", service.variables, patience=1).returncode == 75
        service.fault = ""
        for name, value in service.variables.items():
            monkeypatch.setenv(name, value)
        assert send_again(home) == []  # it was tried just now
        change_cursor(folder, "comet", tried=time.time() - 1.5 * AGAIN_SECONDS)
        (sender,) = send_again(home)
        assert sender.wait(timeout=120) == 0
    (remote,) = read_remotes(folder, "finished")
    assert (remote.state, remote.waiting) == ("done", 0)
    assert send_again(home) == []


@pytest.mark.parametrize(
    ("over", "tried", "is_due"), [(700, 0, True), (500, 0, False), (7200, 3000, False), (7200, 4000, True)]
)
def test_a_service_is_left_alone_the_longer_the_longer_it_was_away(
    home: Path, over: float, tried: float, is_due: bool
) -> None:
    """Seconds since the run was over, and since the last attempt."""
    folder, now = recorded_run(home, "comet", ended=time.time() - over), time.time()
    change_cursor(folder, "comet", error="away", tried=now - tried if tried else 0.0)
    senders = send_again(home)
    for sender in senders:
        sender.kill()
        sender.wait()
    assert bool(senders) is is_due


def test_a_run_at_work_and_one_without_trackers_are_left_alone(home: Path) -> None:
    alive = {"status": "running", "ended": None, "heartbeat": time.time(), **identity_of(os.getpid())}
    recorded_run(home, "comet", run_id="run-1", **alive)
    recorded_run(home, run_id="run-2", ended=time.time() - 2 * AGAIN_SECONDS)
    assert send_again(home) == []


def test_a_run_that_was_lost_is_sent_again_too(home: Path) -> None:
    beat = time.time() - 2 * AGAIN_SECONDS
    recorded_run(home, "comet", status="lost", ended=None, heartbeat=beat)
    (sender,) = send_again(home)
    sender.kill()
    sender.wait()
