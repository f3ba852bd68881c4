"""Values that lie far from all others: a typo, another unit, a lost decimal point."""

from __future__ import annotations

import numpy as np
import pandas as pd

from molfun.data.labels import number
from molfun.data.problems import Problem, capped
from molfun.data.row_numbers import file_rows

FEWEST = 20
FAR = 10.0  # robust standard deviations; the tails of measured scores reach six to eight


def check_outliers(frame: pd.DataFrame, name: str) -> list[Problem]:
    """Warn of numbers that lie further than 10 robust standard deviations from the median.

    The robust standard deviation is 1.4826 times the median absolute deviation (Rousseeuw and Croux 1993, J. Am. Stat.
    Assoc. 88:1273); where more than half of the values are equal nothing can be said.
    """
    values = _numbers(frame[name])
    known = values[np.isfinite(values)]
    if len(known) < FEWEST:
        return []
    median = float(np.median(known))
    spread = 1.4826 * float(np.median(np.abs(known - median)))
    if spread == 0.0:
        return []
    far = np.flatnonzero(np.abs(values - median) > FAR * spread)
    rows = file_rows(frame)
    return capped(
        Problem(
            "warning",
            f"Row {rows[i]}, column {name!r}: {values[i]:.6g} lies far from the others (half of them within "
            f"{spread / 1.4826:.3g} of {median:.3g}); a typo or another unit? Correct it or remove the row.",
            int(rows[i]), name, f"{values[i]:.6g}",
        )
        for i in far if np.isfinite(values[i])
    )  # fmt: skip


def _numbers(cells: pd.Series) -> np.ndarray:
    if pd.api.types.is_numeric_dtype(cells):
        return np.asarray(cells.to_numpy(dtype=float))
    return np.array([np.nan if (value := number(cell)) is None else value for cell in cells], dtype=float)
