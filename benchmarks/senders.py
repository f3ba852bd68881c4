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

from benchmarks.trackers import CASES, STEPS_PER_EPOCH, variables_of
from molfun.runs.store import RunFolder
from molfun.runs.submit import submit_run
from molfun.tracking.local import read_metrics
from tests.real_runs import few_rows, kill_all, processes_of, tiny_spec, wait_for_steps

FIRST_STEPS = 100
WINDOW_SECONDS = 3.0
NUM_DRAWS = 2000


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


def seconds_a_step(times: npt.NDArray[np.float64], begin: float, end: float) -> float:
    """Return the mean between the steps of an epoch in a window, without the slowest and quickest tenth.

    Args:
        times: (steps,) unix seconds of all steps, of whole epochs.
        begin: Of the window.
        end: Of the window.
    """
    epochs = times[: len(times) // STEPS_PER_EPOCH * STEPS_PER_EPOCH].reshape(-1, STEPS_PER_EPOCH)
    inside = epochs[(epochs[:, 0] > begin) & (epochs[:, -1] < end)]
    each = np.sort((inside[:, -1] - inside[:, 0]) / (STEPS_PER_EPOCH - 1))
    cut = len(each) // 10
    return float(each[cut : len(each) - cut].mean())


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


def interval(ratios: npt.NDArray[np.float64]) -> tuple[float, float]:
    """Return the 95 % interval of the mean by bootstrap (Efron 1979), over pairs."""
    draws = np.random.default_rng(0).choice(ratios, (NUM_DRAWS, len(ratios)))
    low, high = np.quantile(draws.mean(axis=1), [0.025, 0.975])
    return float(low), float(high)


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
            low, high = interval(ratios)
            change = f"{ratios.mean() - 1:+.1%} ({low - 1:+.1%} to {high - 1:+.1%})"
            print(f"| {case} | {1e3 * held:.1f} | {change} | {share:.1%} |", flush=True)


if __name__ == "__main__":
    main()
