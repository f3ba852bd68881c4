"""Real runs that take seconds: a table of 40 short rows, a tiny untrained model, and what is looked at from outside."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil

from molfun.runs.plan import plan_run
from molfun.runs.spec import RunSpec
from molfun.runs.status import run_status
from molfun.runs.store import RunFolder
from molfun.runs.submit import submit_run

PATIENCE_SECONDS = 180.0
Start = Callable[..., RunFolder]


def few_rows(path: Path) -> Path:
    """Write a table of 40 short rows."""
    rows = [f"{'MKTAYIAKQR'[i % 7 :]}GSW{'A' * (i % 5)},{i * 0.37 % 2:.2f}" for i in range(40)]
    path.write_text("\n".join(["sequence,value", *rows]))
    return path


def tiny_spec(home: Path, table: Path, *, strategy: str = "", **changes: Any) -> RunSpec:
    """Return the spec of a run on it; `training__epochs=3` changes training.epochs."""
    values = {"data": {"table": str(table)}, "model": {"name": "esm2_8m", "weights": "random"}}
    told = {"training.batch_size": 4, "training.num_threads": 1, "strategy.amp": False}
    # Epochs that read what was computed before would be over before anybody can look, steer or kill.
    told |= {"training.keep_frozen": False}
    told |= {name.replace("__", "."): value for name, value in changes.items()}
    return plan_run(home, values, strategy=strategy, changes=told)[0]


def starting(home: Path, room: Path, **defaults: Any) -> Iterator[Start]:
    """Yield a function that starts a tiny run with changed settings; whatever is left of its runs is killed then.

    Args:
        home: The data folder.
        room: Where the table is written.
        **defaults: Settings of all of them.
    """
    started: list[RunFolder] = []

    def run(**changes: Any) -> RunFolder:
        spec = tiny_spec(home, few_rows(room / "few.csv"), **{**defaults, **changes})
        started.append(submit_run(home, spec))
        return started[-1]

    yield run
    for folder in started:
        kill_all(folder)


def wait_until(condition: Callable[[], bool], folder: RunFolder, seconds: float = PATIENCE_SECONDS) -> None:
    """Wait for something of a run; say what its folder holds where it does not come.

    Args:
        condition: What is waited for.
        folder: The run.
        seconds: How long a run may record nothing new. One that trains on, on a slow machine, is waited for five times
            as long in all.
    """
    written, begun = -1, time.monotonic()
    deadline = begun + seconds
    while not condition():
        size = folder.metrics_path.stat().st_size if folder.metrics_path.exists() else 0
        if size != written:
            written, deadline = size, min(time.monotonic() + seconds, begun + 5 * seconds)
        assert time.monotonic() < deadline, f"{folder.read_state()}\n{folder.log_tail()}"
        time.sleep(0.05)


def wait_for_end(folder: RunFolder) -> None:
    """Wait until nothing more happens to a run by itself."""
    wait_until(lambda: run_status(folder).is_over, folder)


def wait_for_steps(folder: RunFolder, num_steps: int) -> None:
    """Wait until a run has taken so many steps, as its record says."""

    def recorded() -> int:
        return folder.metrics_path.read_bytes().count(b'"kind": "step"') if folder.metrics_path.exists() else 0

    wait_until(lambda: recorded() >= num_steps or run_status(folder).is_over, folder)
    assert run_status(folder).status == "running", folder.log_tail()


def processes_of(folder: RunFolder) -> list[psutil.Process]:
    """Return every living process that was started for a run."""
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        if process.info["status"] != psutil.STATUS_ZOMBIE and str(folder.path) in (process.info["cmdline"] or []):
            found.append(process)
    return found


def assert_nothing_is_left(folder: RunFolder) -> None:
    """Hold that every process of a run is gone, or on its way out: the one that writes the end goes last."""
    wait_until(lambda: not processes_of(folder), folder, seconds=10)


def kill_all(folder: RunFolder) -> None:
    """Clear up after a test."""
    for process in processes_of(folder):
        process.kill()
