"""What a run meets in its life: processes that are killed, hang or print without end, full disks, a clock set back."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from molfun.runs import process as processes
from molfun.runs.health import where_it_resumes
from molfun.runs.launchers.local import LocalLauncher
from molfun.runs.status import run_status
from molfun.runs.store import RunFolder
from molfun.runs.submit import submit_run
from molfun.tracking.reader import read_events, read_metrics
from tests.real_runs import (
    Start,
    assert_nothing_is_left,
    few_rows,
    kill_all,
    processes_of,
    starting,
    tiny_spec,
    wait_for_end,
    wait_for_steps,
    wait_until,
)


@pytest.fixture
def start(home: Path, tmp_path: Path) -> Iterator[Start]:
    """Return a function that starts a tiny run."""
    yield from starting(home, tmp_path)


def worker_of(folder: RunFolder) -> processes.psutil.Process:
    """Return the one process of a run that trains."""
    (found,) = (one for one in processes_of(folder) if one.pid != folder.read_state()["pid"])
    return found


@pytest.mark.slow
def test_a_killed_worker_fails_the_run_with_its_cause_and_resumes(start: Start) -> None:
    folder = start(training__epochs=400, training__save_every_steps=2)
    wait_for_steps(folder, 4)
    killed = time.monotonic()
    worker_of(folder).kill()
    wait_until(lambda: run_status(folder).is_over, folder, seconds=15)
    assert time.monotonic() - killed < 15
    status = run_status(folder)
    assert status.status == "failed"
    assert status.cause.startswith(
        "The process was ended by the system with signal 9 (SIGKILL), often for lack of memory."
    )
    assert_nothing_is_left(folder)
    before = len(read_metrics(folder.metrics_path)[0])
    assert before - 4 <= where_it_resumes(folder).checkpoint.step <= before + 2
    LocalLauncher().start(folder)
    wait_until(lambda: len(read_metrics(folder.metrics_path)[0]) > before + 2, folder)
    steps = read_metrics(folder.metrics_path)[0]["step"].tolist()
    assert steps == list(range(1, len(steps) + 1))


@pytest.mark.slow
def test_a_killed_supervisor_leaves_no_worker_and_a_run_that_is_lost(start: Start) -> None:
    folder = start(training__epochs=400, training__save_every_steps=2)
    wait_for_steps(folder, 4)
    os.kill(folder.read_state()["pid"], signal.SIGKILL)
    assert_nothing_is_left(folder)
    assert run_status(folder).status == "lost"
    assert where_it_resumes(folder).is_possible


@pytest.mark.slow
def test_a_hung_step_is_ended_in_the_stated_time(start: Start) -> None:
    """A stopped process takes no step, and no SIGTERM either."""
    folder = start(training__epochs=400, training__save_every_steps=2, launch__hang_minutes=0.25)
    wait_for_steps(folder, 4)
    hung = time.monotonic()
    worker_of(folder).send_signal(signal.SIGSTOP)
    wait_until(lambda: run_status(folder).is_over, folder, seconds=40)
    # 15 seconds without a sign of life, 10 more between SIGTERM and SIGKILL.
    assert 12 < time.monotonic() - hung < 35
    status = run_status(folder)
    assert status.status == "failed"
    assert re.match(r"Hung (after step \d+|before the first step): no sign of life for 0\.25 minutes", status.cause)
    assert_nothing_is_left(folder)


@pytest.mark.slow
def test_a_worker_that_prints_ten_megabytes_is_not_held_up(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its output goes to a file: a pipe that nobody reads would hold it up after 64 kB."""
    talker = "import sys\nif 'rank' in ' '.join(sys.orig_argv): print(('x' * 99 + '\\n') * 105_000, flush=True)\n"
    (tmp_path / "sitecustomize.py").write_text(talker)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}")
    folder = start(training__epochs=1)
    wait_for_end(folder)
    assert run_status(folder).status == "finished", folder.log_tail(2000)
    assert folder.log_path.stat().st_size > 10_000_000


