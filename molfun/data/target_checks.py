"""Judges the target column for its task: numbers, classes, or one label a residue."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pandas as pd

from molfun.data.changes import plain_text
from molfun.data.companions import words_among
from molfun.data.labels import (
    UNKNOWN,
    class_name,
    is_missing,
    is_unknown,
    number,
    residue_class_names,
    residue_labels,
)
from molfun.data.notations import SHEET_ERROR, is_date, remedy
from molfun.data.problems import Problem, capped
from molfun.data.row_numbers import file_rows
from molfun.data.settings import ColumnSettings
from molfun.errors import printable

FEW_ROWS = 5
LOPSIDED = 0.9
MAX_SHOWN = 60  # characters of a cell
YES = frozenset(("1", "yes", "y", "true", "t", "positive", "pos", "+", "binder"))
NO = frozenset(("0", "no", "n", "false", "f", "negative", "neg", "-", "non-binder", "nonbinder"))


def check_target(frame: pd.DataFrame, columns: ColumnSettings) -> list[Problem]:
    """Return the problems of the target column; a missing cell is an error in every task."""
    missing = _check_missing(frame, columns.target)
    if columns.task == "regression":
        return missing + _check_numbers(frame, columns.target)
    if columns.task == "classification":
        return missing + _check_unknown(frame, columns.target) + _check_classes(frame, columns.target)
    if columns.task == "structure":
        return missing + _check_structures(frame, columns.target)
    return missing + _check_residue_labels(frame, columns)


def _check_missing(frame: pd.DataFrame, name: str) -> list[Problem]:
    rows = file_rows(frame)[frame[name].map(is_missing).to_numpy(dtype=bool)]
    message = "expected a target, found nothing; fill it in or remove the row."
    return capped(Problem("error", f"Row {row}, column {name!r}: {message}", int(row), name) for row in rows)


def _check_unknown(frame: pd.DataFrame, name: str) -> list[Problem]:
    """Find cells that say that no class is known, which are no class themselves."""
    found = frame[name].map(lambda cell: is_unknown(cell) and not is_missing(cell)).to_numpy(dtype=bool)
    message = f"expected a class, found {UNKNOWN!r}, which says that none is known; fill it in or remove the row."
    return capped(
        Problem("error", f"Row {row}, column {name!r}: {message}", int(row), name, UNKNOWN)
        for row in file_rows(frame)[found]
    )


def _check_structures(frame: pd.DataFrame, name: str) -> list[Problem]:
    """Return one problem where the cells are those of a table: structures are read from files, never from cells."""
    if not any(isinstance(cell, str | int | float) for cell in frame[name] if not is_missing(cell)):
        return []
    message = (
        f"Column {name!r}: the task structure needs a measured structure a row, but this is a column of a table; "
        "choose structure files, or the task regression, classification or per_residue."
    )
    return [Problem("error", message, column=name)]


def _check_numbers(frame: pd.DataFrame, name: str) -> list[Problem]:
    if pd.api.types.is_float_dtype(frame[name]) and frame[name].nunique() > 1 and not np.isinf(frame[name]).any():
        return []
    cells = [(int(row), cell, number(cell)) for row, cell in zip(file_rows(frame), frame[name], strict=True)]
    cells = [item for item in cells if not is_missing(item[1])]
    problems = capped(
        _number_problem(row, name, cell) for row, cell, value in cells if value is None or not np.isfinite(value)
    )
    values = {value for _, _, value in cells}
    if len(values) == 1 and len(cells) > 1 and not problems:
        message = f"Column {name!r} is {values.pop():g} in every row; nothing is to be learned, choose another."
        problems.append(Problem("error", message, column=name))
    return problems


def _number_problem(row: int, name: str, cell: Any) -> Problem:
    advice = remedy(cell) or "correct or remove the row"
    # The cell may be the sequence of a whole protein, where the wrong column was chosen.
    found = printable(repr(cell), MAX_SHOWN)
    message = f"Row {row}, column {name!r}: expected a finite number, found {found}; {advice}."
    return Problem("error", message, row, name, printable(str(cell), MAX_SHOWN))


def _check_classes(frame: pd.DataFrame, name: str) -> list[Problem]:
    counts = Counter(class_name(cell) for cell in frame[name] if not is_unknown(cell))
    problems = _check_single_class(name, list(counts)) + _check_spoilt(frame, name) + _check_words(frame, name)
    problems += _check_balance(name, counts)
    if len(counts) > max(20, len(frame) // 2):
        message = (
            f"Column {name!r} has {len(counts)} classes in {len(frame)} rows; is it a number? Then choose regression."
        )
        problems.append(Problem("warning", message, column=name))
        return problems
    problems += _check_spellings(name, counts)
    small = [(label, count) for label, count in sorted(counts.items()) if count < FEW_ROWS]
    return problems + capped(
        Problem(
            "warning",
            f"Class {label!r} of column {name!r} has {count} row(s); expected at least {FEW_ROWS} to learn it.",
            column=name,
            value=label,
        )
        for label, count in small
    )


def _check_words(frame: pd.DataFrame, name: str) -> list[Problem]:
    """Warn where words among numbers are why each number is a class of its own."""
    num_numbers, words = words_among(frame[name])
    if not words or num_numbers < FEW_ROWS:
        return []
    distinct = {value for cell in frame[name] if not is_missing(cell) and (value := number(cell)) is not None}
    if all(value % 1 == 0 for value in distinct) and len(distinct) <= 10:
        return []
    word, count = next(iter(words.items()))
    row = int(file_rows(frame)[frame[name].astype(str).str.strip().eq(word).to_numpy().argmax()])
    message = (
        f"Column {name!r} has {num_numbers} numbers and {sum(words.values())} words ({word!r} in {count} "
        f"row{'' if count == 1 else 's'}, first in row {row}); the words make every number a class of its own. If "
        "numbers were measured, choose regression and leave out the rows of words, or write a number there."
    )
    return [Problem("warning", message, row, name, word)]


def _check_balance(name: str, counts: Counter[str]) -> list[Problem]:
    """Warn where nearly all rows are of one class, and of words that mean the same as yes or no."""
    if not counts:
        return []
    label, count = counts.most_common(1)[0]
    share = count / counts.total()
    problems = []
    if len(counts) > 1 and share >= LOPSIDED:
        message = (
            f"Class {label!r} of column {name!r} has {share:.0%} of the rows: a model that always says so has an "
            f"accuracy of {share:.2f}. Look at the balanced accuracy, and divide the rows by a stratified split."
        )
        problems.append(Problem("warning", message, column=name, value=label))
    for words in (YES, NO):
        alike = sorted(label for label in counts if label.casefold() in words)
        if len(alike) > 1 and len({label.casefold() for label in alike}) > 1:
            message = (
                f"Classes {', '.join(map(repr, alike))} of column {name!r} may mean the same; write them alike if so."
            )
            problems.append(Problem("warning", message, column=name, value=alike[1]))
    return problems


def _check_spoilt(frame: pd.DataFrame, name: str) -> list[Problem]:
    """Find cells that a spreadsheet put in the place of a class: a date among names, a failed formula."""
    rows = [(int(row), cell) for row, cell in zip(file_rows(frame), frame[name], strict=True) if isinstance(cell, str)]
    dates = [item for item in rows if is_date(item[1])]
    failed = [item for item in rows if SHEET_ERROR.fullmatch(item[1].strip())]
    # A column of dates only is somebody's choice.
    return capped(
        Problem(
            "error",
            f"Row {row}, column {name!r}: expected a class, found {printable(cell, 40)!r}; {remedy(cell)}.",
            row, name, cell,
        )
        for row, cell in sorted((dates if len(dates) < len(rows) else []) + failed)
    )  # fmt: skip


def _check_spellings(name: str, counts: Counter[str]) -> list[Problem]:
    """Warn of classes that are one word in several spellings."""
    alike: dict[str, list[str]] = {}
    for label in sorted(counts):
        alike.setdefault(" ".join(label.split()).casefold(), []).append(label)
    return capped(
        Problem(
            "warning",
            f"Classes {' and '.join(map(repr, labels))} of column {name!r} differ in capitals or blanks only; write "
            "them alike if they are one class.",
            column=name,
            value=labels[1],
        )
        for labels in alike.values()
        if len(labels) > 1
    )


def _check_single_class(name: str, classes: list[str]) -> list[Problem]:
    if len(classes) > 1 or not classes:
        return []
    message = f"Column {name!r} has one class, {classes[0]!r}; expected at least two, choose another column."
    return [Problem("error", message, column=name)]


def _check_residue_labels(frame: pd.DataFrame, columns: ColumnSettings) -> list[Problem]:
    name, sequence = columns.target, columns.sequence[0]
    rows = zip(file_rows(frame), frame[name], frame[sequence], strict=True)
    filled = [
        (int(row), residue_labels(cell) or [], len(plain_text(text)))
        for row, cell, text in rows
        if not is_missing(cell)
    ]
    problems = capped(
        Problem(
            "error",
            f"Row {row}, column {name!r}: expected one label for each of the {length} residues, found {len(labels)}; "
            "correct the labels or remove the row.",
            row,
            name,
            str(len(labels)),
        )
        for row, labels, length in filled
        if len(labels) != length
    )
    classes = list(residue_class_names(frame[name]))
    if filled and not classes:
        problems.append(
            Problem("error", f"Column {name!r} holds no label but {UNKNOWN!r}; choose another column.", column=name)
        )
    if len(classes) > 50:
        message = f"Column {name!r} has {len(classes)} different labels; expected at most 50 classes of residues."
        problems.append(Problem("error", message, column=name))
    return problems + _check_single_class(name, classes)
