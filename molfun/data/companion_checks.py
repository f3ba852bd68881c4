"""Judges columns that belong to the target: replicates that it leaves out, units that differ, a mask not in use."""

from __future__ import annotations

import pandas as pd

from molfun.data.companions import mask_of, mean_of, replicates_of, unit_column_of
from molfun.data.problems import Problem
from molfun.data.settings import ColumnSettings


def check_companions(frame: pd.DataFrame, columns: ColumnSettings) -> list[Problem]:
    """Warn where another column says that the target alone is not what was measured."""
    found = [_check_mask(frame, columns)]
    if columns.task == "regression":
        found += [_check_replicates(frame, columns.target), _check_units(frame, columns.target)]
    return [problem for problem in found if problem is not None]


def _check_replicates(frame: pd.DataFrame, target: str) -> Problem | None:
    names = replicates_of(frame, target)
    if not names:
        return None
    known = mean_of(frame, names)
    advice = f"choose {known!r}, which is their mean" if known else "take their mean"
    listed = f"{', '.join(map(repr, names[:-1]))} and {names[-1]!r}"
    message = f"Column {target!r} is one of {len(names)} that look like replicates, {listed}; {advice}."
    return Problem("warning", message, column=target)


def _check_units(frame: pd.DataFrame, target: str) -> Problem | None:
    name, unit = unit_column_of(frame, target)
    if not name:
        return None
    units = ", ".join(sorted(frame[name].dropna().astype(str).str.strip().unique())[:6])
    advice = f"turn all values into {unit}" if unit else "they measure different things; keep rows of one of them"
    message = (
        f"Column {name!r} has several units ({units}), so that the numbers in {target!r} mean different things; "
        f"{advice}."
    )
    return Problem("warning", message, column=target)


def _check_mask(frame: pd.DataFrame, columns: ColumnSettings) -> Problem | None:
    name = mask_of(frame, columns)
    if not name or "?" in "".join(map(str, frame[columns.target].head(200))):
        return None
    message = (
        f"Column {name!r} looks like a mask of the labels in {columns.target!r}, which is not used: residues that it "
        "excludes are trained on; let it take their labels away."
    )
    return Problem("warning", message, column=columns.target)
