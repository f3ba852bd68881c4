"""A run that a standby takes is the same run; whatever is not as it was when the standby began makes a fresh start."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import psutil
import pytest

import molfun
from molfun.runs import warm_start
from molfun.runs.launchers.local import LocalLauncher
from molfun.runs.orders import are_alike
from molfun.runs.process import find_process
from molfun.runs.status import run_status
from molfun.runs.store import RunFolder, RunStore
from molfun.runs.warm_start import SWITCH, WarmStart, code_stamp, shared_warm_start
from molfun.tracking.reader import read_metrics
from tests.real_runs import (
    Start,
    assert_nothing_is_left,
    few_rows,
    starting,
    tiny_spec,
    wait_for_end,
    wait_until,
)

CLOCKED = ("t", "seconds", "tokens_per_second", "sys/cores", "sys/memory")


@pytest.fixture
def start(home: Path, tmp_path: Path) -> Iterator[Start]:
    """Return a function that starts a tiny run."""
    yield from starting(home, tmp_path, training__epochs=2)


@pytest.fixture
def warm(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[WarmStart]:
    """The shared warm start as the app has it, open for the test's data folder."""
    monkeypatch.delenv(SWITCH, raising=False)
    shared_warm_start.cache_clear()
    warm = shared_warm_start()
    warm.open(home)
    yield warm
    warm.close()
    shared_warm_start.cache_clear()


@pytest.fixture
def standby(warm: WarmStart) -> psutil.Process:
    """The process that waits."""
    return begin(warm)


def begin(warm: WarmStart) -> psutil.Process:
    """Ask for a standby and return its supervisor once it has a worker."""
    warm.want()
    return wait_for(lambda: waiting(warm))


def waiting(warm: WarmStart) -> psutil.Process | None:
    """Return the standby's supervisor where it and its worker are there."""
    standby = warm._standby
    if standby is None:
        return None
    process = psutil.Process(standby.process.pid)
    return process if process.children() else None


def wait_for(find: Callable[[], psutil.Process | None], seconds: float = 30.0) -> psutil.Process:
    """Return a process as soon as it is there."""
    deadline = time.monotonic() + seconds
    while (found := find()) is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return found


def assert_gone(*processes: psutil.Process) -> None:
    """Hold that processes end within seconds."""
    gone, alive = psutil.wait_procs(processes, timeout=10)
    ended = [process for process in alive if process.status() == psutil.STATUS_ZOMBIE]
    assert len(gone) + len(ended) == len(processes)


def took(folder: RunFolder, process: psutil.Process) -> bool:
    """Tell whether a run's supervisor is a certain process."""
    return bool(folder.read_state()["pid"] == process.pid)


@pytest.mark.slow
def test_a_run_of_a_standby_is_that_of_fresh_processes(start: Start, standby: psutil.Process) -> None:
    (worker,) = standby.children()
    warm = start()
    assert took(warm, standby)
    wait_until(lambda: worker.is_running() and worker.cwd() == str(warm.path), warm)
    assert find_process(warm.read_state()) == standby
    assert {os.getsid(one.pid) for one in (standby, worker)} == {standby.pid, worker.pid}
    wait_for_end(warm)
    fresh = start()
    assert not took(fresh, standby)
    wait_for_end(fresh)
    assert run_status(warm).status == run_status(fresh).status == "finished", warm.log_tail()
    for table, expected in zip(read_metrics(warm.metrics_path), read_metrics(fresh.metrics_path), strict=True):
        told = expected.columns.difference(CLOCKED)
        pd.testing.assert_frame_equal(table[told], expected[told], check_exact=True)
    assert warm.read_scoreboard()["test"] == fresh.read_scoreboard()["test"]
    assert words_of(warm) == words_of(fresh)
    assert_nothing_is_left(warm)


def words_of(folder: RunFolder) -> list[str]:
    """Return the first word of every line of a log, behind its time."""
    return [line.split()[2] for line in folder.log_path.read_text().splitlines() if line[:2] == "20"]


@pytest.mark.slow
def test_a_run_of_a_standby_is_stopped_as_every_other(start: Start, standby: psutil.Process) -> None:
    (worker,) = standby.children()
    folder = start(training__epochs=400)
    wait_until(lambda: run_status(folder).status == "running", folder)
    LocalLauncher().stop(folder, how="now")
    assert_gone(standby, worker)
    assert run_status(folder).status == "stopped"


@pytest.mark.slow
def test_a_worker_that_waits_no_more_is_replaced(start: Start, standby: psutil.Process) -> None:
    (worker,) = standby.children()
    worker.kill()
    folder = start()
    assert took(folder, standby)
    wait_for_end(folder)
    assert run_status(folder).status == "finished", folder.log_tail()


