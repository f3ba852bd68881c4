"""Curves as numbers: thinned to what a screen can show, and smoothed. Pure numpy and pandas."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

MAX_POINTS = 1000

Floats = NDArray[np.float64]


def decimate(x: Floats, y: Floats, max_points: int = MAX_POINTS) -> tuple[Floats, Floats]:
    """Keep the lowest and the highest sample of each of max_points / 2 equal buckets; peaks survive, values stay real.

    Args:
        x: float64 [n], ascending.
        y: float64 [n]; samples that are not finite are dropped.
        max_points: Upper bound of the number of samples returned, at least 4.

    Returns:
        The x and y that are kept, in order; the first and the last sample always are.
    """
    finite = np.isfinite(y)
    x, y = x[finite], y[finite]
    if len(y) <= max_points:
        return x, y
    inner = y[1:-1]
    num_buckets = (max_points - 2) // 2
    width = -(-len(inner) // num_buckets)
    padded = np.pad(inner, (0, -len(inner) % width), mode="edge").reshape(-1, width)
    starts = np.arange(len(padded)) * width
    lowest, highest = starts + padded.argmin(axis=1), starts + padded.argmax(axis=1)
    kept = np.minimum(np.concatenate([lowest, highest]), len(inner) - 1) + 1
    index = np.unique(np.concatenate([[0], kept, [len(y) - 1]]))
    return x[index], y[index]


def smooth(y: Floats, weight: float) -> Floats:
    """Return the debiased exponential moving average: the first value counts as much as it should, not more.

    s_t = sum_i w^(t-i) y_i / sum_i w^(t-i); missing samples are skipped. It is computed on every sample, before any
    thinning, so that the curve does not depend on how much of it is shown.

    Args:
        y: float64 [n].
        weight: w in [0, 1); 0 returns y.
    """
    if weight <= 0:
        return y
    averaged = pd.Series(y).ewm(alpha=1 - weight, adjust=True, ignore_na=True).mean()
    return np.asarray(averaged, dtype=np.float64)


def column(frame: pd.DataFrame, name: str) -> Floats:
    """Return a column as float64, all NaN where the table lacks it; None counts as NaN."""
    if name not in frame.columns:
        return np.full(len(frame), np.nan)
    return np.asarray(pd.to_numeric(frame[name], errors="coerce"), dtype=np.float64)


def best_position(values: Floats, *, lower_is_better: bool) -> int | None:
    """Return where the best of `values` stands, the first one of several; None where all of them are NaN."""
    if np.isnan(values).all():
        return None
    return int(np.nanargmin(values) if lower_is_better else np.nanargmax(values))
