"""The settings in which runs differ."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from molfun.runs.spec import RunSpec

# Told beside the settings, or different in every run.
UNTOLD = ("name", "launch")


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
