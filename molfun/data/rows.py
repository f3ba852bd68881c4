"""Turns a table's cells into rows of a dataset: upper-case chains and encoded targets. `dataset` saves them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from molfun.data.changes import plain_text
from molfun.data.labels import (
    UNKNOWN,
    class_name,
    class_names,
    encode_residues,
    is_missing,
    is_unknown,
    number,
    residue_class_names,
    residue_labels,
)
from molfun.data.proteins import STRUCTURE, Protein, has_structures
from molfun.data.settings import ColumnSettings, Task
from molfun.data.structure_store import structure_rows
from molfun.data.tables import file_rows
from molfun.errors import DataError, nearest, printable

ALIGNED = "aligned"
MAX_SHOWN = 60  # characters of a cell


def encode_rows(frame: pd.DataFrame, columns: ColumnSettings) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Return (rows with `chain_k` and `target`, class names) of a table; of structures with `ROW_COLUMNS`, too.

    Raises:
        DataError: A column is absent, a cell of the target cannot be read, or a structure has other letters than its
            row.
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
    if has_structures(frame):
        described = structure_rows(chosen_proteins(frame, columns)).set_index(frame.index)
        rows = pd.concat([rows, described], axis=1)
    if len(columns.sequence) == 1 and ALIGNED in frame.columns and ALIGNED not in columns.sequence:
        rows[ALIGNED] = frame[ALIGNED].map(_sequence)
    return rows.reset_index(drop=True), classes


def chosen_proteins(frame: pd.DataFrame, columns: ColumnSettings) -> list[Protein]:
    """Return the structure of each row with the chains of the sequence columns, in the order of these.

    Raises:
        DataError: A row has none, it lacks a chain, or has other residues than the row's sequences.
    """
    found = []
    cells = zip(frame[STRUCTURE], *(frame[name].map(_sequence) for name in columns.sequence), strict=True)
    for row, (protein, *sequences) in zip(file_rows(frame), cells, strict=True):
        if not isinstance(protein, Protein):
            raise DataError(f"Row {row}, column {STRUCTURE!r}: expected a structure, found {protein!r}; remove it.")
        found.append(protein.ordered(columns.sequence))
        for name, sequence in zip(columns.sequence, sequences, strict=True):
            if mismatch := sequence_mismatch(protein.sequence_of(name), sequence, columns.task):
                raise DataError(f"Row {row}, column {name!r}: {mismatch}.")
    return found


def sequence_mismatch(measured: str, sequence: str, task: Task) -> str:
    """Return in which way a sequence is not that of its structure, "" where it is.

    Mutants may be predicted from the wild type's structure, not folded onto it: only one task compares letters.
    """
    if len(measured) != len(sequence):
        return (
            f"the sequence has {len(sequence)} residues, its structure {len(measured)}; leave the sequences of "
            "structures as they were read"
        )
    if task == "structure" and measured != sequence:
        place = next(i for i, pair in enumerate(zip(measured, sequence, strict=True)) if pair[0] != pair[1])
        return (
            f"position {place + 1} is {sequence[place]!r}, in its structure {measured[place]!r}; leave the sequences "
            "of structures as they were read"
        )
    return ""


def _sequence(cell: Any) -> str:
    return plain_text(cell).upper()


def _encode_targets(frame: pd.DataFrame, columns: ColumnSettings) -> tuple[list[Any], tuple[str, ...]]:
    cells = frame[columns.target]
    if columns.task == "regression":
        return _numbers(frame, columns.target), ()
    if columns.task == "structure":
        if columns.target != STRUCTURE or not has_structures(frame):
            raise DataError(f"The target of the task structure is the column {STRUCTURE!r} of structures; choose it.")
        return [getattr(cell, "name", "") for cell in cells], ()
    _refuse_unknown(frame, columns)
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
                f"found {len(labels)}; correct the labels or remove the row."
            )
    return [encode_residues(cell, classes) for cell in cells], classes


def _numbers(frame: pd.DataFrame, name: str) -> list[float]:
    values = [number(cell) for cell in frame[name]]
    for row, value, cell in zip(file_rows(frame), values, frame[name], strict=True):
        if value is None or not np.isfinite(value):
            shown = "nothing" if is_missing(cell) else printable(repr(cell), MAX_SHOWN)
            raise DataError(f"Row {row}, column {name!r}: expected a number, found {shown}; correct or remove the row.")
    return [float(value) for value in values if value is not None]


def _refuse_unknown(frame: pd.DataFrame, columns: ColumnSettings) -> None:
    # A residue may be without a label, a row of classes may not.
    is_none = is_unknown if columns.task == "classification" else is_missing
    unknown = frame[columns.target].map(is_none).to_numpy(dtype=bool)
    if unknown.any():
        place = int(unknown.argmax())
        cell = frame[columns.target].iloc[place]
        raise DataError(
            f"Row {file_rows(frame)[place]}, column {columns.target!r}: expected a class, found "
            f"{'nothing' if is_missing(cell) else repr(UNKNOWN)}; fill it in or remove the row."
        )
