"""From data as people give them (a name, a path, a DataFrame) to a run that may start: what `molfun fit` and
`molfun.fit` share.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from molfun.adapters.catalog import find_model
from molfun.data.dataset import Dataset, save_dataset
from molfun.data.frames import SHOWN, read_frame
from molfun.errors import SettingError
from molfun.runs.plan import OF_TABLE, plan_run, read_target, told_spec
from molfun.runs.resolve import judged
from molfun.runs.spec import RunSpec, flatten

NAME = "DataFrame"


def plan_data(
    home: Path, data: str | Path | pd.DataFrame, *, strategy: str = "", changes: Mapping[str, Any] | None = None
) -> tuple[RunSpec, Dataset]:
    """Complete the spec of a run on whatever a person gives as data.

    Args:
        home: The data folder.
        data: Name of an example or of a saved dataset; path of a table, a spec or a folder of structures; or a table.
        strategy: As in `plan_run`.
        changes: As there, dotted or as mappings within each other.

    Raises:
        MolfunError: As there.
        SettingError: The data are none of these.
    """
    told = dict(flatten(changes or {}))
    if isinstance(data, pd.DataFrame):
        dataset = save_frame(home, data, strategy=strategy, changes=told)
        rest = {path: value for path, value in told.items() if not path.startswith(OF_TABLE)}
        return plan_run(home, {"data": {"dataset": dataset.id}}, strategy=strategy, changes=rest)
    if not isinstance(data, str | Path):
        raise SettingError(
            f"Data are the name of an example, a path, or a pandas DataFrame, but these are of the type "
            f"{type(data).__name__}; pandas.DataFrame(...) makes a table of most things."
        )
    return plan_run(home, read_target(str(data), home), strategy=strategy, changes=told)


def save_frame(home: Path, frame: pd.DataFrame, *, strategy: str, changes: Mapping[str, Any]) -> Dataset:
    """Save a DataFrame as a dataset; the same content is the same dataset.

    Args:
        home: The data folder.
        frame: One row a protein; `attrs["name"]` names the dataset.
        strategy: As in `plan_run`.
        changes: Dotted settings; what they do not tell of columns is guessed.

    Raises:
        DataError: The model cannot read it.
        SettingError: Other data are named as well, or a setting is unknown.
    """
    if given := [path for path in ("data.dataset", "data.example", "data.table") if changes.get(path)]:
        raise SettingError(f"The data are a DataFrame, but {given[0]} is set as well; leave one of them out.")
    spec, _ = told_spec({"data": {"table": SHOWN}}, strategy=strategy, changes=changes)
    name = frame.attrs.get("name")
    table = judged(
        read_frame(frame), spec.data, find_model(spec.model.name), shown=SHOWN,
        name=name if isinstance(name, str) and name else NAME, about={"source": "a pandas DataFrame"},
    )  # fmt: skip
    return save_dataset(home / "datasets", table.frame, table.columns, table.split, name=table.name, about=table.about)
