"""Twenty runs from four browser sessions, the app killed and started again in the middle: all finish, in order."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from molfun.runs import control
from molfun.runs.launchers.local import LocalLauncher
from molfun.runs.queue import read_queue, set_slots
from molfun.runs.status import run_status
from molfun.runs.store import RunFolder, RunStore
from molfun.runs.submit import submit_run
from tests.browser.conftest import open_page, server
from tests.browser.server import Server
from tests.browser.steps import START
from tests.real_runs import few_rows, tiny_spec, wait_for_steps, wait_until

__all__ = ["open_page", "server"]

NUM_SLOTS = 2
SESSIONS, RUNS_EACH = 4, 5


def start_again(page: Page, url: str, template: str) -> str:
    """Start a run with the settings of another one, in the browser; return its id."""
    page.goto(f"{url}/new_run?from={template}")
    button = page.get_by_role("button", name=START)
    expect(button).to_be_enabled()
    # Twice: one run.
    button.dblclick()
    page.wait_for_url("**/live?run=*")
    return page.url.rpartition("run=")[2]


@pytest.mark.slow
def test_twenty_runs_of_four_sessions_finish_in_order(
    server: Server, open_page: Callable[..., Page], tmp_path: Path
) -> None:
    home, table = server.home, few_rows(tmp_path / "few.csv")
    set_slots(home, NUM_SLOTS)
    holders = [submit_run(home, tiny_spec(home, table, training__epochs=100_000)) for _ in range(NUM_SLOTS)]
    for holder in holders:
        wait_for_steps(holder, 1)
        control.request(holder, "pause")  # holds its slot and leaves the cores to the browser
    template = RunStore(home).create(tiny_spec(home, table, training__epochs=2)).id
    pages = [open_page() for _ in range(SESSIONS)]
    ids = [start_again(page, server.url, template) for _ in range(2) for page in pages]
    server.kill()
    time.sleep(1)
    server.start()
    ids += [start_again(page, server.url, template) for _ in range(RUNS_EACH - 2) for page in pages]
    assert len(set(ids)) == SESSIONS * RUNS_EACH
    wait_until(lambda: len(read_queue(home).waiting) == len(ids), holders[0])
    assert [ticket.id for ticket in read_queue(home).waiting] == ids  # a double click is one run

    for holder in holders:
        LocalLauncher().stop(holder, how="now")
    runs = [RunStore(home).get(run_id) for run_id in ids]
    most_at_once = watch_until_all_are_over([*holders, *runs])
    assert [run_status(run).status for run in runs] == ["finished"] * len(runs)
    assert most_at_once == NUM_SLOTS
    assert_in_order(runs)
    assert read_queue(home).waiting == []


def watch_until_all_are_over(runs: list[RunFolder]) -> int:
    """Wait for the end of all runs; return how many of them had a living supervisor at the same time at most."""
    most = 0

    def are_over() -> bool:
        nonlocal most
        found = [run_status(run) for run in runs]
        most = max(most, sum(status.alive for status in found))
        return all(status.is_over for status in found)

    wait_until(are_over, runs[-1], seconds=400)
    return most


def assert_in_order(runs: list[RunFolder]) -> None:
    """Hold that runs were let go in the order in which they were queued."""
    # Not when they began: a run that takes the process that waits begins sooner than one whose process has to load.
    launched = [run.read_state()["launched"] for run in runs]
    assert launched == sorted(launched)
