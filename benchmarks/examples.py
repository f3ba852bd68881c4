"""Test scores of the four strategies, the random-weights control and the simple baselines on a built-in example.

    python -m benchmarks.examples v_genes --seeds 0 1 2

Every run is a real `molfun fit`; a seed draws the rows (or the split) and every random number. Prints a Markdown table.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.fits import fit as run_fit

STRATEGIES = ("head_only", "lora", "partial", "full")
CONTROL = "head_only, random weights"


def fit(home: Path, example: str, strategy: str, seed: int, weights: str) -> tuple[dict[str, dict[str, float]], float]:
    """Run `molfun fit` and return ({who: test metrics}, seconds)."""
    settings = {"data.split.seed": seed, "training.seed": seed, "model.weights": weights}
    began = time.monotonic()
    folder = run_fit(home, example, strategy, settings)
    seconds = time.monotonic() - began
    board = json.loads((folder / "scoreboard.json").read_text(encoding="utf-8"))
    return {"run": board["test"]["metrics"], "primary": board["primary"], **board["baselines"]}, seconds


def is_number(value: float | None) -> bool:
    """Tell whether a metric is defined; Spearman of a constant prediction is not."""
    return value is not None and math.isfinite(value)


def row(name: str, values: list[float], seconds: list[float]) -> str:
    """Return one line of the table: every seed, mean and standard deviation, seconds of a run."""
    spread = statistics.stdev(values) if len(values) > 1 else 0.0
    each = " / ".join(f"{value:.3f}" for value in values)
    took = f"{statistics.mean(seconds):.0f} s" if seconds else ""
    return f"| {name} | {each} | {statistics.mean(values):.3f} ± {spread:.3f} | {took} |"


def main() -> None:
    """Run everything and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("example", nargs="?", default="v_genes")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--strategies", nargs="+", default=list(STRATEGIES))
    parser.add_argument("--no-control", action="store_true", help="leave out the random-weights control")
    options = parser.parse_args()
    jobs = [(name, name, "pretrained") for name in options.strategies]
    jobs += [] if options.no_control else [(CONTROL, "head_only", "random")]
    simple: dict[str, list[float]] = {}
    lines = []
    with tempfile.TemporaryDirectory() as folder:
        for label, strategy, weights in jobs:
            results = [fit(Path(folder), options.example, strategy, seed, weights) for seed in options.seeds]
            metric = results[0][0].pop("primary")
            values = [scores["run"][metric] for scores, _ in results]
            lines.append(row(label, values, [seconds for _, seconds in results]))
            print(lines[-1], file=sys.stderr, flush=True)
            simple = {
                name: [scores[name][metric] for scores, _ in results if is_number(scores[name].get(metric))]
                for name in results[0][0]
                if name not in ("run", "primary")
            }
    print(f"| {options.example} | test {metric}, seeds {options.seeds} | mean ± sd | time of a run |")
    print("|---|---|---|---|")
    print("\n".join([*lines, *(row(name, values, []) for name, values in simple.items() if values)]))


if __name__ == "__main__":
    main()
