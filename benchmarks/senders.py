"""What the sender of a tracker costs the steps beside it: held and let go in turns within one and the same run.

python -m benchmarks.senders [--pairs 20] [--services "mlflow hang, none"]

A training never speaks to a service; a sender of its own process does. So the sender is held (SIGSTOP) for some seconds
and let go (SIGCONT) for as many, again and again, and the steps under both are compared pair by pair: a machine that is
slow for a while is slow for both of a pair. "none" holds nothing and tells what pairs vary by themselves.
"""

from __future__ import annotations

import argparse
import signal
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from unittest import mock

import numpy as np
import numpy.typing as npt
import psutil
from scipy.stats import bootstrap

from benchmarks.trackers import CASES, seconds_a_step, variables_of
from molfun.runs.store import RunFolder
from molfun.runs.submit import submit_run
from molfun.tracking.local import read_metrics
from tests.real_runs import few_rows, kill_all, processes_of, tiny_spec, wait_for_steps

FIRST_STEPS = 100
WINDOW_SECONDS = 3.0


def senders_of(folder: RunFolder) -> list[psutil.Process]:
    """Return the living senders of a run."""
    found = []
    for process in processes_of(folder):
        with suppress(psutil.Error):
            if any("sender_process" in word for word in process.cmdline()):
                found.append(process)
    return found


def signal_all(senders: list[psutil.Process], what: signal.Signals) -> None:
    """Hold or let go; one that ended meanwhile is left out."""
    for process in senders:
        with suppress(psutil.Error):
            process.send_signal(what)


def watch(folder: RunFolder, num_pairs: int) -> list[tuple[float, float, float]]:
    """Hold and let go; return begin, middle and end of each pair: held until the middle, then let go. Unix seconds."""
    pairs = []
    for _ in range(num_pairs):
        senders, began = senders_of(folder), time.time()
        signal_all(senders, signal.SIGSTOP)
        time.sleep(WINDOW_SECONDS)
        middle = time.time()
        signal_all(senders, signal.SIGCONT)
        time.sleep(WINDOW_SECONDS)
        pairs.append((began, middle, time.time()))
    return pairs


def measure(room: Path, case: str, num_pairs: int) -> tuple[npt.NDArray[np.float64], float, float]:
    """Run once; return let go over held for each pair, seconds a step while held, and the senders' share of a core."""
    home = Path(tempfile.mkdtemp(dir=room))
    # The control has no tracker.
    name = "none" if case.startswith("none") else case
    with (
        variables_of(name) as (trackers, variables),
        mock.patch.dict("os.environ", {**variables, "WANDB_MODE": "online"}),
    ):
        spec = tiny_spec(home, few_rows(home / "few.csv"), training__epochs=100_000, trackers=trackers)
        folder = submit_run(home, spec)
        wait_for_steps(folder, FIRST_STEPS)
        before, senders = time.time(), senders_of(folder)
        busy = sum(sum(process.cpu_times()[:2]) for process in senders)
        pairs = watch(folder, num_pairs)
        busy = sum(sum(process.cpu_times()[:2]) for process in senders if process.is_running()) - busy
        steps, _ = read_metrics(folder.metrics_path)
        share = busy / (time.time() - before)
        kill_all(folder)
    times = steps["t"].to_numpy()
    held = np.array([seconds_a_step(times, begin, middle) for begin, middle, _ in pairs])
    free = np.array([seconds_a_step(times, middle, end) for _, middle, end in pairs])
    return free / held, float(np.median(held)), share


def main() -> None:
    """Print one line a case."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=20)
    parser.add_argument("--services", default=", ".join(case for case in CASES if case != "none again"))
    told = parser.parse_args()
    print("| service | ms a step, sender held | let go over held, mean (95 % interval) | sender's share of a core |")
    print("|---|---|---|---|")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as room:
        for case in (case.strip() for case in told.services.split(",")):
            ratios, held, share = measure(Path(room), case, told.pairs)
            low, high = bootstrap((ratios,), np.mean, method="percentile", rng=0).confidence_interval
            change = f"{ratios.mean() - 1:+.1%} ({low - 1:+.1%} to {high - 1:+.1%})"
            print(f"| {case} | {1e3 * held:.1f} | {change} | {share:.1%} |", flush=True)


if __name__ == "__main__":
    main()
