"""Intervals of the folds of a cross-validation together, learned from what each fold got wrong on rows it did not see.

CV+ of Barber, Candès, Ramdas and Tibshirani 2021, Ann. Stat. 49:486; for classes Romano, Sesia and Candès 2020, NeurIPS
33:3581. What is proven is 1 - 2 x (1 - coverage); what is found is near the coverage, because folds are much alike.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from molfun.data.settings import Task
from molfun.evaluation.conformal import check_coverage, error_sizes

MAX_SCORES = 5_000  # of all folds together; more are thinned evenly
NEAR_CELLS = 1 << 22


@dataclass(frozen=True)
class FoldCalibration:
    """What was learned from the rows that each member of an ensemble did not train on.

    Attributes:
        coverage: Wanted share of new rows whose true value is inside.
        sizes: How far off each member was on these rows, rising, float64 [rows], an array a member.
    """

    coverage: float
    sizes: tuple[np.ndarray, ...]

    @property
    def num_rows(self) -> int:
        """Rows of all members together."""
        return sum(map(len, self.sizes))


def calibrate_folds(tables: Sequence[pd.DataFrame], task: Task, coverage: float) -> FoldCalibration:
    """Learn how wide intervals of all folds together have to be.

    Args:
        tables: Of each member the predictions of its test rows: `target`, `prediction`; for classes `p_<class>`.
            Together they have every row equally often.
        task: "regression" or "classification".
        coverage: Wanted share of true values inside, between 0 and 1.

    Raises:
        DataError: As `calibrate`.
    """
    sizes = [np.sort(error_sizes(table, task)) for table in tables]
    check_coverage(task, coverage, sum(map(len, sizes)), "out-of-fold")
    step = -(-sum(map(len, sizes)) // MAX_SCORES)
    return FoldCalibration(coverage, tuple(own[step // 2 :: step] for own in sizes))


def interval_ends(values: np.ndarray, learned: FoldCalibration) -> tuple[np.ndarray, np.ndarray]:
    """Return the lower and upper ends of the intervals of rows, float64 [rows] each.

    Args:
        values: What each member predicts, float64 [members, rows]; NaN where a row has no prediction.
        learned: Of the same members.
    """
    member = np.repeat(np.arange(len(learned.sizes)), [len(own) for own in learned.sizes])
    off, num = np.concatenate(learned.sizes), learned.num_rows
    upper = math.ceil((num + 1) * learned.coverage) - 1
    lower = num - 1 - upper
    ends: list[np.ndarray] = []
    size = max(1, NEAR_CELLS // num)
    for first in range(0, values.shape[1], size):
        own = values[member, first : first + size]
        low, high = own - off[:, None], own + off[:, None]
        ends.append(np.stack([np.partition(low, lower, axis=0)[lower], np.partition(high, upper, axis=0)[upper]]))
    low, high = np.concatenate(ends, axis=1) if ends else np.empty((2, 0))
    return low, high


def class_sets(shares: np.ndarray, learned: FoldCalibration) -> np.ndarray:
    """Return which classes each row may be, bool [rows, classes].

    Args:
        shares: Probabilities that each member gives, float64 [members, rows, classes].
        learned: Of the same members.
    """
    pairs = zip(learned.sizes, shares, strict=True)
    below = sum(np.searchsorted(own, 1.0 - share, side="left") for own, share in pairs)
    return np.asarray(below < learned.coverage * (learned.num_rows + 1))
