"""What a remote tracker costs a run: seconds a step with none, and with one whose service is well, away, or broken.

python benchmarks/trackers.py [--steps 400] [--repeats 3] [--services "mlflow hang, mlflow refuse, none"]

Real runs, one after the other and in turns, so that a busy moment meets all of them; "none again" tells what the
machine itself varies by. What is told is the mean time between the steps of an epoch, of the middle six tenths of all
epochs (the record has whole milliseconds, so single steps would tell too little), and how long the run took from its
start to its end.
"""

from __future__ import annotations

import argparse
import math
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import numpy as np
import numpy.typing as npt
from scipy.stats import trim_mean

from molfun.runs.status import run_status
from molfun.runs.submit import submit_run
from molfun.tracking.local import read_metrics
from tests.real_runs import few_rows, kill_all, processes_of, tiny_spec, wait_for_end
from tests.tracking.services import FAULTS, serving

STEPS_PER_EPOCH = 7
CASES = ["none", "none again", "wandb ok", "langfuse ok", "comet ok", *(f"mlflow {fault}" for fault in FAULTS)]


@contextmanager
def variables_of(case: str) -> Iterator[tuple[list[str], dict[str, str]]]:
    """Yield the trackers of a case and the environment in which they find their service."""
    name, _, fault = case.partition(" ")
    if name == "none":
        yield [], {}
        return
    with serving(name, "" if fault == "ok" else fault) as service:
        yield [name], service.variables


def measure(room: Path, case: str, num_steps: int) -> tuple[float, float, bool]:
    """Return the seconds between steps, the seconds of the whole run, and whether its record is whole."""
    home = Path(tempfile.mkdtemp(dir=room))
    epochs = max(1, num_steps // STEPS_PER_EPOCH)
    with (
        variables_of(case) as (trackers, variables),
        mock.patch.dict("os.environ", {**variables, "WANDB_MODE": "online"}),
    ):
        spec = tiny_spec(home, few_rows(home / "few.csv"), training__epochs=epochs, trackers=trackers)
        began = time.monotonic()
        folder = submit_run(home, spec)
        wait_for_end(folder)
        took = time.monotonic() - began
        assert run_status(folder).status == "finished", folder.log_tail()
        while processes_of(folder):
            time.sleep(0.5)
        kill_all(folder)
    steps, _ = read_metrics(folder.metrics_path)
    return seconds_a_step(steps["t"].to_numpy()), took, steps["step"].tolist() == list(range(1, len(steps) + 1))


def seconds_a_step(times: npt.NDArray[np.float64], begin: float = -math.inf, end: float = math.inf) -> float:
    """Return the mean between the steps of an epoch, without the quickest and slowest fifth of the epochs.

    Args:
        times: (steps,) unix seconds of all steps of a run.
        begin: Epochs that began before are left out, unix seconds.
        end: So are those that ended after.
    """
    epochs = times[: len(times) // STEPS_PER_EPOCH * STEPS_PER_EPOCH].reshape(-1, STEPS_PER_EPOCH)
    inside = epochs[(epochs[:, 0] > begin) & (epochs[:, -1] < end)]
    return float(trim_mean((inside[:, -1] - inside[:, 0]) / (STEPS_PER_EPOCH - 1), 0.2))


def main() -> None:
    """Print one line a case."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--services", default=", ".join(CASES))
    told = parser.parse_args()
    cases = [case.strip() for case in told.services.split(",")]
    found: dict[str, list[tuple[float, float, bool]]] = {case: [] for case in cases}
    with tempfile.TemporaryDirectory() as room:
        for _ in range(told.repeats):
            for case in cases:
                found[case].append(measure(Path(room), case, told.steps))
    base = statistics.median(step for step, _, _ in found[cases[0]])
    print(f"{'service':<18}{'ms a step':>10}{'lowest to highest':>20}{'beside ' + cases[0]:>14}{'run, s':>9}  record")
    for case, results in found.items():
        times = [one for one, _, _ in results]
        step, extremes = statistics.median(times), f"{1000 * min(times):.2f} to {1000 * max(times):.2f}"
        took = statistics.median(one for _, one, _ in results)
        whole = "whole" if all(one for _, _, one in results) else "NOT WHOLE"
        print(f"{case:<18}{1000 * step:>10.2f}{extremes:>20}{step / base - 1:>+14.1%}{took:>9.1f}  {whole}")


if __name__ == "__main__":
    main()