def refuse(home: Path, tmp_path: Path, warm: WarmStart, process: psutil.Process, **changes: object) -> None:
    """Hold that a standby is not taken for a run, and ends."""
    spec = tiny_spec(home, few_rows(tmp_path / "few.csv"), **changes)
    worker = process.children()
    assert warm.take(RunStore(home).create(spec), {}) is None
    assert_gone(process, *worker)


def test_another_environment_makes_a_fresh_start(
    home: Path, tmp_path: Path, warm: WarmStart, standby: psutil.Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    refuse(home, tmp_path, warm, standby)


def test_changed_code_makes_a_fresh_start(
    home: Path, tmp_path: Path, warm: WarmStart, standby: psutil.Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warm_start, "code_stamp", lambda: 0)
    refuse(home, tmp_path, warm, standby)


def test_several_processes_make_a_fresh_start(
    home: Path, tmp_path: Path, warm: WarmStart, standby: psutil.Process
) -> None:
    refuse(home, tmp_path, warm, standby, training__num_processes=2)


def test_a_standby_that_does_not_answer_is_ended(
    home: Path, tmp_path: Path, warm: WarmStart, standby: psutil.Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warm_start, "ANSWER_SECONDS", 0.2)
    standby.suspend()
    refuse(home, tmp_path, warm, standby)


def test_a_killed_standby_makes_a_fresh_start(
    home: Path, tmp_path: Path, warm: WarmStart, standby: psutil.Process
) -> None:
    (worker,) = standby.children()
    standby.kill()
    assert_gone(standby, worker)
    spec = tiny_spec(home, few_rows(tmp_path / "few.csv"))
    assert warm.take(RunStore(home).create(spec), {}) is None


def test_one_standby_at_most_waits_and_is_no_run(home: Path, warm: WarmStart, standby: psutil.Process) -> None:
    for _ in range(3):
        warm.want()
    assert waiting(warm) == standby
    assert RunStore(home).list() == []
    assert list(home.iterdir()) == []


def test_a_standby_goes_when_nobody_wants_it_any_more(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(SWITCH, raising=False)
    monkeypatch.setattr(warm_start, "LOOK_SECONDS", 0.05)
    warm = WarmStart(idle_seconds=2.0)
    warm.open(home)
    process = begin(warm)
    assert_gone(process, *process.children())
    assert begin(warm) != process
    warm.close()


def test_no_standby_where_memory_is_short_or_it_is_switched_off(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warm_start, "LOOK_SECONDS", 0.05)
    short, off = WarmStart(room_bytes=1 << 60), WarmStart()
    monkeypatch.setenv(SWITCH, "off")
    off.open(home)
    monkeypatch.delenv(SWITCH)
    short.open(home)
    for warm in (short, off):
        warm.want()
        time.sleep(0.3)
        assert warm._standby is None
        warm.close()


def test_a_standby_ends_with_a_killed_app(home: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from molfun.runs.warm_start import WarmStart\n"
        "warm = WarmStart(); warm.open(Path(sys.argv[1])); warm.want(); time.sleep(300)"
    )
    env = {**os.environ, SWITCH: "on"}
    app = subprocess.Popen([sys.executable, "-c", code, str(home)], env=env)

    def worker() -> psutil.Process | None:
        below = psutil.Process(app.pid).children(recursive=True)
        return below[-1] if len(below) == 2 else None

    loaded = wait_for(worker)
    family = [loaded, loaded.parent()]
    app.send_signal(signal.SIGKILL)
    app.wait()
    assert_gone(*(one for one in family if one is not None))


@pytest.mark.parametrize(
    ("wanted", "known", "alike"),
    [
        ({"A": "1", "GPU": "0"}, {"A": "1"}, True),
        ({"A": "1", "GPU": "0"}, {"A": "1", "GPU": "1"}, True),
        ({"A": "1"}, {"A": "1", "GPU": "1"}, False),
        ({"A": "1", "B": "2"}, {"A": "1"}, False),
        ({"A": "2"}, {"A": "1"}, False),
    ],
)
def test_environments_are_alike_but_for_what_may_differ(
    wanted: dict[str, str], known: dict[str, str], alike: bool
) -> None:
    assert are_alike(wanted, known, besides=frozenset({"GPU"})) is alike


def test_the_stamp_changes_with_a_file_of_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = tmp_path / "a.py"
    module.write_text("x = 1\n")
    monkeypatch.setattr(molfun, "__path__", [str(tmp_path)])
    first = code_stamp()
    assert code_stamp() == first
    module.write_text("x = 10\n")
    assert code_stamp() != first
