"""How alike test rows are to training rows: what a test score can say, for any split, also one's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from molfun.data.identity import find_nearest
from molfun.data.split_rows import PARTS
from molfun.errors import DataError

FLOOR = 0.4  # random proteins share up to so much of their residues with the best of many
# Lower ends of the bands, and their names.
BANDS = (
    (1.0, "100 %"), (0.95, "95 to 100 %"), (0.8, "80 to 95 %"), (0.5, "50 to 80 %"), (FLOOR, "40 to 50 %"),
    (0.0, "up to 40 %"),
)  # fmt: skip
MAX_PAIRS = 20_000_000  # some seconds; beyond them test rows are drawn
LONG_NAMES = {"train": "training", "val": "validation", "test": "test"}


@dataclass(frozen=True)
class LeakReport:
    """What is known of a split's honesty.

    Attributes:
        nearest: One row a test row that was compared: `row` (its place in the table), `identity` (to the nearest
            training row, 0 where none shares more than 40 %), `nearest` (place of that row, -1 where there is none).
        num_test: Test rows in all.
        copies: How many rows of one part have the very sequence of a row of another, e.g. {"test and training": 3}.
    """

    nearest: pd.DataFrame
    num_test: int
    copies: dict[str, int]

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

    def sentence(self) -> str:
        """Say what a score on this test part means."""
        if not len(self.nearest):
            return "There are no test rows, so there will be no test score."
        copied, highest = self.copies.get("test and training", 0), float(self.nearest["identity"].max())
        if copied:
            return (
                f"{copied:,} of {self.num_test:,} test rows have the very sequence of a training row: the score will "
                "flatter. Remove copies, or split by sequence identity or by group."
            )
        if self.share_from(0.95) >= 0.1:
            return (
                f"{self.share_from(0.95):.0%} of the test rows share at least 95 % of their residues with a training "
                "row: the score will say how well variants of known proteins are predicted, not new proteins."
            )
        if highest >= 0.5:
            return (
                f"{self.share_from(0.5):.0%} of the test rows share at least half of their residues with a training "
                "row: relatives are in both parts."
            )
        most = f"{highest:.0%}" if highest else f"{FLOOR:.0%}"
        return f"No test row shares more than {most} of its residues with a training row."

    def as_dict(self) -> dict[str, Any]:
        """Return everything but the single rows, as plain values."""
        return {
            "sentence": self.sentence(), "test_rows": self.num_test, "compared_rows": len(self.nearest),
            "bands": self.bands(), "copies": self.copies,
        }  # fmt: skip


def find_leaks(chains: Sequence[Sequence[str]], parts: Sequence[str], *, seed: int = 0) -> LeakReport:
    """Compare the test rows of a split with its training rows.

    Args:
        chains: For every chain the sequences of all rows, upper case.
        parts: Part of every row.
        seed: Chooses which test rows are compared where there are too many.

    Raises:
        DataError: A sequence is too long to be compared.
    """
    of_part = {part: np.flatnonzero(np.asarray(parts, dtype=object) == part) for part in PARTS}
    test, train = of_part["test"], of_part["train"]
    asked = test
    if len(test) * len(train) > MAX_PAIRS:
        asked = np.sort(np.random.default_rng(seed).choice(test, max(1, MAX_PAIRS // len(train)), replace=False))
    if len(asked) and len(train):
        found = find_nearest(chains, asked, train, floor=FLOOR)
        nearest = pd.DataFrame({"row": asked, "identity": found.identity, "nearest": found.place})
    else:
        nearest = pd.DataFrame({"row": asked, "identity": 0.0, "nearest": -1})
    return LeakReport(nearest, len(test), _copies(chains, of_part))


def _copies(chains: Sequence[Sequence[str]], of_part: dict[str, np.ndarray]) -> dict[str, int]:
    rows = list(zip(*chains, strict=True))
    if not rows:
        raise DataError("There is no sequence to compare; choose the sequence columns first.")
    seen = {part: {rows[i] for i in places} for part, places in of_part.items()}
    pairs = (("test", "train"), ("val", "train"), ("test", "val"))
    return {
        f"{LONG_NAMES[one]} and {LONG_NAMES[other]}": sum(rows[i] in seen[other] for i in of_part[one])
        for one, other in pairs
    }
