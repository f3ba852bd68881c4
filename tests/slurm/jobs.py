"""What is done with a run on the cluster of the tests, in words."""

from __future__ import annotations

from molfun.runs.status import run_status
from molfun.runs.store import RunFolder
from molfun.runs.watch import ask_cluster
from tests.real_runs import wait_until
from tests.slurm.cluster import Cluster


def watch_until(folder: RunFolder, *wanted: str) -> list[str]:
    """Look at a run as the app does, until it is in one of these states; return the states that were seen."""
    seen: list[str] = []

    def is_there() -> bool:
        ask_cluster(folder)
        status = run_status(folder).status
        if status not in seen[-1:]:
            seen.append(status)
        return status in wanted

    wait_until(is_there, folder)
    return seen


def start_again(cluster: Cluster, folder: RunFolder) -> None:
    """Wait until the job of a run is back in the queue, then let it start without Slurm's two minutes of waiting."""
    job = folder.read_launch()["job"]
    wait_until(lambda: "JobState=PENDING" in cluster.call("scontrol", "show", "job", job), folder)
    # A job that starts within the second in which it was ended is taken for an ended one by its nodes.
    cluster.call("scontrol", "update", f"JobId={job}", "StartTime=now+2")
