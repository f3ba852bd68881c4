"""Run folders with a record to send, without any training; and how senders are run on them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from molfun.runs.spec import RunSpec
from molfun.runs.store import RunFolder, RunStore
from molfun.tracking.local import LocalTracker

NUM_STEPS, STEPS_PER_EPOCH = 200, 100
SCORE = 0.71


def recorded_run(home: Path, *trackers: str, run_id: str = "run-1", **state: Any) -> RunFolder:
    """Return a run of 200 steps and 2 epochs; it is finished unless `state` says otherwise."""
    spec = RunSpec.parse({"name": "a run", "trackers": list(trackers), "tracking": {"project": "tests"}})
    folder = RunStore(home).create(spec, run_id=run_id)
    write_steps(folder, 1, NUM_STEPS)
    folder.write_parameters({"total": 1000, "trainable": 10})
    folder.write_environment({"python": "3.11", "device": "cpu"})
    folder.write_scoreboard({"primary": "spearman", "test": {"metrics": {"spearman": SCORE}, "rows": 9}})
    folder.write_state(**{"status": "finished", "attempt": 1, "ended": time.time(), **state})
    return folder


def write_steps(folder: RunFolder, first: int, last: int, *, segment: int = 0) -> None:
    """Add steps to a record, and the epochs that end among them."""
    local = LocalTracker(folder.path, segment=segment)
    for step in range(first, last + 1):
        local.log_step({"loss": 1.0 / step, "lr/head": 1e-3, "grad_norm": float("nan")}, step)
        if step % STEPS_PER_EPOCH == 0:
            local.log_metrics({"train_loss": 0.5, "val_loss": 1.0 / step}, step // STEPS_PER_EPOCH)
    local.end_run()


def expected_steps(last: int = NUM_STEPS) -> dict[int, float]:
    """Return the losses that a tracker gets, by step."""
    return {step: 1.0 / step for step in range(10, last + 1, 10)}


def send(
    folder: RunFolder, name: str, variables: Mapping[str, str], *, patience: float = 20.0, timeout: float = 120.0
) -> subprocess.CompletedProcess[str]:
    """Run a sender to its end, in a process of its own as the app does."""
    return subprocess.run(
        sender_command(folder, name, patience), env=sender_environment(variables), capture_output=True, text=True,
        timeout=timeout, check=False,
    )  # fmt: skip


def sender_command(folder: RunFolder, name: str, patience: float = 20.0) -> list[str]:
    """Return the command that sends a run."""
    module = "molfun.runs.sender_process"
    return [sys.executable, "-m", module, str(folder.path), name, "--patience-seconds", str(patience)]


def sender_environment(variables: Mapping[str, str]) -> dict[str, str]:
    """Return our environment with some variables changed, without proxies and without the tests' own wandb mode."""
    kept = {name: value for name, value in os.environ.items() if "proxy" not in name.lower() and name != "WANDB_MODE"}
    return {**kept, "NO_PROXY": "*", **variables}
