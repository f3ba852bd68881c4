"""Plain facts of how good a run is on its test rows: every metric with its interval, and the baselines beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

from molfun.data.dataset import Dataset
from molfun.data.settings import PRIMARY_METRIC
from molfun.evaluation.scoreboard import NUM_RESAMPLES as MOST_RESAMPLES
from molfun.evaluation.scoreboard import num_resamples, score_table
from molfun.runs.certainty import Certainty, best_baseline, find_certainty, read_baselines, read_predictions
from molfun.runs.folder import RunFolder
from molfun.runs.resampling import NUM_RESAMPLES, Interval

# Scores of the run and those computed again from its predictions may differ by rounding.
TOLERANCE = 1e-3
HOW = (
    f"95 % intervals are percentiles (2.5 and 97.5) over resamples of the test rows with replacement, seed 0: "
    f"{NUM_RESAMPLES:,} resamples for the metric by which the task is judged and for differences, which are paired, up "
    f"to {MOST_RESAMPLES} for the others. They say nothing of other seeds or other splits."
)


def score_facts(folder: RunFolder, dataset: Dataset | None, task: str | None) -> dict[str, Any]:
    """Return the test scores of a run; `rows` is None where there are none.

    Args:
        folder: The run.
        dataset: Its data, None where they were removed.
        task: What is predicted, None where that is not known.
    """
    board = folder.read_scoreboard()
    if not board.get("test"):
        return {"rows": None, "primary": PRIMARY_METRIC.get(task or "")}
    own, test = read_predictions(folder), board["test"]
    num_rows = 0 if own is None else len(own)
    certainty = Certainty({}, None) if own is None else find_certainty(own, read_baselines(folder), board)
    primary = str(board.get("primary", ""))
    table = None if own is None or task is None else _table(own, task, dataset)
    return {
        "rows": test.get("rows"), "primary": primary, "how": HOW,
        "metrics": _metrics(test["metrics"], table, num_rows, certainty.scores.get("run"), primary),
        "agrees": _agrees(test["metrics"], table),
        "baselines": {
            name: {"metrics": dict(values), **_ends(certainty.scores.get(name))}
            for name, values in (board.get("baselines") or {}).items()
        },
        "best_baseline": best_baseline(board) or "",
        "ahead": None if certainty.ahead is None else asdict(certainty.ahead),
    }  # fmt: skip


def classes_of(dataset: Dataset | None, predictions: pd.DataFrame, task: str) -> list[str]:
    """Return the classes of a run, those that its predictions name where the data are gone; none for numbers."""
    if dataset is not None:
        return list(dataset.classes)
    shares = [str(name).removeprefix("p_") for name in predictions.columns if str(name).startswith("p_")]
    if task == "regression" or shares:
        return shares
    cells = [*predictions["target"], *predictions["prediction"]]
    return sorted({str(item) for cell in cells for item in (cell if np.ndim(cell) else [cell]) if item is not None})


def _table(predictions: pd.DataFrame, task: str, dataset: Dataset | None) -> pd.DataFrame | None:
    try:
        return score_table(predictions, task, classes_of(dataset, predictions, task))
    except (TypeError, ValueError, KeyError, IndexError):  # somebody else's table under that name
        return None


def _metrics(
    recorded: Mapping[str, Any], table: pd.DataFrame | None, num_rows: int, interval: Interval | None, primary: str
) -> dict[str, Any]:
    """Return value, interval and its number of resamples of every metric; what the run wrote down comes first."""
    found: dict[str, dict[str, Any]] = {name: {"value": value} for name, value in recorded.items()}
    times = num_resamples(num_rows) if table is None else table.attrs.get("resamples", num_resamples(num_rows))
    for name, row in () if table is None else table.iterrows():
        about = found.setdefault(str(name), {"value": _number(row["value"])})
        about |= {"low": _number(row["low"]), "high": _number(row["high"]), "better": row["better"],
                  "resamples": times}  # fmt: skip
    if interval is not None and primary in found:
        found[primary] |= {**_ends(interval), "resamples": NUM_RESAMPLES}
    return found


def _ends(interval: Interval | None) -> dict[str, float]:
    return {} if interval is None else {"low": interval.low, "high": interval.high}


def _agrees(recorded: Mapping[str, Any], table: pd.DataFrame | None) -> bool | None:
    """Tell whether scores that are computed again from the predictions are those that the run wrote down."""
    if table is None:
        return None
    pairs = [(recorded[name], table.loc[name, "value"]) for name in table.index if recorded.get(name) is not None]
    return all(_are_close(first, second) for first, second in pairs) if pairs else None


def _are_close(first: Any, second: Any) -> bool:
    return bool(np.isclose(float(first), float(second), rtol=TOLERANCE, atol=TOLERANCE, equal_nan=True))


def _number(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None
