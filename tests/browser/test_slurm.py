"""A run of torchrun with two processes on two nodes of a real Slurm, from the form to the end, in a real browser."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from molfun.runs.store import RunStore
from molfun.tracking.reader import read_metrics
from tests.browser.server import Server
from tests.browser.steps import (
    save_small_run,
    start_run,
    wait_for_marker,
    wait_for_status,
    wait_until_curves_move,
)
from tests.real_runs import assert_nothing_is_left, wait_until
from tests.slurm.cluster import Cluster
from tests.slurm.conftest import cluster, whole_cluster  # noqa: F401 - fixtures
from tests.slurm.jobs import start_again

LAUNCH = {"where": "slurm", "nodes": 2, "slurm": {"step": "torchrun", "time_limit": "00:30:00"}}


@pytest.mark.slow
def test_a_run_on_a_cluster_is_sent_watched_queued_again_resumed_and_cancelled(
    cluster: Cluster,  # noqa: F811 - before the server, which inherits where the cluster is
    server: Server,
    open_page: Callable[..., Page],
    screenshot: Callable[..., None],
) -> None:
    page = open_page()
    base = save_small_run(server.home, launch=LAUNCH, training={"num_processes": 2, "batch_size": 4, "num_threads": 1})
    page.goto(f"{server.url}/new_run?from={base}")
    run_id = start_run(page, "Head only", epochs=900)
    folder = RunStore(server.home).get(run_id)
    wait_for_status(page, "Running")
    wait_until_curves_move(page)
    job = folder.read_launch()["job"]
    expect(page.get_by_text(f"job {job}").first).to_be_visible()
    screenshot(page, "slurm_running")

    cluster.call("scancel", "--signal=USR1", job)
    wait_for_status(page, "Queued")
    saved = folder.saved_step
    assert saved == len(read_metrics(folder.metrics_path)[0])
    start_again(cluster, folder)
    expect(page.get_by_text("Queued again").first).to_be_visible()
    screenshot(page, "slurm_queued_again")
    wait_for_status(page, "Running")
    wait_for_marker(page, "resumed")
    wait_until(lambda: len(read_metrics(folder.metrics_path)[0]) > (saved or 0) + 2, folder)

    cluster.call("scancel", job)
    wait_for_status(page, "Stopped")
    steps = read_metrics(folder.metrics_path)[0]["step"].tolist()
    assert steps == list(range(1, len(steps) + 1))
    expect(page.get_by_role("button", name="Resume", exact=True)).to_be_enabled()
    screenshot(page, "slurm_cancelled")
    assert_nothing_is_left(folder)
