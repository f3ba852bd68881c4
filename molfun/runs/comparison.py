"""The settings in which runs differ, and what runs are called that differ in nothing else than chance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from molfun.runs.spec import RunSpec
from molfun.training.catalog import STRATEGIES

# Told beside the settings, or different in every run.
UNTOLD = ("name", "launch")
KIND, SEED = "strategy.kind", "training.seed"


def differing_settings(specs: Mapping[str, RunSpec]) -> pd.DataFrame:
    """Return the settings in which runs differ, one row a dotted setting, one column a run, values as text.

    A setting that a run does not have (the rank of a run without LoRA) is "".

    Args:
        specs: By what the columns are called.
    """
    flat = {title: _flat(spec.model_dump(mode="json", exclude=set(UNTOLD))) for title, spec in specs.items()}
    names = list(dict.fromkeys(name for values in flat.values() for name in values))
    rows = {name: [_shown(values, name) for values in flat.values()] for name in names}
    different = {name: values for name, values in rows.items() if len(set(values)) > 1}
    return pd.DataFrame.from_dict(different, orient="index", columns=pd.Index(list(flat)), dtype=object)


def name_groups(table: pd.DataFrame) -> dict[str, str]:
    """Return what each run is called by the settings that tell it from others; runs that are alike share a name.

    Args:
        table: As `differing_settings` returns it, without the settings that do not matter.
    """
    told = table.drop(index=[name for name in table.index if _follows(table, str(name))])
    return {
        str(title): ", ".join(value_title(str(name), str(value)) for name, value in column.items() if value != "")
        or "alike"
        for title, column in told.items()
    }


def value_title(setting: str, value: str) -> str:
    """Return what runs with a value of a setting are called."""
    if setting == KIND and value in STRATEGIES:
        return STRATEGIES[value].title
    return f"{setting.rpartition('.')[2]} {value or 'none'}"


def _follows(table: pd.DataFrame, name: str) -> bool:
    """Tell whether a setting is a matter of the strategy alone: the same in all runs of a strategy."""
    if name == KIND or KIND not in table.index:
        return False
    pairs = pd.DataFrame({"kind": table.loc[KIND], "value": table.loc[name]})
    return bool((pairs.groupby("kind")["value"].nunique() == 1).all())


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in values.items():
        path = f"{prefix}{name}"
        found |= _flat(value, f"{path}.") if isinstance(value, Mapping) else {path: value}
    return found


def _shown(values: Mapping[str, Any], name: str) -> str:
    if name not in values:
        return ""
    value = values[name]
    if isinstance(value, float):
        return f"{value:g}"
    return ", ".join(map(str, value)) if isinstance(value, list) else "auto" if value is None else str(value)
