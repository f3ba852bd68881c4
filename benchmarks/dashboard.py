"""What it costs to look at long runs: the first view, a refresh, many runs over each other, and what is still seen.

    python -m benchmarks.dashboard [--steps 1000000] [--runs 50] [--peers /path/to/python]

Every run is written by `LocalTracker`, as a training writes it. Times are those of the server: the first view is the
whole page where nothing has read the run yet; a refresh is all charts of the page, after 20 new steps; medians of both.
Kilobytes are those of the largest chart, uncompressed. A spike is one step whose loss is far above its neighbours'; it
is seen where the line that is sent has a point of its own for it.

Other tools load the same losses in an environment of their own, which must have tensorboard, tensorboardX, trackio and
an MLflow server (mlflow, or mlflow-skinny with pandas, Flask, Flask-CORS, sqlalchemy, alembic, graphene, huey and
aiohttp).
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import spearmanr
from streamlit.testing.v1 import AppTest

from molfun.runs import history, resampling
from molfun.runs.spec import DataSource, RunSpec
from molfun.runs.store import RunFolder, RunStore
from molfun.tracking.local import LocalTracker
from molfun.tracking.pool import READERS
from molfun.training.settings import LoRASettings
from molfun.ui import compare_panels, compare_scores, live_chart, panels
from molfun.ui.run_curves import StepCurves

NUM_SPIKES, SPIKE = 200, 50.0
EPOCHS = 100
REPEATS = 7
NEW_STEPS = 20
SHORT = 1_000
STEPS_OF_MANY = 100_000
NUM_TESTED = 300  # test rows of each of many runs, for intervals and differences
APP = Path(__file__).parents[1] / "app.py"
ORIGINALS = {panel: panel._curves for panel in (panels, compare_panels)}


def losses_of(num_steps: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the loss of every step, float64 [num_steps], and the steps that have a spike, int64 [200]."""
    generator = np.random.default_rng(seed)
    step = np.arange(1, num_steps + 1)
    loss = 0.5 + np.exp(-5 * step / num_steps) + 0.1 * generator.standard_normal(num_steps)
    spikes = np.linspace(0, num_steps, NUM_SPIKES, endpoint=False) + generator.integers(2, num_steps // NUM_SPIKES - 1)
    loss[spikes.astype(int) - 1] = SPIKE
    return loss, spikes.astype(np.int64)


def write_steps(tracker: LocalTracker, losses: np.ndarray, first: int, per_epoch: int) -> None:
    """Record steps and the epochs that end among them."""
    for step, loss in enumerate(losses.tolist(), start=first):
        rates = {"lr/head": 1e-3 / step, "lr/lora": 1e-4 / step}
        tracker.log_step({"loss": loss, **rates, "grad_norm": 2 * loss, "tokens_per_second": 5e3 + loss,
                          "epoch": step / per_epoch}, step)  # fmt: skip
        if step % per_epoch == 0:
            epoch = step // per_epoch
            tracker.log_metrics({"epoch": epoch, "val_loss": 0.6 + 1 / epoch, "val_spearman": 0.5}, epoch)


def make_run(home: Path, num_steps: int, seed: int, *, ends: bool) -> tuple[RunFolder, LocalTracker]:
    """Return a run with that many steps; one that has ended has its copy as columns."""
    spec = RunSpec(name=f"Run {seed}", data=DataSource(dataset="d"), strategy=LoRASettings(lr_lora=1e-4 * (1 + seed)))
    folder = RunStore(home).create(spec, run_id=f"20260101-000000-{num_steps}-{seed:04d}")
    tracker = LocalTracker(folder.path)
    write_steps(tracker, losses_of(num_steps, seed)[0], 1, num_steps // EPOCHS)
    if ends:
        tracker.end_run()
    folder.write_state(status="finished", started=1.0, ended=2.0, created=1.0)
    return folder, tracker


def forget() -> None:
    """Know of no run, as a new server does."""
    READERS.__init__()  # type: ignore[misc]
    for known in (
        compare_scores._resampled, compare_scores._difference_interval, resampling._few_resamples, history._sparkline,
    ):  # fmt: skip
        known.cache_clear()
    live_chart._FIGURES.__init__(live_chart.MAX_FIGURES)  # type: ignore[misc]
    gc.collect()  # what was known is freed here, and not while the next page is timed


class Page:
    """A page of the app without a browser, drawn as often as is asked.

    Args:
        home: The data folder.
        name: Of the page, as in its address.
        address: What stands behind the question mark of its address.
    """

    def __init__(self, home: Path, name: str, **address: str) -> None:
        os.environ["MOLFUN_HOME"] = str(home)
        self.charts = 0.0
        panel = compare_panels if name == "compare" else panels
        panel._curves = self._timed(ORIGINALS[panel])  # type: ignore[attr-defined]
        self.test = AppTest.from_file(str(APP), default_timeout=120)
        self.test.switch_page(f"pages/{name}.py")
        self.test.query_params.update(address)

    def _timed(self, draw: Callable[..., None]) -> Callable[..., None]:
        def timed(*arguments: Any) -> None:
            begin = time.perf_counter()
            draw(*arguments)
            self.charts = time.perf_counter() - begin

        return timed

    def draw(self) -> tuple[float, float]:
        """Return the seconds that the whole page took, and those of its charts."""
        begin = time.perf_counter()
        self.test.run()
        assert not self.test.exception, self.test.exception
        return time.perf_counter() - begin, self.charts

    def largest_chart(self) -> int:
        """Return the bytes of the largest chart that was sent."""
        return max(len(figure) for figure, _ in live_chart._FIGURES._known.values())


def first_view(page: Callable[[], Page]) -> tuple[Page, float]:
    """Return the last of some pages that were drawn by a server that knows nothing, and the median of their seconds."""
    seconds = []
    for _ in range(REPEATS):
        forget()
        drawn = page()
        seconds.append(drawn.draw()[0])
    return drawn, float(np.median(seconds))


def measure_live(home: Path, num_steps: int, *, ends: bool) -> dict[str, float]:
    """Return seconds of the first view and of the median refresh, bytes of the largest chart, and spikes seen."""
    folder, tracker = make_run(home, num_steps, int(ends), ends=ends)
    page, first = first_view(lambda: Page(home, "live", run=folder.id))
    refreshes = []
    for i in range(REPEATS):
        write_steps(tracker, np.full(NEW_STEPS, 0.5), num_steps + 1 + i * NEW_STEPS, num_steps // EPOCHS)
        refreshes.append(page.draw()[1])
    _, unchanged = page.draw()
    seen = spikes_seen(folder, losses_of(num_steps, int(ends))[1])
    return {
        "first": first, "refresh": float(np.median(refreshes)), "unchanged": unchanged,
        "kib": page.largest_chart() / 1024, "spikes": seen,
    }  # fmt: skip


def spikes_seen(folder: RunFolder, spikes: np.ndarray) -> int:
    """Return how many of the spikes the drawn line of the loss shows, each with a point of its own."""
    reader = READERS.of(folder.metrics_path)
    line = StepCurves(reader.steps).line("loss")
    tops = line.x[line.y >= SPIKE]
    return len(set(tops.astype(int)) & set(spikes.tolist()))


def add_scores(folder: RunFolder, seed: int) -> None:
    """Write a test score and the predictions that it comes from."""
    target, noise = (np.random.default_rng(number).standard_normal(NUM_TESTED) for number in (0, 1 + seed))
    table = pd.DataFrame({"row": np.arange(NUM_TESTED), "target": target, "prediction": target + noise})
    folder.predictions.mkdir(exist_ok=True)
    table.to_parquet(folder.predictions / "test.parquet")
    score = float(spearmanr(target, target + noise).statistic)
    test = {"metrics": {"spearman": score}, "rows": NUM_TESTED}
    folder.write_scoreboard({"primary": "spearman", "test": test, "baselines": {}})


def measure_many(home: Path, num_runs: int) -> dict[str, float]:
    """Return seconds of the first view of many ended runs over each other, and of the next one."""
    for seed in range(num_runs):
        add_scores(make_run(home, STEPS_OF_MANY, seed, ends=True)[0], seed)
    runs = ",".join(folder.id for folder in RunStore(home).list())
    page, first = first_view(lambda: Page(home, "compare", runs=runs))
    return {"first": first, "refresh": page.draw()[1], "kib": page.largest_chart() / 1024}


def main() -> None:
    """Print tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--peers", default="", help="Python of an environment that has the other tools")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        rows = {}
        for label, steps, ends in (
            (f"{SHORT:,} steps", SHORT, True),  # loads what is lazy; the next one takes its place
            (f"{SHORT:,} steps", SHORT, True),
            (f"{options.steps:,} steps, ended", options.steps, True),
            (f"{options.steps:,} steps, killed", options.steps, False),
        ):  # fmt: skip
            with tempfile.TemporaryDirectory(dir=place) as home:
                rows[label] = measure_live(Path(home), steps, ends=ends)
        print("| Live | first view, ms | refresh, ms | nothing new, ms | largest chart, KiB | spikes seen |")
        print("|---|---|---|---|---|---|")
        for label, row in rows.items():
            print(f"| {label} | {1e3 * row['first']:.0f} | {1e3 * row['refresh']:.0f} | {1e3 * row['unchanged']:.0f} "
                  f"| {row['kib']:.0f} | {row['spikes']:.0f} of {NUM_SPIKES} |")  # fmt: skip
        short, *others = list(rows.values())
        for what in ("first", "refresh", "kib"):
            ratios = ", ".join(f"{row[what] / short[what]:.2f}" for row in others)
            print(f"{what}, as a multiple of that of {SHORT:,} steps: {ratios}")
        if options.runs:
            with tempfile.TemporaryDirectory(dir=place) as home:
                row = measure_many(Path(home), options.runs)
            print(f"\n{options.runs} runs of {STEPS_OF_MANY:,} steps and {NUM_TESTED} test rows on Compare: first view "
                  f"{row['first']:.2f} s, again {1e3 * row['refresh']:.0f} ms, "
                  f"largest chart {row['kib']:.0f} KiB")  # fmt: skip
        if options.peers:
            print_peers(options.peers, Path(place), options.steps)


def print_peers(python: str, place: Path, num_steps: int) -> None:
    """Let other tools load the same losses, and print what that costs."""
    losses, spikes = losses_of(num_steps, 1)
    np.savez(place / "losses.npz", losses=losses, spikes=spikes)
    program = Path(__file__).with_name("dashboard_peers.py")
    done = subprocess.run([python, program, place / "losses.npz"], stdout=subprocess.PIPE, text=True, check=True)
    print("\n| other tools, the loss alone | answer, s | KiB | points | spikes seen |\n|---|---|---|---|---|")
    for line in done.stdout.splitlines():
        if line.startswith("{"):
            row = json.loads(line)
            print(f"| {row['tool']} | {row['seconds']:.2f} | {row['bytes'] / 1024:,.0f} | {row['points']:,} "
                  f"| {row['spikes']} of {NUM_SPIKES} |")  # fmt: skip


if __name__ == "__main__":
    started = time.perf_counter()
    main()
    print(f"\n{time.perf_counter() - started:.0f} s in all")
