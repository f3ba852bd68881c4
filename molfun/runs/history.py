"""All runs as one table, for the pages and lists that show them beside each other."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from molfun.errors import MolfunError
from molfun.home import data_home
from molfun.runs.status import RunStatus, run_status
from molfun.runs.store import RunFolder, RunStore
from molfun.runs.watch import ask_clusters
from molfun.tracking.pool import READERS

COLUMNS = (
    "id", "name", "status", "cause", "strategy", "model", "weights", "dataset", "task", "metric", "best", "test",
    "epoch", "epochs", "progress", "created", "minutes", "sparkline", "tags", "notes", "where",
)  # fmt: skip
SPARKLINE_POINTS = 60


def list_runs(home: Path) -> pd.DataFrame:
    """Return one row a run, newest first, with the columns `COLUMNS`.

    `metric` names the metric of `best` (validation) and `test`, NaN where not known; `created` is a UTC time stamp,
    `minutes` the time at work, `sparkline` at most 60 validation losses, `tags` a list of words, `where` the name of a
    launcher. A run that cannot be read still has its row.
    """
    rows = [_row(folder) for folder in RunStore(home).list()]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def overview(*, home: str | Path | None = None) -> pd.DataFrame:
    """Return all runs as a table, one row a run, the newest first: what `molfun.runs()` is.

    Args:
        home: The data folder; None takes `MOLFUN_HOME`.

    Returns:
        `id`, `name`, `state` and its `cause`, `strategy`, `model`, `weights`, `data` (the dataset's id), `task`,
        `metric` with its `best` validation value and its `test` score (NaN where not known), `epoch` of `epochs`,
        `created` (UTC), `minutes` at work, `tags`, `notes`.

    Raises:
        RunError: The data folder cannot be made.
    """
    folder = data_home(home)
    ask_clusters(folder)
    runs = list_runs(folder).drop(columns=["progress", "sparkline", "where"])
    return runs.rename(columns={"status": "state", "dataset": "data"})


def summarise(folder: RunFolder) -> dict[str, Any]:
    """Return the row of one run, as `list_runs` has it."""
    return _row(folder)


def _row(folder: RunFolder) -> dict[str, Any]:
    state, status = folder.read_state(), run_status(folder)
    best = _mapping(state.get("best"))
    return {
        "id": folder.id,
        "status": status.status,
        "cause": status.cause,
        **_choices(folder),
        **_scores(folder.read_scoreboard(), best),
        "epoch": _number(state.get("epoch")),
        "epochs": _number(state.get("epochs")),
        "progress": np.nan if status.progress is None else status.progress,
        "created": pd.Timestamp(_number(state.get("created"), 0.0), unit="s", tz="UTC"),
        "minutes": _minutes(status),
        "sparkline": sparkline(folder.metrics_path),
        **_amended(folder),
        "where": str(folder.read_launch().get("launcher") or "local"),
    }


def _amended(folder: RunFolder) -> dict[str, Any]:
    """Return what people changed after the start; the name only where they changed it."""
    amended = folder.read_amended()
    name, tags, notes = (amended.get(key) for key in ("name", "tags", "notes"))
    return {
        **({"name": name} if isinstance(name, str) and name else {}),
        "tags": [str(tag) for tag in tags] if isinstance(tags, list) else [],
        "notes": notes if isinstance(notes, str) else "",
    }


def _choices(folder: RunFolder) -> dict[str, Any]:
    try:
        spec = folder.spec
    except MolfunError:
        return dict.fromkeys(("strategy", "model", "weights", "dataset", "task"), "") | {"name": folder.id}
    if imported := folder.read_state().get("imported"):  # whose settings nobody knows
        return dict.fromkeys(("strategy", "model", "weights", "task"), "") | {
            "name": spec.name or folder.id, "dataset": str(imported).partition(",")[0],
        }  # fmt: skip
    columns = spec.data.columns
    return {
        "name": spec.name or folder.id,
        "strategy": spec.strategy.kind,
        "model": spec.model.name,
        "weights": spec.model.weights,
        "dataset": spec.data.dataset or spec.data.example or spec.data.table,
        "task": columns.task if columns else "",
    }


def _scores(board: Mapping[str, Any], best: Mapping[str, Any]) -> dict[str, Any]:
    test = _mapping(_mapping(board.get("test")).get("metrics"))
    metric = str(board.get("primary") or str(best.get("metric", "")).removeprefix("val_"))
    return {"metric": metric, "best": _number(best.get("value")), "test": _number(test.get(metric))}


def _minutes(status: RunStatus) -> float:
    if status.started is None:
        return float("nan")
    return max(0.0, (status.ended or time.time()) - status.started) / 60.0


def sparkline(path: Path, num_points: int = SPARKLINE_POINTS) -> list[float]:
    """Return at most `num_points` validation losses, evenly taken, the last one included."""
    try:
        stat = path.stat()
    except OSError:
        return []
    return list(_sparkline(path, stat.st_mtime_ns, stat.st_size, num_points))


@lru_cache(maxsize=1024)
def _sparkline(path: Path, modified: int, size: int, num_points: int) -> tuple[float, ...]:
    reader = READERS.of(path)
    reader.poll()
    losses = reader.epochs.get("val_loss", pd.Series(dtype=float)).dropna().to_numpy()
    if len(losses) > num_points:
        losses = losses[np.linspace(0, len(losses) - 1, num_points).round().astype(int)]
    return tuple(float(loss) for loss in losses)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _number(value: Any, default: float = float("nan")) -> float:
    return float(value) if isinstance(value, int | float) else default
