"""The whole report on a table: what is in it, what is wrong, what would mend it, and what a test on it could say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from molfun.data.checks import check_table
from molfun.data.footers import without_footer
from molfun.data.labels import UNKNOWN, class_name, is_unknown, number, residue_labels
from molfun.data.leaks import LeakReport, find_leaks
from molfun.data.problems import Problem
from molfun.data.recipe import Step
from molfun.data.remedies import candidates
from molfun.data.settings import ColumnSettings, SplitSettings
from molfun.data.split_groups import promise_of, sequences_of
from molfun.data.splits import PARTS, assign_splits
from molfun.errors import DataError

MAX_BINS = 12


@dataclass(frozen=True)
class Report:
    """What is known of a table in the eyes of a model.

    Attributes:
        rows: Their number.
        columns: Which are used.
        lengths: Of the longest chain of each row: `shortest`, `median`, `longest`, `limit` (of the model), `histogram`
            (`from`, `to` and `rows` of each of up to 12 bins), and `costs` (`length_costs`).
        target: Of a number: `lowest`, `median`, `highest`; of classes: `classes` with the rows of each, per residue
            with the residues of each, and `without_label`, the residues that have none.
        problems: As `check_table` finds them.
        fixes: Steps that would change something, each with how many rows.
        parts: Rows of each part, empty where the split is impossible.
        split_error: Why it is.
        leaks: How alike test rows are to training rows, None where that is not known.
        sheet: Of an Excel file, which was read.
        sheets: All of its filled sheets.
    """

    rows: int
    columns: ColumnSettings
    lengths: dict[str, Any]
    target: dict[str, Any]
    problems: list[Problem]
    fixes: list[tuple[Step, int]]
    parts: dict[str, int]
    split_error: str
    leaks: LeakReport | None
    sheet: str = ""
    sheets: list[str] = field(default_factory=list)

    @property
    def is_fine(self) -> bool:
        """Whether nothing forbids a run."""
        return not self.split_error and all(problem.severity != "error" for problem in self.problems)

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {
            "fine": self.is_fine, "rows": self.rows, "columns": self.columns.model_dump(mode="json"),
            "lengths": self.lengths, "target": self.target,
            "problems": [vars(problem) for problem in self.problems],
            "fixes": [{"title": step.title(), "rows": count, "step": step.model_dump(mode="json")}
                      for step, count in self.fixes],
            "parts": self.parts, "split_error": self.split_error,
            "leaks": self.leaks.as_dict() if self.leaks else None, "sheet": self.sheet, "sheets": self.sheets,
        }  # fmt: skip


def examine(
    frame: pd.DataFrame, columns: ColumnSettings, split: SplitSettings, *, letters: str, max_residues: int,
    problems: Sequence[Problem] = (),
) -> Report:  # fmt: skip
    """Examine a table.

    Args:
        frame: Table of `read_table`.
        columns: Which are used; without a sequence or target column there is little to say.
        split: How rows would be divided.
        letters: Residues that the model knows.
        max_residues: Longest sequence that it takes.
        problems: What was found on the way here, such as mutations that do not fit to the wild type; said first.
    """
    found = check_table(frame, columns, letters=letters, max_residues=max_residues)
    named = [*columns.sequence, columns.target]
    is_usable = bool(columns.sequence) and all(name in frame.columns for name in named)
    fixes = candidates(frame, columns, letters=letters, max_residues=max_residues) if is_usable else []
    known = without_footer(frame, columns.sequence, columns.target) if is_usable else frame
    parts, leaks, error = _divided(known, columns, split) if is_usable else ({}, None, "")
    return Report(
        rows=len(frame), columns=columns, problems=[*problems, *found], parts=parts, leaks=leaks, split_error=error,
        fixes=fixes,
        lengths=_lengths(known, columns, max_residues) if is_usable else {},
        target=_target(known, columns) if is_usable else {},
        sheet=str(frame.attrs.get("sheet", "")), sheets=list(frame.attrs.get("sheets", [])),
    )  # fmt: skip


def _divided(
    frame: pd.DataFrame, columns: ColumnSettings, split: SplitSettings
) -> tuple[dict[str, int], LeakReport | None, str]:
    try:
        parts = assign_splits(frame, columns, split).tolist()
        leaks = find_leaks(sequences_of(frame, columns), parts, promise=promise_of(frame, columns, split))
    except DataError as error:
        return {}, None, str(error)
    return {part: parts.count(part) for part in PARTS}, leaks, ""


def _lengths(frame: pd.DataFrame, columns: ColumnSettings, max_residues: int) -> dict[str, Any]:
    lengths = np.array([[len(text) for text in chain] for chain in sequences_of(frame, columns)]).max(axis=0)
    lengths = lengths[lengths > 0]
    if not len(lengths):
        return {}
    return {
        "shortest": int(lengths.min()), "median": float(np.median(lengths)), "longest": int(lengths.max()),
        "limit": max_residues, "histogram": length_histogram(lengths), "costs": length_costs(lengths, max_residues),
    }  # fmt: skip


def length_histogram(lengths: np.ndarray) -> list[dict[str, int]]:
    """Return how many rows lie in each of up to 12 bins of equal width, `from` and `to` included.

    >>> length_histogram(np.array([10, 10, 12]))
    [{'from': 10, 'to': 10, 'rows': 2}, {'from': 11, 'to': 11, 'rows': 0}, {'from': 12, 'to': 12, 'rows': 1}]
    """
    low, high = int(lengths.min()), int(lengths.max())
    width = -(-(high - low + 1) // MAX_BINS)
    starts = range(low, high + 1, width)
    counts = np.bincount((lengths - low) // width, minlength=len(starts))
    return [{"from": start, "to": min(start + width - 1, high), "rows": int(count)}
            for start, count in zip(starts, counts, strict=True)]  # fmt: skip


def length_costs(lengths: np.ndarray, limit: int) -> dict[str, float]:
    """Return what each way to treat sequences beyond a model's limit costs.

    Args:
        lengths: Residues of each row's longest chain, int64 [rows].
        limit: Longest that the model takes.

    Returns:
        `rows` beyond the limit; `rows_share` of all, which leaving them out costs; `residues_share` of theirs, which
        cropping or a window costs.
    """
    long = lengths[lengths > limit]
    lost = float((long - limit).sum() / long.sum()) if len(long) else 0.0
    return {"rows": len(long), "rows_share": len(long) / max(1, len(lengths)), "residues_share": lost}


def _target(frame: pd.DataFrame, columns: ColumnSettings) -> dict[str, Any]:
    cells = frame[columns.target]
    if columns.task == "classification":
        counts = pd.Series([class_name(cell) for cell in cells if not is_unknown(cell)]).value_counts()
        return {"classes": {str(name): int(count) for name, count in counts.items()}}
    if columns.task == "per_residue":
        labels = Counter(label for cell in cells for label in residue_labels(cell) or [])
        without = labels.pop(UNKNOWN, 0)
        return {"classes": dict(labels.most_common()), "without_label": without}
    values = np.array([value for cell in cells if (value := number(cell)) is not None], dtype=float)
    values = values[np.isfinite(values)]
    if not len(values):
        return {}
    return {"lowest": float(values.min()), "median": float(np.median(values)), "highest": float(values.max())}
