"""How long it takes to count what trains in the largest model under each strategy, without its weights.

    python -m benchmarks.breakdown [--model esm2_15b]

Beside it: how long the same architecture takes to be built with random weights, where that fits into memory.
"""

from __future__ import annotations

import argparse
import time

import torch

from molfun.models.build import build_model
from molfun.models.settings import ModelSettings
from molfun.runs.breakdown import ask_of_model
from molfun.training.catalog import STRATEGIES
from molfun.training.preview import preview_parameters

REPEATS = 3
MAX_BUILT = 1_000_000_000


def seconds_of(name: str, kind: str) -> tuple[float, int, int]:
    """Return the least of some timings of one count, and what it found: trained and all parameters."""
    question = ask_of_model(name, strategy=kind)
    request = {"spec": question.spec.model_dump(mode="json"), **question.about}
    seconds = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        found = preview_parameters(request)
        seconds.append(time.perf_counter() - started)
    return min(seconds), found["trainable"], found["total"]


def seconds_to_build(name: str) -> float:
    """Return how long the real architecture takes, in memory."""
    started = time.perf_counter()
    build_model(ModelSettings(name=name, weights="random"), task="regression")
    return time.perf_counter() - started


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="esm2_15b")
    name = parser.parse_args().model
    print(f"{name}, torch {torch.__version__}, best of {REPEATS}\n")
    print("| strategy | seconds | trains | of |\n|---|---|---|---|")
    for kind in STRATEGIES:
        seconds, trains, total = seconds_of(name, kind)
        print(f"| {kind} | {seconds:.2f} | {trains:,} | {total:,} |")
    if total <= MAX_BUILT:
        built = seconds_to_build(name)
        print(f"\nBuilt in memory: {built:.2f} s, {built / seconds:.0f} times as long as counting.")


if __name__ == "__main__":
    main()