@pytest.mark.slow
def test_a_clock_set_back_changes_no_state(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """For who looks, it is an hour earlier, and processes seem to have started at another time than was noted."""
    folder = start(training__epochs=400)
    wait_for_steps(folder, 4)
    real, earlier = time.time, run_status(folder)
    folder.write_state(create_time=folder.read_state()["create_time"] + 3600)
    monkeypatch.setattr(time, "time", lambda: real() - 3600)
    status = run_status(folder)
    assert (earlier.status, status.status) == ("running", "running")
    LocalLauncher().stop(folder, how="now")
    assert run_status(folder).status == "stopped"


@pytest.fixture
def small_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return a data folder on a disk of its own of 128 MB; needs the right to mount."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128m,mode=700", "tmpfs", place], check=False)
    if mounted.returncode:
        pytest.skip("this machine does not let the tests mount a small disk")
    monkeypatch.setenv("MOLFUN_HOME", str(place))
    yield place
    subprocess.run(["umount", "--lazy", place], check=True)


@pytest.fixture
def on_small_disk(small_disk: Path, tmp_path: Path) -> Iterator[RunFolder]:
    """A run on it that has a checkpoint of some megabytes."""
    told = {"training__epochs": 400, "training__save_every_steps": 2, "strategy__unfreeze_last_n": 1}
    spec = tiny_spec(small_disk, few_rows(tmp_path / "few.csv"), strategy="partial", **told)
    folder = submit_run(small_disk, spec)
    wait_for_steps(folder, 6)
    wait_until(lambda: (folder.checkpoints / "last" / "manifest.json").exists(), folder)
    yield folder
    kill_all(folder)


def fill(disk: Path, *, but: int) -> Path:
    """Leave only so many bytes on a disk; return the file that takes up the rest."""
    with (disk / "filler").open("ab", buffering=0) as file, suppress(OSError):
        while (room := shutil.disk_usage(disk).free - but) > 0:
            file.write(b"\0" * min(room, 1 << 16))
    return disk / "filler"


@pytest.mark.slow
def test_a_disk_that_is_full_is_the_cause_and_keeps_the_last_checkpoint(
    small_disk: Path, on_small_disk: RunFolder
) -> None:
    """Neither metrics nor state nor log find room."""
    folder = on_small_disk
    filler = fill(small_disk, but=0)

    def is_over() -> bool:
        fill(small_disk, but=0)  # what a checkpoint that failed gives back
        return run_status(folder).is_over

    wait_until(is_over, folder)
    status = run_status(folder)
    assert status.status == "failed", folder.log_tail()
    assert status.cause.startswith("The disk is full. Free some room")
    assert_nothing_is_left(folder)
    filler.unlink()
    point = where_it_resumes(folder)
    assert point.checkpoint is not None
    LocalLauncher().start(folder)
    wait_until(lambda: run_status(folder).status != "starting", folder)
    wait_for_steps(folder, 8)


@pytest.mark.slow
def test_a_disk_without_room_for_a_checkpoint_costs_that_checkpoint(small_disk: Path, on_small_disk: RunFolder) -> None:
    """Metrics and log still fit; the alert says so, the checkpoint before stays, and a later one is written again."""

    def alerts() -> list[str]:
        return [event["message"] for event in read_events(folder.events_path) if event["kind"] == "alert"]

    folder = on_small_disk
    filler = fill(small_disk, but=1_000_000)
    wait_until(lambda: bool(alerts()) or run_status(folder).is_over, folder)
    assert "could not be written: no space left on device" in alerts()[0]
    assert where_it_resumes(folder).is_possible
    step = folder.saved_step
    filler.unlink()
    wait_until(lambda: (folder.saved_step or 0) > (step or 0) or run_status(folder).is_over, folder)
    assert run_status(folder).status == "running", folder.log_tail()
