"""What a cloud of predicted against true values says: where it is dense, and the straight line through it. No torch."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

NUM_BINS = 48
NUM_POINTS = 25
NUM_RESAMPLES = 400
MAX_ROWS = 5_000  # of the line; more change it by less than its width is drawn


def density(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how crowded the place of each point is, 1 where most others are.

    Points are counted in 48 x 48 fields, each with a share of its neighbours' (a binomial kernel of 5 x 5).

    Args:
        x: float64 [n].
        y: float64 [n].

    Returns:
        float64 [n], above 0 and up to 1.
    """
    if not len(x):
        return np.zeros(0)
    places = [_fields(values) for values in (x, y)]
    counts = np.zeros((NUM_BINS, NUM_BINS))
    np.add.at(counts, tuple(places), 1.0)
    kernel = np.array([1.0, 4.0, 6.0, 4.0, 1.0]) / 16
    for axis in (0, 1):
        counts = np.apply_along_axis(np.convolve, axis, counts, kernel, mode="same")
    own = counts[tuple(places)]
    return np.asarray(own / own.max())


def _fields(values: NDArray[np.float64]) -> NDArray[np.int64]:
    reach = np.ptp(values)
    if reach == 0:
        return np.zeros(len(values), dtype=np.int64)
    return np.minimum(((values - values.min()) / reach * NUM_BINS).astype(np.int64), NUM_BINS - 1)


def trend(targets: NDArray[np.float64], preds: NDArray[np.float64]) -> pd.DataFrame:
    """Return the least-squares line of predictions on true values with its 95 % interval over resampled rows.

    Args:
        targets: float64 [n].
        preds: The same of the model.

    Returns:
        `target` (25 values from the lowest to the highest), `value`, `low`, `high`; empty with fewer than 5 rows or one
        true value only.
    """
    dice = np.random.default_rng(0)
    if len(targets) > MAX_ROWS:
        rows = dice.choice(len(targets), MAX_ROWS, replace=False)
        targets, preds = targets[rows], preds[rows]
    if len(targets) < 5 or np.ptp(targets) == 0:
        return pd.DataFrame({"target": [], "value": [], "low": [], "high": []})
    points = np.linspace(targets.min(), targets.max(), NUM_POINTS)
    value = _line(targets[None], preds[None], points)[0]
    drawn = dice.integers(0, len(targets), (NUM_RESAMPLES, len(targets)))
    low, high = np.quantile(_line(targets[drawn], preds[drawn], points), [0.025, 0.975], axis=0)
    return pd.DataFrame({"target": points, "value": value, "low": low, "high": high})


def _line(x: NDArray[np.float64], y: NDArray[np.float64], points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the least-squares lines of samples [r, n] at some points, [r, points]; level where x is one value."""
    middle_x, middle_y = x.mean(axis=1, keepdims=True), y.mean(axis=1, keepdims=True)
    spread = ((x - middle_x) ** 2).sum(axis=1, keepdims=True)
    shared = ((x - middle_x) * (y - middle_y)).sum(axis=1, keepdims=True)
    slope = np.divide(shared, spread, out=np.zeros_like(shared), where=spread > 0)
    return np.asarray(middle_y + slope * (points[None] - middle_x))
