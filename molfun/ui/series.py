"""Curves as numbers: thinned to what a screen can show, and smoothed. Pure numpy and pandas."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

MAX_POINTS = 1000
ASIDE_SAMPLES = 1 << 15

Floats = NDArray[np.float64]
Positions = NDArray[np.int64]


class Thinned:
    """Where a growing series has the lowest and the highest sample of each of at most `max_buckets` equal buckets.

    A sample costs the same whenever it comes: the buckets double their width as the series grows. Peaks survive, and
    what is kept are real samples.

    Args:
        max_buckets: Upper bound of their number.
        width: Samples of a bucket in the beginning.

    Attributes:
        num_samples: Finite samples so far.
    """

    def __init__(self, max_buckets: int = MAX_POINTS // 2, *, width: int = 1) -> None:
        self.max_buckets = max_buckets
        self.num_samples = 0
        self._width = width
        self._low, self._high = np.empty(0), np.empty(0)
        self._low_at, self._high_at = np.empty(0, np.int64), np.empty(0, np.int64)
        self._ends: tuple[int, int] = (0, 0)

    def extend(self, values: Floats, first: int) -> None:
        """Take in more of the series; samples that are not finite are passed over.

        Args:
            values: float64 [n], what comes next.
            first: Position of the first of them.
        """
        is_there = np.isfinite(values)
        there = None if is_there.all() else np.flatnonzero(is_there)
        y = values if there is None else values[there]
        if not len(y):
            return

        def places(index: Positions) -> Positions:
            return first + (index if there is None else there[index])

        begin, end = places(np.array([0, len(y) - 1])).tolist()
        self._ends = (self._ends[0] if self.num_samples else begin, end)
        while -(-(self.num_samples + len(y)) // self._width) > self.max_buckets:
            self._join_pairs()
        missing = min(-self.num_samples % self._width, len(y))
        self.num_samples += len(y)
        if missing:
            self._fill_last(y[:missing], places)
        whole = missing + (len(y) - missing) // self._width * self._width
        self._add(y[missing:whole].reshape(-1, self._width), missing, places)
        self._add(y[whole:].reshape(-1, max(1, len(y) - whole)), whole, places)

    def _fill_last(self, y: Floats, places: Callable[[Positions], Positions]) -> None:
        lowest, highest = y.argmin(), y.argmax()
        if y[lowest] < self._low[-1]:
            self._low[-1], self._low_at[-1] = y[lowest], places(np.array(lowest))
        if y[highest] > self._high[-1]:
            self._high[-1], self._high_at[-1] = y[highest], places(np.array(highest))

    def _add(self, rows: Floats, first: int, places: Callable[[Positions], Positions]) -> None:
        """Add a bucket for every row, float64 [m, k]; the samples of the first row stand at `first` and after it."""
        if not len(rows):
            return
        starts = first + np.arange(len(rows)) * rows.shape[1]
        (lowest, highest), row = _extremes(rows), np.arange(len(rows))
        self._low, self._high = np.append(self._low, rows[row, lowest]), np.append(self._high, rows[row, highest])
        self._low_at = np.append(self._low_at, places(starts + lowest))
        self._high_at = np.append(self._high_at, places(starts + highest))

    def _join_pairs(self) -> None:
        self._width *= 2
        self._low, self._low_at = _least_of_pairs(self._low, self._low_at)
        high, self._high_at = _least_of_pairs(-self._high, self._high_at)
        self._high = -high

    def positions(self, max_points: int = MAX_POINTS) -> Positions:
        """Return where the samples stand that are kept, int64, rising; the first and the last always are.

        Args:
            max_points: Upper bound of their number, beside both ends.
        """
        if not self.num_samples:
            return np.empty(0, np.int64)
        low, low_at, high, high_at = self._low, self._low_at, -self._high, self._high_at
        while len(low) > max(1, max_points // 2):
            (low, low_at), (high, high_at) = _least_of_pairs(low, low_at), _least_of_pairs(high, high_at)
        return np.asarray(np.unique(np.concatenate([low_at, high_at, np.array(self._ends)])), dtype=np.int64)


def _extremes(rows: Floats) -> tuple[Positions, Positions]:
    """Return where the lowest and the highest of each row stand, int64 [m] both."""
    at_once = max(1, ASIDE_SAMPLES // rows.shape[1])
    lowest, highest = np.empty(len(rows), np.intp), np.empty(len(rows), np.intp)
    # numpy copies what is read-only, all of it, for each of both: a small copy of our own stays in the cache.
    aside = np.empty((min(at_once, len(rows)), rows.shape[1]))
    for first in range(0, len(rows), at_once):
        part = rows[first : first + at_once]
        own = aside[: len(part)]
        np.copyto(own, part)
        own.argmin(axis=1, out=lowest[first : first + len(part)])
        own.argmax(axis=1, out=highest[first : first + len(part)])
    return lowest, highest


def _least_of_pairs(values: Floats, at: Positions) -> tuple[Floats, Positions]:
    """Return the lower one of each pair of neighbours, the first of two that are equal; an odd one stays alone."""
    if len(values) % 2:
        values, at = np.append(values, np.inf), np.append(at, 0)
    second = values[1::2] < values[::2]
    return np.where(second, values[1::2], values[::2]), np.where(second, at[1::2], at[::2])


def decimate(x: Floats, y: Floats, max_points: int = MAX_POINTS) -> tuple[Floats, Floats]:
    """Keep the lowest and the highest sample of each of at most max_points / 2 equal buckets, and both ends.

    Args:
        x: float64 [n], ascending.
        y: float64 [n]; samples that are not finite are dropped.
        max_points: Upper bound of the number of samples returned beside both ends, at least 2.

    Returns:
        The x and y that are kept, in order.
    """
    thinned = Thinned(max_points // 2, width=max(1, -(-len(y) // (max_points // 2))))
    thinned.extend(y, 0)
    kept = thinned.positions(max_points)
    return x[kept], y[kept]


class Smoothed:
    """The debiased exponential moving average of a growing series: `smooth`, continued.

    Args:
        weight: w in (0, 1).
    """

    def __init__(self, weight: float) -> None:
        self.weight = weight
        self._sum, self._norm = 0.0, 0.0
        self._values, self._size = np.empty(256), 0

    @property
    def values(self) -> Floats:
        """What was returned so far, float64 [n]."""
        return self._values[: self._size]

    def extend(self, y: Floats) -> Floats:
        """Return the average at each of `y`, float64 [n], which come next; a missing one repeats the average."""
        if not len(y):
            return y
        mean = pd.Series(y).ewm(alpha=1 - self.weight, adjust=True, ignore_na=True).mean()
        averaged: Floats = mean.to_numpy(copy=False)
        num_samples = len(y) - int(np.count_nonzero(np.isnan(y)))
        if self._norm > 0:
            averaged = averaged.copy()
            counts = np.cumsum(~np.isnan(y))
            # What came before weighs less with every sample: s = w^k s_before + s_own, and so does what it is divided
            # by. Soon it weighs nothing.
            near = int(np.searchsorted(counts, np.log(np.finfo(float).tiny) / np.log(self.weight), side="right"))
            decay = self.weight ** counts[:near]
            norms = (1 - decay) / (1 - self.weight)
            sums = np.where(norms > 0, averaged[:near], 0.0) * norms
            averaged[:near] = (decay * self._sum + sums) / (decay * self._norm + norms)
        self._norm = self.weight**num_samples * self._norm + self._norm_of(num_samples)
        self._sum = float(averaged[-1]) * self._norm if self._norm > 0 else 0.0
        self._keep(averaged)
        return averaged

    def _norm_of(self, num_samples: int) -> float:
        return float((1 - self.weight**num_samples) / (1 - self.weight))

    def _keep(self, values: Floats) -> None:
        size = self._size + len(values)
        if not self._size:
            self._values, self._size = values, size
            return
        if size > len(self._values):
            larger = np.empty(max(2 * len(self._values), size))
            larger[: self._size] = self._values[: self._size]
            self._values = larger
        self._values[self._size : size] = values
        self._size = size


def smooth(y: Floats, weight: float) -> Floats:
    """Return the debiased exponential moving average: the first value counts as much as it should, not more.

    s_t = sum_i w^(t-i) y_i / sum_i w^(t-i); missing samples are skipped. It is computed on every sample, before any
    thinning, so that the curve does not depend on how much of it is shown.

    Args:
        y: float64 [n].
        weight: w in [0, 1); 0 returns y.
    """
    return y if weight <= 0 else Smoothed(weight).extend(y)


def column(frame: pd.DataFrame, name: str) -> Floats:
    """Return a column as float64, all NaN where the table lacks it; None counts as NaN."""
    if name not in frame.columns:
        return np.full(len(frame), np.nan)
    if frame[name].dtype == np.float64:
        return np.asarray(frame[name])
    return np.asarray(pd.to_numeric(frame[name], errors="coerce"), dtype=np.float64)


def best_position(values: Floats, *, lower_is_better: bool) -> int | None:
    """Return where the best of `values` stands, the first one of several; None where all of them are NaN."""
    if np.isnan(values).all():
        return None
    return int(np.nanargmin(values) if lower_is_better else np.nanargmax(values))
