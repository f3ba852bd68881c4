"""Turns a table's cells into rows of a dataset: upper-case chains and encoded targets. `dataset` saves them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from molfun.data.labels import (
    class_name,
    class_names,
    encode_residues,
    is_missing,
    number,
    residue_class_names,
    residue_labels,
)
from molfun.data.settings import ColumnSettings
from molfun.data.tables import file_rows
from molfun.errors import DataError, nearest

ALIGNED = "aligned"


def encode_rows(frame: pd.DataFrame, columns: ColumnSettings) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Return (rows with `chain_k` and `target`, class names) of a table.

    Raises:
        DataError: A column is absent, or a cell of the target cannot be read.
    """
    for name in [*columns.sequence, columns.target]:
        if name not in frame.columns:
            raise DataError(
                f"The table has no column {name!r}{nearest(name, frame.columns) or '; choose its columns again.'}"
            )
    if not columns.sequence:
        raise DataError("No sequence column is chosen; expected at least one.")
    chains = {f"chain_{i}": frame[name].map(_sequence) for i, name in enumerate(columns.sequence, start=1)}
    targets, classes = _encode_targets(frame, columns)
    rows = pd.DataFrame({**chains, "target": pd.Series(targets, index=frame.index)})
    if len(columns.sequence) == 1 and ALIGNED in frame.columns and ALIGNED not in columns.sequence:
        rows[ALIGNED] = frame[ALIGNED].map(_sequence)
    return rows.reset_index(drop=True), classes


def _sequence(cell: Any) -> str:
    return "" if is_missing(cell) else str(cell).strip().upper()


def _encode_targets(frame: pd.DataFrame, columns: ColumnSettings) -> tuple[list[Any], tuple[str, ...]]:
    cells = frame[columns.target]
    if columns.task == "regression":
        return _numbers(frame, columns.target), ()
    _refuse_missing(frame, columns.target)
    if columns.task == "classification":
        classes = class_names(cells)
        index = {name: i for i, name in enumerate(classes)}
        return [index[class_name(cell)] for cell in cells], classes
    classes = residue_class_names(cells)
    for row, cell, sequence in zip(file_rows(frame), cells, frame[columns.sequence[0]], strict=True):
        labels = residue_labels(cell) or []
        if len(labels) != len(_sequence(sequence)):
            raise DataError(
                f"Row {row}, column {columns.target!r}: expected one label a residue, {len(_sequence(sequence))}, "
                f"found {len(labels)}."
            )
    return [encode_residues(cell, classes) for cell in cells], classes


def _numbers(frame: pd.DataFrame, name: str) -> list[float]:
    values = [number(cell) for cell in frame[name]]
    for row, value, cell in zip(file_rows(frame), values, frame[name], strict=True):
        if value is None or not np.isfinite(value):
            shown = "nothing" if is_missing(cell) else repr(cell)
            raise DataError(f"Row {row}, column {name!r}: expected a number, found {shown}; correct or remove the row.")
    return [float(value) for value in values if value is not None]


def _refuse_missing(frame: pd.DataFrame, name: str) -> None:
    missing = frame[name].map(is_missing).to_numpy()
    if missing.any():
        row = file_rows(frame)[int(missing.argmax())]
        raise DataError(f"Row {row}, column {name!r}: expected a class, found nothing; fill it in or remove the row.")
