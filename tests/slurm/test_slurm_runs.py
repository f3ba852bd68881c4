"""Real runs of two processes on two nodes of a real Slurm: to the end, cancelled, queued again by a signal."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from molfun.runs.health import where_it_resumes
from molfun.runs.launchers.catalog import launcher_of
from molfun.runs.status import run_status
from molfun.runs.store import RunStore
from molfun.runs.watch import ask_cluster
from molfun.tracking.reader import read_metrics
from tests.real_runs import Start, assert_nothing_is_left, processes_of, starting, wait_for_steps, wait_until
from tests.slurm.cluster import Cluster
from tests.slurm.jobs import start_again, watch_until

pytestmark = pytest.mark.slow


@pytest.fixture
def start(cluster: Cluster, home: Path, tmp_path: Path) -> Iterator[Start]:
    """Return a function that sends a tiny run to two nodes; what is left of it is ended after the test."""
    yield from starting(home, tmp_path, training__num_processes=2, launch__where="slurm", launch__nodes=2)
    for folder in RunStore(home).list():
        cluster.call("scancel", "--quiet", folder.read_launch()["job"])


def test_a_run_that_is_signalled_saves_waits_and_finishes(start: Start, cluster: Cluster) -> None:
    """The signal is the one that Slurm sends before the time limit, to the processes alone."""
    folder = start(training__epochs=8)
    assert watch_until(folder, "running")[-2:] == ["starting", "running"]
    wait_for_steps(folder, 2)
    cluster.call("scancel", "--signal=USR1", folder.read_launch()["job"])
    watch_until(folder, "queued")
    # Nothing was saved before; it stopped after a step, and there is no score yet.
    saved, recorded = folder.saved_step, len(read_metrics(folder.metrics_path)[0])
    assert saved == recorded >= 2
    assert folder.read_scoreboard() == {}
    start_again(cluster, folder)
    ask_cluster(folder)
    assert run_status(folder).cause.startswith("Queued again. ")
    watch_until(folder, "finished", "failed", "stopped", "lost")
    state = folder.read_state()
    assert (run_status(folder).status, state["attempt"]) == ("finished", 2), folder.log_tail()
    assert state["resumed_step"] == saved
    steps, epochs = read_metrics(folder.metrics_path)
    assert steps["step"].tolist() == list(range(1, state["total_steps"] + 1))
    assert epochs["step"].tolist() == list(range(1, 9))
    assert folder.read_scoreboard()["test"]["rows"] == 8
    assert_nothing_is_left(folder)


def test_a_preempted_run_of_torchrun_is_queued_again(start: Start, cluster: Cluster) -> None:
    folder = start(training__epochs=400, launch__slurm__step="torchrun", launch__slurm__extra=["--exclusive"])
    wait_for_steps(folder, 2)
    job = cluster.call(
        "sbatch", "--parsable", "--partition=high", "--nodes=2", "--exclusive", "--output=/dev/null", "--wrap=true"
    )
    watch_until(folder, "queued")
    assert folder.saved_step == len(read_metrics(folder.metrics_path)[0])
    wait_until(lambda: "goes on from its last checkpoint" in folder.read_state()["cause"], folder)
    wait_until(lambda: "JobState=COMPLETED" in cluster.call("scontrol", "show", "job", job), folder)
    launcher_of(folder).stop(folder)
    status = run_status(folder)
    assert (status.status, status.cause) == (
        "stopped",
        "Cancelled while it waited to go on; its last checkpoint is kept.",
    )
    assert_nothing_is_left(folder)


def test_a_run_that_is_ended_on_request_is_saved_and_not_queued_again(start: Start) -> None:
    folder = start(training__epochs=400, training__save_every_steps=2)
    wait_for_steps(folder, 4)
    launcher_of(folder).stop(folder, how="now")
    watch_until(folder, "stopped", "finished", "failed", "lost")
    assert run_status(folder).status == "stopped", folder.log_tail()
    assert_nothing_is_left(folder)
    point, recorded = where_it_resumes(folder), len(read_metrics(folder.metrics_path)[0])
    assert (point.is_possible, point.damaged) == (True, ())
    assert recorded - 4 <= point.checkpoint.step <= recorded
    wait_until(lambda: launcher_of(folder).poll(folder).state == "cancelled", folder)


def test_a_run_that_was_queued_again_often_enough_says_so(start: Start, cluster: Cluster) -> None:
    folder = start(training__epochs=400, launch__slurm__max_requeues=0)
    wait_for_steps(folder, 2)
    cluster.call("scancel", "--signal=USR1", folder.read_launch()["job"])
    watch_until(folder, "stopped", "finished", "failed", "lost")
    status = run_status(folder)
    assert (status.status, folder.read_state()["attempt"]) == ("stopped", 1), folder.log_tail()
    assert "queued again 0 times already, as often as launch.slurm.max_requeues allows" in status.cause


def test_a_killed_process_of_a_node_is_told_from_the_others(start: Start) -> None:
    folder = start(training__epochs=400)
    wait_for_steps(folder, 2)
    workers = [process for process in processes_of(folder) if process.environ().get("SLURM_PROCID") == "1"]
    workers[0].kill()
    watch_until(folder, "failed", "stopped", "finished", "lost")
    cause = run_status(folder).cause
    assert cause.startswith("One of the 2 processes was ended by the system with signal 9 (SIGKILL)"), folder.log_tail()
