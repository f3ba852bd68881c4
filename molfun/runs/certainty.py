"""How sure the test score of a run is, and whether it is ahead of the best simple baseline; from its predictions."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from molfun.data.parquet import read_parquet
from molfun.data.settings import PRIMARY_METRIC
from molfun.errors import DataError
from molfun.runs.folder import RunFolder
from molfun.runs.resampling import Interval, difference_interval, score_interval

LDDT = PRIMARY_METRIC["structure"]
FEWEST_ROWS = 5  # resamples of fewer are all alike, and their intervals look sure


@dataclass(frozen=True)
class Certainty:
    """How sure scores on test rows are.

    Attributes:
        scores: Of the run (named "run") and of baselines, by name.
        ahead: How much higher the run scores than the best baseline; None where this cannot be told.
    """

    scores: dict[str, Interval]
    ahead: Interval | None


def find_certainty(own: pd.DataFrame, others: pd.DataFrame | None, scoreboard: Mapping[str, Any]) -> Certainty:
    """Return intervals of the primary score of a run and of its baselines.

    Args:
        own: As `read_predictions` returns them.
        others: As `read_baselines` returns them, None where there are none.
        scoreboard: As the run wrote it.
    """
    if len(own) < FEWEST_ROWS:
        return Certainty({}, None)
    metric, best, tables = str(scoreboard.get("primary", "")), best_baseline(scoreboard) or "", {"run": own}
    if others is not None:
        names = [name for name in scoreboard.get("baselines") or {} if name in set(others) - {"row", "target", "run"}]
        tables |= {name: others[["row", "target"]].assign(prediction=others[name]) for name in names}
    try:
        found = {name: score_interval(table, metric) for name, table in tables.items()}
        ahead = difference_interval(own, tables[best], metric) if best in tables else None
    except (TypeError, ValueError):  # somebody else's tables, of the right names and with other contents
        return Certainty({}, None)
    return Certainty({name: interval for name, interval in found.items() if interval is not None}, ahead)


def best_baseline(scoreboard: Mapping[str, Any]) -> str | None:
    """Return the baseline with the highest primary score, None where none has any."""
    primary = str(scoreboard.get("primary", ""))
    known = {name: values.get(primary) for name, values in (scoreboard.get("baselines") or {}).items()}
    return max((name for name in known if is_number(known[name])), key=lambda name: float(known[name]), default=None)


def is_number(value: Any) -> bool:
    """Tell whether a value of a scoreboard is a score."""
    return isinstance(value, (int, float)) and math.isfinite(value)


def read_predictions(folder: RunFolder) -> pd.DataFrame | None:
    """Return the predictions on the test rows, None where there are none that can be read.

    Of structures `target` is the name and `prediction` the lDDT, beside the other scores.
    """
    return _read_table(folder, "test.parquet", {"row", "target", "prediction"})


def read_validation(folder: RunFolder) -> pd.DataFrame | None:
    """Return the predictions on the validation rows with the best weights, None where there are none to read."""
    return _read_table(folder, "val.parquet", {"row", "target", "prediction"})


def read_baselines(folder: RunFolder) -> pd.DataFrame | None:
    """Return what the baselines predict for the test rows, a column each beside `row` and `target`.

    None where that cannot be read. Of structures `target` is the name, and a baseline's column its lDDT.
    """
    table = _read_table(folder, "baselines.parquet", {"row", "target"})
    return table if table is None else table.drop(columns="name", errors="ignore")


def _read_table(folder: RunFolder, name: str, needed: set[str]) -> pd.DataFrame | None:
    path = folder.predictions / name
    if folder.predictions.is_symlink() or path.is_symlink() or not path.is_file():
        return None
    try:
        table = read_parquet(path, path.name)
    except DataError:
        return None
    if "name" in table and "target" not in table:
        table = table.assign(target=table["name"], **({"prediction": table[LDDT]} if LDDT in table else {}))
    return table if needed <= set(table) else None
