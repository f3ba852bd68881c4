"""What it costs to divide a table by sequence identity and to report leaks, beside MMseqs2 where it is installed.

    python -m benchmarks.identity [--rows 1000 10000] [--length 150]

Sequences are random families whose members differ in up to half of their residues, with insertions and deletions.
"Aligned" is the share of all pairs that had to be aligned. MMseqs2 clusters the same sequences (easy-cluster, coverage
0.8 of the shorter one); "left" is how many of 200 pairs of its clusters share more than the limit all the same.
"""

from __future__ import annotations

import argparse
import random
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np

from molfun.data import identity

RESIDUES = "ACDEFGHIKLMNPQRSTVWY"
FAMILY_ROWS = 10
NUM_PAIRS = 200


def make_families(num_rows: int, length: int) -> list[str]:
    """Return random families of sequences, about ten rows each."""
    dice = random.Random(0)
    founders = ["".join(dice.choices(RESIDUES, k=length)) for _ in range(max(1, num_rows // FAMILY_ROWS))]
    return [_evolve(dice.choice(founders), dice.randrange(length // 2), dice) for _ in range(num_rows)]


def _evolve(sequence: str, steps: int, dice: random.Random) -> str:
    letters = list(sequence)
    for _ in range(steps):
        place, act = dice.randrange(len(letters)), dice.random()
        if act < 0.8:
            letters[place] = dice.choice(RESIDUES)
        elif act < 0.9:
            letters.insert(place, dice.choice(RESIDUES))
        else:
            del letters[place]
    return "".join(letters)


class Counted:
    """Counts alignments."""

    def __init__(self) -> None:
        self.calls = 0
        self._count = identity.count_identical

    def __call__(self, first: str, second: str) -> int:
        self.calls += 1
        return self._count(first, second)


def cluster_with_mmseqs(sequences: list[str], limit: float) -> tuple[float, np.ndarray]:
    """Return seconds and the cluster of each row."""
    with tempfile.TemporaryDirectory() as place:
        fasta = Path(place) / "all.fasta"
        fasta.write_text("".join(f">{i}\n{sequence}\n" for i, sequence in enumerate(sequences)))
        begin = time.perf_counter()
        subprocess.run(
            ["mmseqs", "easy-cluster", fasta, f"{place}/out", f"{place}/tmp", "--min-seq-id", str(limit), "-c", "0.8",
             "--cov-mode", "5", "-v", "0"], check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        seconds = time.perf_counter() - begin
        groups = np.zeros(len(sequences), dtype=np.int64)
        for line in Path(f"{place}/out_cluster.tsv").read_text().splitlines():
            representative, member = line.split("\t")
            groups[int(member)] = int(representative)
        return seconds, groups


def pairs_left(sequences: list[str], groups: np.ndarray, limit: float) -> int:
    """Return how many of some rows share more than the limit with a row of another cluster."""
    dice = np.random.default_rng(0)
    asked = dice.choice(len(sequences), min(NUM_PAIRS, len(sequences)), replace=False)
    left = 0
    for row in asked:
        others = np.flatnonzero(groups != groups[row])
        found = identity.find_nearest([sequences], np.array([row]), others, floor=limit)
        left += int(found.place[0] >= 0)
    return left


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000, 10_000])
    parser.add_argument("--length", type=int, default=150)
    options = parser.parse_args()
    print("| rows | limit | families, s | aligned | groups | leak report, s | MMseqs2, s | groups | left of 200 |")
    print("|---|---|---|---|---|---|---|---|---|")
    for num_rows in options.rows:
        sequences = make_families(num_rows, options.length)
        for limit in (0.3, 0.5, 0.8):
            if limit < 0.4 and num_rows > 3_000:
                continue  # nearly all pairs are aligned: a quarter of an hour
            counted = Counted()
            identity.count_identical = counted  # type: ignore[assignment]
            begin = time.perf_counter()
            groups = identity.find_clusters([sequences], limit)
            seconds, calls = time.perf_counter() - begin, counted.calls
            begin = time.perf_counter()
            rows = np.arange(num_rows)
            identity.find_nearest([sequences], rows[: num_rows // 5], rows[num_rows // 5 :])
            report = time.perf_counter() - begin
            identity.count_identical = counted._count
            theirs = "| | |"
            if shutil.which("mmseqs"):
                took, found = cluster_with_mmseqs(sequences, limit)
                theirs = f"{took:.1f} | {len(set(found.tolist())):,} | {pairs_left(sequences, found, limit)}"
            share = calls / (num_rows * (num_rows - 1) / 2)
            print(f"| {num_rows:,} | {limit:.0%} | {seconds:.1f} | {share:.2%} | {groups.max() + 1:,} | {report:.1f} "
                  f"| {theirs} |", flush=True)  # fmt: skip


if __name__ == "__main__":
    started = time.perf_counter()
    main()
    print(f"\n{time.perf_counter() - started:.0f} s in all")
