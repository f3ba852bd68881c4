"""How alike test rows are to training rows: what a test score can say, for any split, also one's own.

Copies are counted over all rows. The nearest training row is sought for all test rows, or for as many drawn ones as
some seconds allow; then every share has its 95 % interval.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from molfun.data.changes import same_rows
from molfun.data.identity import Sequences, nearest_among
from molfun.data.split_rows import LONG_NAMES, PARTS
from molfun.errors import DataError

FLOOR = 0.4  # random proteins share up to so much of their residues with the best of many
# Lower ends of the bands, and their names.
BANDS = (
    (1.0, "100 %"), (0.95, "95 to 100 %"), (0.8, "80 to 95 %"), (0.5, "50 to 80 %"), (FLOOR, "40 to 50 %"),
    (0.0, "up to 40 %"),
)  # fmt: skip
# Steps of comparing two sequences: each residue of the one with every 64 of the other; two cores do 3e9 a second.
# Beyond the first number test rows are drawn, a few at a time, until they have cost the second.
MAX_STEPS, MAX_DRAWN_STEPS, STEPS_OF_ALIGNMENT = 9e9, 4e9, 9e4
FEWEST, MOST, AT_A_TIME = 60, 2_000, 20
MORE_THAN_HALF = float(np.nextafter(0.5, 1.0))  # a split by identity at 50 % keeps rows that share just that


@dataclass(frozen=True)
class LeakReport:
    """What is known of a split's honesty.

    Attributes:
        nearest: One row a test row that was compared: `row` (its place in the table), `identity` (to the nearest
            training row, 0 where none shares more than 40 %), `nearest` (place of that row, -1 where there is none).
        num_test: Test rows in all.
        copies: How many rows of one part have the very sequence of a row of another, e.g. {"test and training": 3}.
        promise: What the split itself keeps, a sentence; "" where it keeps nothing.
    """

    nearest: pd.DataFrame
    num_test: int
    copies: dict[str, int]
    promise: str = ""

    @property
    def is_sample(self) -> bool:
        """Whether only some of the test rows were compared."""
        return len(self.nearest) < self.num_test

    def bands(self) -> dict[str, int]:
        """Return how many of the test rows lie in each band of identity, the most alike first."""
        return {name: int((self.band_of() == i).sum()) for i, (_, name) in enumerate(BANDS)}

    def band_of(self) -> np.ndarray:
        """Return the band of each test row that was compared, int64 [n], as an index into BANDS."""
        edges = np.array([lower for lower, _ in BANDS])
        identity = self.nearest["identity"].to_numpy()
        return np.asarray((identity[:, None] < edges[None, :-1]).sum(axis=1), dtype=np.int64)

    def share_from(self, identity: float) -> float:
        """Return the share of test rows that are at least so alike to a training row; NaN without test rows."""
        values = self.nearest["identity"].to_numpy()
        return float((values >= identity).mean()) if len(values) else float("nan")

    def interval_from(self, identity: float) -> tuple[float, float]:
        """Return the 95 % interval (Wilson 1927, J. Am. Stat. Assoc. 22:209) of that share among all test rows."""
        share, num, z = self.share_from(identity), max(1, len(self.nearest)), 1.96
        if not self.is_sample:
            return share, share
        middle, width = share + z**2 / (2 * num), z * (share * (1 - share) / num + z**2 / (4 * num**2)) ** 0.5
        whole = 1 + z**2 / num
        return max(0.0, (middle - width) / whole), min(1.0, (middle + width) / whole)

    def _rows_from(self, identity: float) -> str:
        """Say which share of the rows is so alike, and how sure that is."""
        share = self.share_from(identity)
        if not self.is_sample:
            return f"{share:.0%} of the test rows"
        low, high = self.interval_from(identity)
        return f"{share:.0%} of {len(self.nearest):,} drawn test rows (95 % interval {100 * low:.0f} to {high:.0%})"

    def sentence(self) -> str:
        """Say what a score on this test part means."""
        if not len(self.nearest):
            return "There are no test rows, so there will be no test score."
        copied, highest = self.copies.get("test and training", 0), float(self.nearest["identity"].max())
        if copied:
            return (
                f"{copied:,} of {self.num_test:,} test rows {'has' if copied == 1 else 'have'} the very sequence of a "
                "training row: the score will flatter. Remove copies, or split by sequence identity or by group."
            )
        if self.share_from(0.95) >= 0.1:
            return (
                f"{self._rows_from(0.95)} share at least 95 % of their residues with a training "
                "row: the score will say how well variants of known proteins are predicted, not new proteins."
            )
        if highest > 0.5:
            return (
                f"{self._rows_from(MORE_THAN_HALF)} share more than half of their residues with a training "
                "row: relatives are in both parts."
            )
        # Rounded up: "no more than 45 %" must hold where it is 45.4 %.
        most = f"{math.ceil(round(100 * (highest or FLOOR), 6))}%"
        if not self.is_sample:
            return f"No test row shares more than {most} of its residues with a training row."
        _, high = self.interval_from(MORE_THAN_HALF)
        return (
            f"None of {len(self.nearest):,} drawn test rows shares more than {most} of its residues with a training "
            f"row (95 %: of all test rows at most {high:.1%} do)."
        )

    def as_dict(self) -> dict[str, Any]:
        """Return everything but the single rows, as plain values."""
        return {
            "sentence": self.sentence(), "test_rows": self.num_test, "compared_rows": len(self.nearest),
            "bands": self.bands(), "copies": self.copies, "promise": self.promise,
        }  # fmt: skip


def find_leaks(
    chains: Sequence[Sequence[str]], parts: Sequence[str], *, seed: int = 0, promise: str = ""
) -> LeakReport:
    """Compare the test rows of a split with its training rows.

    Args:
        chains: For every chain the sequences of all rows, upper case.
        parts: Part of every row.
        seed: Chooses which test rows are compared where there are too many.
        promise: What the split itself keeps, to stand in the report.

    Raises:
        DataError: A sequence is too long to be compared.
    """
    if not chains or not len(chains[0]):
        raise DataError("There is no sequence to compare; choose the sequence columns first.")
    named = np.asarray(parts, dtype=object)
    of_part = {part: np.flatnonzero(named == part) for part in PARTS}
    numbers = same_rows(chains)
    drawn = np.random.default_rng(seed).permutation(of_part["test"])
    compared, identity, nearest = _compare(chains, numbers, drawn, of_part["train"])
    found = pd.DataFrame({"row": drawn[:compared], "identity": identity, "nearest": nearest}).sort_values("row")
    return LeakReport(found.reset_index(drop=True), len(drawn), _copies(numbers, of_part), promise)


def _compare(
    chains: Sequence[Sequence[str]], numbers: np.ndarray, test: np.ndarray, train: np.ndarray
) -> tuple[int, np.ndarray, np.ndarray]:
    """Return how many test rows were compared, the first ones, with identity and nearest training row of each."""
    if not len(test) or not len(train):
        return len(test), np.zeros(len(test)), np.full(len(test), -1)
    train = train[np.unique(numbers[train], return_index=True)[1]]
    length = sum(len(chain[row]) for chain in chains for row in train) / len(train)
    steps = len(train) * length * math.ceil(length / 64)
    whole = len(test) * steps <= MAX_STEPS
    test = test if whole else test[:MOST]
    kept = np.concatenate([train, test])
    rows = Sequences([[chain[row] for row in kept] for chain in chains], kept)
    identity, nearest, num = [], [], 0
    while num < len(test) and (
        whole or num < FEWEST or num * steps + rows.num_aligned * STEPS_OF_ALIGNMENT < MAX_DRAWN_STEPS
    ):
        asked = np.arange(num, len(test) if whole else min(num + AT_A_TIME, len(test))) + len(train)
        found = nearest_among(rows, asked, np.arange(len(train)), floor=FLOOR)
        identity.append(found.identity)
        nearest.append(np.append(train, -1)[found.place])
        num += len(asked)
    return num, np.concatenate(identity), np.concatenate(nearest)


def _copies(numbers: np.ndarray, of_part: dict[str, np.ndarray]) -> dict[str, int]:
    pairs = (("test", "train"), ("val", "train"), ("test", "val"))
    return {
        f"{LONG_NAMES[one]} and {LONG_NAMES[other]}": int(np.isin(numbers[of_part[one]], numbers[of_part[other]]).sum())
        for one, other in pairs
    }
