"""Whether intervals keep what they promise: learned from validation rows, counted on untouched test rows. No torch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.stats import betabinom, binomtest

from molfun.data.settings import Task
from molfun.errors import DataError
from molfun.evaluation.conformal import add_intervals, calibrate

COVERAGES = (0.8, 0.9, 0.95)
CONFIDENCE = 0.95
COLUMNS = ("coverage", "inside", "rows", "low", "high", "least", "most", "size", "problem")


def coverage_table(
    validation: pd.DataFrame, test: pd.DataFrame, task: Task, coverages: Sequence[float] = COVERAGES
) -> pd.DataFrame:
    """Count how many test rows have their true value inside intervals that were learned from the validation rows.

    Args:
        validation: `target`, `prediction`; for classes `p_<class>`. The model was not fitted to these rows, but its
            best epoch was chosen on them.
        test: The same of rows that nothing was chosen on.
        task: "regression" or "classification".
        coverages: Promised shares.

    Returns:
        A row a promised `coverage`: `inside` of `rows` test rows; `low` and `high`, the exact 95 % interval of that
        share (Clopper and Pearson 1934, Biometrika 26:404); `least` and `most`, the shares between which the counts of
        all rows lie in 95 of 100 cases where test rows are like validation rows (each count is beta-binomial:
        Angelopoulos and Bates 2021, arXiv:2107.07511); `size`, the width of the intervals or the mean number of classes
        in a set; `problem`, why there are none.
    """
    known = test[test["target"].notna() & test["prediction"].notna()]
    # Several counts are looked at, and any of them may be off by chance.
    tail = (1 - CONFIDENCE) / len(coverages) / 2
    return pd.DataFrame([_row(validation, known, task, share, tail) for share in coverages], columns=list(COLUMNS))


def _row(validation: pd.DataFrame, test: pd.DataFrame, task: Task, coverage: float, tail: float) -> dict[str, object]:
    try:
        learned = calibrate(validation, task, coverage)
    except DataError as error:
        return {"coverage": coverage, "inside": 0, "rows": len(test), "problem": str(error)}
    found = add_intervals(test, task, learned)
    if task == "regression":
        is_inside, size = pd.to_numeric(found["target"]).between(found["low"], found["high"]), 2 * learned.radius
    else:
        shares = test[[name for name in test if str(name).startswith("p_")]]
        records = zip(shares.to_dict("records"), test["target"], strict=True)
        own = np.array([row[f"p_{target}"] for row, target in records])
        is_inside = pd.Series(1.0 - own <= learned.radius)
        size = float((1.0 - shares <= learned.radius).sum(axis=1).mean())
    inside, rows, place = int(is_inside.sum()), len(test), int(np.ceil((learned.num_rows + 1) * coverage))
    interval = binomtest(inside, rows).proportion_ci(CONFIDENCE)
    ends = betabinom.ppf([tail, 1 - tail], rows, place, learned.num_rows + 1 - place) / rows
    return {
        "coverage": coverage, "inside": inside, "rows": rows, "low": interval.low, "high": interval.high,
        "least": ends[0], "most": ends[1], "size": size, "problem": "",
    }  # fmt: skip


def verdict(table: pd.DataFrame, num_validation: int) -> str:
    """Return whether the promises were kept, in a sentence; empty where none could be made.

    Args:
        table: As `coverage_table` returns it, of at least one test row.
        num_validation: Rows that the intervals were learned from.
    """
    made = table[table["problem"] == ""]
    if made.empty:
        return ""
    share = made["inside"] / made["rows"]
    few, many = made[share < made["least"]], made[share > made["most"]]
    common = f"learned from {num_validation:,} validation rows"
    if len(few):
        return (
            f"Intervals {common} hold fewer test rows than they promise, more than chance explains, at "
            f"{_listed(few['coverage'])}: the test rows are less like the training rows than the validation rows are. "
            "Do not rely on intervals for such rows."
        )
    if len(many):
        told = _listed(many["coverage"])
        return f"Intervals {common} hold more test rows than they promise, at {told}: they are too wide here."
    return f"Intervals {common} keep what they promise on the test rows, as far as so many rows can tell."


def _listed(shares: pd.Series) -> str:
    return " and ".join(f"{share:.0%}" for share in shares)
