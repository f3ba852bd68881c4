"""What a table of a million rows costs before a run: reading, checks, remedies, a random split, the leak report.

    python -m benchmarks.large_table [--rows 1000000] [--length 56] [--repeats 3]

"Variants" are one protein with one to four mutations, "mixed" are families of ten whose members differ in up to half of
their residues. Times are medians.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from molfun.data.checks import check_table
from molfun.data.leaks import LeakReport, find_leaks
from molfun.data.remedies import candidates
from molfun.data.settings import SplitSettings
from molfun.data.split_groups import sequences_of
from molfun.data.splits import assign_splits
from molfun.data.tables import guess_columns, read_table

RESIDUES = np.frombuffer(b"ACDEFGHIKLMNPQRSTVWY", dtype=np.uint8)
FAMILY_ROWS = 10
LIMITS = {"letters": "ACDEFGHIKLMNPQRSTVWYX", "max_residues": 1_022}


def make_variants(num_rows: int, length: int) -> np.ndarray:
    """Return one protein with one to four mutations a row, uint8 [rows, length]."""
    dice = np.random.default_rng(0)
    letters = np.tile(RESIDUES[dice.integers(0, 20, length)], (num_rows, 1))
    num_mutations = dice.integers(1, 5, num_rows)
    for mutation in range(4):
        rows = np.flatnonzero(num_mutations > mutation)
        letters[rows, dice.integers(0, length, len(rows))] = RESIDUES[dice.integers(0, 20, len(rows))]
    return letters


def make_mixed(num_rows: int, length: int) -> np.ndarray:
    """Return families whose members differ in up to half of their residues, uint8 [rows, length]."""
    dice = np.random.default_rng(0)
    founders = RESIDUES[dice.integers(0, 20, (max(1, num_rows // FAMILY_ROWS), length))]
    letters = founders[dice.integers(0, len(founders), num_rows)]
    is_changed = dice.random((num_rows, length)) < 0.5 * dice.random((num_rows, 1))
    return np.where(is_changed, RESIDUES[dice.integers(0, 20, letters.shape)], letters)


def write_table(path: Path, letters: np.ndarray) -> None:
    """Write sequences with a random number each as CSV."""
    values = np.random.default_rng(1).normal(size=len(letters))
    with path.open("w", encoding="ascii") as file:
        file.write("sequence,fitness\n")
        file.writelines(f"{row.tobytes().decode()},{value:.4f}\n" for row, value in zip(letters, values, strict=True))


def timed(spent: dict[str, float], name: str, action: Callable[[], Any]) -> Any:
    """Do something and note how many seconds it took."""
    begin = time.perf_counter()
    result = action()
    spent[name] = time.perf_counter() - begin
    return result


def examine(path: Path) -> tuple[dict[str, float], LeakReport]:
    """Return the seconds of each step and the leak report."""
    spent: dict[str, float] = {}
    frame = timed(spent, "read", lambda: read_table(path))
    columns = timed(spent, "guess columns", lambda: guess_columns(frame))
    timed(spent, "check", lambda: check_table(frame, columns, **LIMITS))
    timed(spent, "remedies", lambda: candidates(frame, columns, **LIMITS))
    parts = timed(spent, "split", lambda: assign_splits(frame, columns, SplitSettings()).tolist())
    report = timed(spent, "leak report", lambda: find_leaks(sequences_of(frame, columns), parts))
    return spent | {"all": sum(spent.values())}, report


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--length", type=int, default=56)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for name, make in (("variants", make_variants), ("mixed", make_mixed)):
            path = Path(folder) / f"{name}.csv"
            write_table(path, make(options.rows, options.length))
            runs = [examine(path) for _ in range(options.repeats)]
            medians = {step: statistics.median(spent[step] for spent, _ in runs) for step in runs[0][0]}
            if name == "variants":
                print("| table | " + " | ".join(f"{step}, s" for step in medians) + " | test rows compared |")
                print("|---" * (len(medians) + 2) + "|")
            cells = [name, *(f"{seconds:.1f}" for seconds in medians.values()), f"{len(runs[0][1].nearest):,}"]
            print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
