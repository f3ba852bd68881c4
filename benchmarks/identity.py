"""What it costs to divide a table by sequence identity: all pairs, with MMseqs2's search, and MMseqs2's own clusters.

    python -m benchmarks.identity [--rows 1000 10000] [--limits 0.3 0.5 0.8] [--length 150]

Sequences are random families whose members differ in up to half of their residues, with insertions and deletions.
"Aligned" is the share of all pairs that had to be aligned. The second way is what `molfun.data.families` does with
tables too large for all pairs. The third is MMseqs2 by itself (easy-cluster, coverage 0.8 of the shorter one), which
compares with representatives only. "Left" is how many of 200 sequences share more than the limit with one of another
group all the same. Seconds are of CPU, of all cores together, so that a busy machine gives the same.
"""

from __future__ import annotations

import argparse
import random
import resource
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np

from molfun.data import identity
from molfun.data.families import find_families

RESIDUES = "ACDEFGHIKLMNPQRSTVWY"
FAMILY_ROWS = 10
NUM_ROWS = 200
MOST_ALIGNED = 3_000  # rows; at a low limit nearly all pairs are aligned, a quarter of an hour for 10,000


def cpu_seconds() -> float:
    """Return the seconds that all cores have worked for this process, and for programs that it saw ending."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


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
        begin = cpu_seconds()
        subprocess.run(
            ["mmseqs", "easy-cluster", fasta, f"{place}/out", f"{place}/tmp", "--min-seq-id", str(limit), "-c", "0.8",
             "--cov-mode", "5", "-v", "0"], check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        seconds = cpu_seconds() - begin
        groups = np.zeros(len(sequences), dtype=np.int64)
        for line in Path(f"{place}/out_cluster.tsv").read_text().splitlines():
            representative, member = line.split("\t")
            groups[int(member)] = int(representative)
        return seconds, groups


def pairs_left(sequences: list[str], groups: np.ndarray, limit: float) -> int:
    """Return how many of some rows share more than the limit with a row of another group."""
    dice = np.random.default_rng(0)
    asked = dice.choice(len(sequences), min(NUM_ROWS, len(sequences)), replace=False)
    left = 0
    for row in asked:
        others = np.flatnonzero(groups != groups[row])
        found = identity.find_nearest([sequences], np.array([row]), others, floor=limit)
        left += int(found.place[0] >= 0)
    return left


def compare_all(sequences: list[str], limit: float) -> str:
    """Return seconds, share of pairs that were aligned, and families where all pairs are compared."""
    num_pairs = len(sequences) * (len(sequences) - 1) // 2
    if num_pairs > identity.MAX_PAIRS or (limit < 0.4 and len(sequences) > MOST_ALIGNED):
        return "- | - | -"
    counted = Counted()
    identity.count_identical = counted  # type: ignore[assignment]
    begin = cpu_seconds()
    groups = identity.find_clusters([sequences], limit)
    seconds = cpu_seconds() - begin
    identity.count_identical = counted._count
    return f"{seconds:.1f} | {counted.calls / num_pairs:.2%} | {groups.max() + 1:,}"


def search(sequences: list[str], limit: float) -> str:
    """Return seconds, families and rows left where MMseqs2 finds the candidates."""
    begin = cpu_seconds()
    groups, _ = find_families([sequences], limit, max_pairs=0)
    seconds = cpu_seconds() - begin
    return f"{seconds:.1f} | {groups.max() + 1:,} | {pairs_left(sequences, groups, limit)}"


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000, 10_000])
    parser.add_argument("--limits", type=float, nargs="+", default=[0.3, 0.5, 0.8])
    parser.add_argument("--length", type=int, default=150)
    options = parser.parse_args()
    print("| rows | limit | all pairs, s | aligned | families | with MMseqs2, s | families | left of 200 "
          "| easy-cluster, s | groups | left of 200 |")  # fmt: skip
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    for num_rows in options.rows:
        sequences = make_families(num_rows, options.length)
        for limit in options.limits:
            cells = [f"{num_rows:,}", f"{limit:.0%}", compare_all(sequences, limit)]
            if shutil.which("mmseqs"):
                took, found = cluster_with_mmseqs(sequences, limit)
                left = pairs_left(sequences, found, limit)
                cells += [search(sequences, limit), f"{took:.1f} | {len(set(found.tolist())):,} | {left}"]
            print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    started = time.perf_counter()
    main()
    print(f"\n{time.perf_counter() - started:.0f} s in all")
