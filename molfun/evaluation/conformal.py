"""Intervals with a stated coverage, learned from rows that training did not fit. No torch.

They are split conformal: Vovk, Gammerman and Shafer 2005, Algorithmic Learning in a Random World; for regression
Lei et al. 2018, J. Am. Stat. Assoc. 113:1094; for classes Sadinle, Lei and Wasserman 2019, J. Am. Stat. Assoc. 114:223.
They hold on average over rows like those that they were calibrated on, and for no others.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from molfun.data.settings import ONE_VALUE_A_ROW, Task
from molfun.errors import DataError

FEWEST_ROWS = 20


@dataclass(frozen=True)
class Calibration:
    """What was learned from rows that training did not fit.

    Attributes:
        coverage: Share of new rows whose true value is inside.
        radius: Half the width of an interval (regression), or 1 - the least probability of a class that is listed.
        num_rows: Rows that it was learned from.
    """

    coverage: float
    radius: float
    num_rows: int


def calibrate(predictions: pd.DataFrame, task: Task, coverage: float) -> Calibration:
    """Learn how wide intervals have to be.

    Args:
        predictions: Of rows that training did not fit: `target`, `prediction`; for classes `p_<class>`.
        task: "regression" or "classification".
        coverage: Wanted share of true values inside, between 0 and 1.

    Raises:
        DataError: There are fewer than 20 such rows, or too few for that coverage, or the task has no intervals.
    """
    sizes = error_sizes(predictions, task) if task in ONE_VALUE_A_ROW else np.empty(0)
    check_coverage(task, coverage, len(sizes), "validation")
    return Calibration(coverage, float(np.sort(sizes)[math.ceil((len(sizes) + 1) * coverage) - 1]), len(sizes))


def check_coverage(task: Task, coverage: float, num_rows: int, kind: str) -> None:
    """Hold that a coverage can be promised.

    Args:
        task: Of the model.
        coverage: Wanted share of true values inside.
        num_rows: Rows that it would be learned from.
        kind: What these rows are called.

    Raises:
        DataError: The task has no intervals, the coverage is no share, or there are too few rows for it.
    """
    if task not in ONE_VALUE_A_ROW:
        raise DataError("There are intervals for numbers and classes of rows only, not for residues or structures.")
    if not 0.0 < coverage < 1.0:
        raise DataError(f"The coverage is {coverage:g}; expected a share between 0 and 1, such as 0.9.")
    if num_rows < FEWEST_ROWS or math.ceil((num_rows + 1) * coverage) > num_rows:
        needed = max(FEWEST_ROWS, math.ceil(coverage / (1 - coverage)))
        raise DataError(
            f"Intervals need {needed} {kind} rows for a coverage of {coverage:.0%}, and there are {num_rows}; lower "
            "the coverage or use a run with more of them."
        )


def error_sizes(predictions: pd.DataFrame, task: Task) -> np.ndarray:
    """Return how far off each row with a prediction is, float64 [rows]: the larger, the worse.

    Args:
        predictions: As in `calibrate`.
        task: "regression" or "classification".
    """
    known = predictions[predictions["target"].notna() & predictions["prediction"].notna()]
    if task == "regression":
        off = pd.to_numeric(known["prediction"]) - pd.to_numeric(known["target"])
        return np.asarray(off.abs().to_numpy(dtype=float))
    own = [float(row[f"p_{row['target']}"]) for row in known.to_dict("records")]
    return 1.0 - np.array(own, dtype=float)


def add_intervals(table: pd.DataFrame, task: Task, calibration: Calibration) -> pd.DataFrame:
    """Return a table of `Predictor.predict` with `low` and `high`, or with `set`: the classes that it may be.

    A set can be empty where the model has never seen anything like it, and hold several classes where it is unsure.
    """
    if task == "regression":
        found = table["prediction"]
        return table.assign(low=found - calibration.radius, high=found + calibration.radius)
    names = [str(name) for name in table.columns if str(name).startswith("p_")]
    sets = [
        " ".join(name.removeprefix("p_") for name in names if 1.0 - row[name] <= calibration.radius)
        for row in table[names].to_dict("records")
    ]
    return table.assign(set=sets)
