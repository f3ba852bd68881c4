"""Judges the structures of a table: each row has one, it belongs to the row's sequences, and enough of it is known."""

from __future__ import annotations

import pandas as pd

from molfun.data.changes import plain_text
from molfun.data.problems import Problem, capped
from molfun.data.proteins import STRUCTURE, Protein, has_structures
from molfun.data.row_numbers import file_rows
from molfun.data.rows import sequence_mismatch
from molfun.data.settings import ColumnSettings
from molfun.errors import DataError

FEW_RESOLVED = 0.5


def check_structures(frame: pd.DataFrame, columns: ColumnSettings) -> list[Problem]:
    """Return the problems of the column of structures; none where the table has no such column."""
    problems = [Problem("warning", f"{reason} The file is left out.") for _, reason in frame.attrs.get("skipped", [])]
    if not has_structures(frame):
        return problems  # a table of cells: `target_checks` tells where structures were expected
    if columns.task == "structure" and columns.target != STRUCTURE:
        message = (
            f"The target of the task structure is the column {STRUCTURE!r}, found {columns.target!r}; choose that "
            "column, or another task."
        )
        return [*problems, Problem("error", message, column=columns.target)]
    rows = list(
        zip(file_rows(frame).tolist(), frame[STRUCTURE], frame[columns.sequence].to_dict("records"), strict=True)
    )
    problems += capped(_no_structure(row) for row, cell, _ in rows if not isinstance(cell, Protein))
    problems += capped(
        Problem("error", f"Row {row}, column {name!r}: {said}.", row, name)
        for row, cell, own in rows
        if isinstance(cell, Protein)
        for name, said in _mismatches(cell, own, columns)
    )
    return problems + capped(
        Problem("warning", f"Row {row}, structure {cell.name!r}: {known} of {cell.num_residues} residues are resolved; "
                "the others take no part in loss and metrics.", row, STRUCTURE)
        for row, cell, _ in rows
        if isinstance(cell, Protein)
        and (known := sum(chain.num_resolved for chain in cell.chains)) < FEW_RESOLVED * cell.num_residues
    )  # fmt: skip


def _no_structure(row: int) -> Problem:
    message = f"Row {row}, column {STRUCTURE!r}: expected a structure, found none; read its file or remove the row."
    return Problem("error", message, row, STRUCTURE)


def _mismatches(protein: Protein, sequences: dict[str, object], columns: ColumnSettings) -> list[tuple[str, str]]:
    """Return (column, what is wrong) of each sequence that is not that of the structure."""
    found = []
    for name, cell in sequences.items():
        try:
            measured = protein.ordered([name]).sequence_of(name)
            said = sequence_mismatch(measured, plain_text(cell).upper(), columns.task)
        except DataError as error:
            said = str(error).rstrip(".")
        if said:
            found.append((name, said))
    return found
