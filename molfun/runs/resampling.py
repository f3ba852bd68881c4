"""Scores of runs on their test rows, how uncertain these are, and how sure it is that one run is ahead of others.

All runs are scored on the same resampled rows (a paired bootstrap), so that what is hard for all of them cancels out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from molfun.data.settings import PRIMARY_METRIC

Values = NDArray[Any]
Score = Callable[[Values], Values]
NUM_RESAMPLES = 2000
CONFIDENCE = 0.95
MAX_CELLS = 20_000_000  # of resamples that are kept, 40 MB
NEAR_CELLS = 1 << 15  # of those that are scored at once: they stay in the processor's cache


@dataclass(frozen=True)
class Interval:
    """A number with its uncertainty.

    Attributes:
        value: On the rows as they are.
        low: Lower end of the 95 % interval.
        high: Upper end.
        num_rows: Test rows that it was computed on.
    """

    value: float
    low: float
    high: float
    num_rows: int

    @property
    def is_clear(self) -> bool:
        """Whether the interval leaves 0 out."""
        return self.low > 0 or self.high < 0


@dataclass(frozen=True, eq=False)
class Resampled:
    """The score of one run, on its test rows and on resamples of them.

    Attributes:
        value: On the rows as they are.
        samples: On each resample, float64 [2000]; runs of the same rows have the same resamples.
        rows: Numbers of the test rows, int64 [n], rising.
        targets: Of these rows.
    """

    value: float
    samples: Values
    rows: Values
    targets: list[Any]

    def is_paired(self, other: Resampled) -> bool:
        """Tell whether another run was tested on the same rows with the same targets."""
        return np.array_equal(self.rows, other.rows) and self.targets == other.targets

    def interval(self) -> Interval | None:
        """Return the score with its 95 % percentile interval (Efron and Tibshirani 1993); None where it has none."""
        return _interval(self.value, self.samples, len(self.rows))

    def minus(self, other: Resampled) -> Interval | None:
        """Return how much higher this run scores than one that it is paired with, in the same way."""
        return _interval(self.value - other.value, self.samples - other.samples, len(self.rows))

    def share_ahead(self, others: Sequence[Resampled]) -> float:
        """Return in what share of the resamples this run scores higher than all of some that it is paired with."""
        best = np.max([other.samples for other in others], axis=0)
        known = np.isfinite(best) & np.isfinite(self.samples)
        return float((self.samples[known] > best[known]).mean()) if known.any() else float("nan")


def resample(predictions: pd.DataFrame, metric: str) -> Resampled | None:
    """Return the score of a run on its test rows and on 2,000 resamples of them.

    Args:
        predictions: `row`, `target`, `prediction`: numbers, class names, or lists of class names.
        metric: "spearman", "balanced_accuracy" or "lddt", of which `prediction` is the value of each row.

    Returns:
        None where the metric is another one, or cannot be computed on these rows.
    """
    table = predictions.drop_duplicates("row").sort_values("row").reset_index(drop=True)
    score = _scored(table, metric) if len(table) else None
    if score is None:
        return None
    num_rows = len(table)
    (value,) = score(np.ones((1, num_rows)))
    if not np.isfinite(value):
        return None
    samples = np.concatenate([score(counts) for counts in _resamples(num_rows)])
    return Resampled(float(value), samples, table["row"].to_numpy(), [_plain(cell) for cell in table["target"]])


def score_interval(predictions: pd.DataFrame, metric: str) -> Interval | None:
    """Return a test score with its 95 % interval over rows; arguments and None as in `resample`."""
    found = resample(predictions, metric)
    return None if found is None else found.interval()


def difference_interval(first: pd.DataFrame, second: pd.DataFrame, metric: str) -> Interval | None:
    """Return how much higher the first run scores than the second, on the test rows that both have.

    Args:
        first: As in `resample`.
        second: Of the other run.
        metric: As there.

    Returns:
        None where there is nothing to compare: another metric, no common rows, or other targets in them.
    """
    common = set(first["row"]) & set(second["row"])
    pair = [resample(one[one["row"].isin(common)], metric) for one in (first, second)]
    if len(common) < 2 or pair[0] is None or pair[1] is None or not pair[0].is_paired(pair[1]):
        return None
    return pair[0].minus(pair[1])


def _plain(cell: Any) -> Any:
    return list(cell) if isinstance(cell, list | tuple | np.ndarray) else cell


def _interval(value: float, samples: Values, num_rows: int) -> Interval | None:
    known = samples[np.isfinite(samples)]
    if len(known) < NUM_RESAMPLES / 2:
        return None
    low, high = np.quantile(known, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Interval(float(value), float(low), float(high), num_rows)


def _resamples(num_rows: int) -> Iterator[Values]:
    """Yield how often each row is drawn, float64 [some, num_rows]; the same whenever it is asked for."""
    if num_rows * NUM_RESAMPLES > MAX_CELLS:
        yield from _drawn(num_rows)
        return
    counts, size = _few_resamples(num_rows), max(1, NEAR_CELLS // num_rows)
    for first in range(0, NUM_RESAMPLES, size):
        yield counts[first : first + size].astype(np.float64)


@lru_cache(maxsize=2)
def _few_resamples(num_rows: int) -> Values:
    return np.concatenate([counts.astype(np.uint16) for counts in _drawn(num_rows)])


def _drawn(num_rows: int) -> Iterator[Values]:
    generator = np.random.default_rng(0)
    size = max(1, NEAR_CELLS // num_rows)
    for first in range(0, NUM_RESAMPLES, size):
        rows = generator.integers(0, num_rows, (min(size, NUM_RESAMPLES - first), num_rows))
        at = rows + num_rows * np.arange(len(rows))[:, None]
        yield np.bincount(at.ravel(), minlength=rows.size).reshape(rows.shape).astype(np.float64)


def _scored(table: pd.DataFrame, metric: str) -> Score | None:
    """Return a function of how often each row counts, float64 [k, n], that gives k scores; None without such."""
    if metric == "spearman":
        target, prediction = (pd.to_numeric(table[name], errors="coerce") for name in ("target", "prediction"))
        if target.isna().any() or prediction.isna().any():
            return None
        numbers = target.to_numpy(dtype=float), prediction.to_numpy(dtype=float)
        return lambda counts: spearman(*numbers, counts)
    if metric == PRIMARY_METRIC["structure"]:
        return _mean_score(pd.to_numeric(table["prediction"], errors="coerce").to_numpy(dtype=float))
    if metric != "balanced_accuracy":
        return None
    right, total = _recall_counts(table)
    return lambda counts: _balanced(counts @ right, counts @ total)


def _mean_score(values: Values) -> Score:
    """Return what gives the mean of the known scores of rows, each of which is scored by itself."""
    is_known = np.isfinite(values)
    return lambda counts: _share(counts @ np.where(is_known, values, 0.0), counts @ is_known.astype(float))


def _share(sums: Values, sizes: Values) -> Values:
    return np.asarray(np.divide(sums, sizes, out=np.full(len(sums), np.nan), where=sizes > 0))


def spearman(first: Values, second: Values, counts: Values) -> Values:
    """Return Spearman's rank correlation of rows that count several times or not at all.

    Args:
        first: float64 [n].
        second: float64 [n].
        counts: How often each row counts, float64 [k, n], whole numbers with the same sum in each of the k.

    Returns:
        float64 [k]; NaN where one of the two is constant. Equal values share the mean of their ranks.
    """
    ranks = [_centred_ranks(one, counts) for one in (first, second)]
    weighted = counts * ranks[0]
    product = np.einsum("kn,kn->k", weighted, ranks[1])
    squares = np.einsum("kn,kn->k", weighted, ranks[0]), np.einsum("kn,kn->k", counts * ranks[1], ranks[1])
    size = np.sqrt(squares[0] * squares[1])
    return np.asarray(np.divide(product, size, out=np.full_like(size, np.nan), where=size > 0))


def _centred_ranks(values: Values, counts: Values) -> Values:
    """Return the rank of each value minus the mean rank, float64 [k, n], where each counts so often."""
    _, group = np.unique(values, return_inverse=True)
    order = np.argsort(group, kind="stable")
    starts = np.flatnonzero(np.diff(group[order], prepend=-1))
    size = counts[:, order]
    if len(starts) < len(values):
        size = np.add.reduceat(size, starts, axis=1)
    middle = np.cumsum(size, axis=1) - size / 2 - size.sum(axis=1, keepdims=True) / 2
    return np.asarray(middle[:, group])


def _recall_counts(table: pd.DataFrame) -> tuple[Values, Values]:
    """Return (right, all) items of each class in each row, float [rows, classes]: sums of rows give recalls."""
    targets = [_items(cell) for cell in table["target"]]
    predictions = [_items(cell) for cell in table["prediction"]]
    names = {name: i for i, name in enumerate(sorted({name for cell in targets for name in cell}))}
    right, total = (np.zeros((len(table), len(names))) for _ in range(2))
    for row, (target, prediction) in enumerate(zip(targets, predictions, strict=True)):
        for true, predicted in zip(target, prediction, strict=False):
            total[row, names[true]] += 1
            right[row, names[true]] += true == predicted
    return right, total


def _items(cell: Any) -> list[str]:
    found = _plain(cell)
    return [str(item) for item in found] if isinstance(found, list) else [] if found is None else [str(found)]


def _balanced(right: Values, total: Values) -> Values:
    """Return the mean recall over the classes that were drawn, float64 [k], of counts [k, classes]."""
    there = total > 0
    recalls = np.divide(right, total, out=np.zeros_like(right), where=there)
    num_classes = there.sum(axis=-1)
    return _share(recalls.sum(axis=-1), num_classes)
