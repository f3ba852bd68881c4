"""Turns target cells into numbers: floats, class indices, or one class index a residue."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

NO_LABEL = -1
UNKNOWN = "?"
NO_ENTRY = ("", "None", "nan", "NaN", "NA", "null", "<NA>")


def is_missing(cell: Any) -> bool:
    """Tell whether a cell holds nothing: None, NaN, or blank text."""
    if isinstance(cell, str):
        return not cell.strip()
    if isinstance(cell, float):
        return cell != cell  # NaN; tables have millions of these
    if isinstance(cell, list | tuple | np.ndarray):
        return len(cell) == 0
    return cell is None or bool(pd.isna(cell))


def is_unknown(cell: Any) -> bool:
    """Tell whether a cell holds nothing, or "?", by which people say that they do not know."""
    return is_missing(cell) or (isinstance(cell, str) and cell.strip() == UNKNOWN)


def number(cell: Any) -> float | None:
    """Return a cell as a float, None where it is text; missing cells are NaN."""
    if is_missing(cell):
        return math.nan
    if isinstance(cell, str) and "_" in cell:  # Python's own "1_000"
        return None
    try:
        return float(cell)
    except (TypeError, ValueError):
        return None
    except OverflowError:  # a whole number of more than 308 digits
        return math.inf


def class_name(cell: Any) -> str:
    """Return a class cell as text; 1 and 1.0 are the same class."""
    if isinstance(cell, float | np.floating) and float(cell).is_integer():
        return str(int(cell))
    return str(cell).strip()


def residue_labels(cell: Any) -> list[str] | None:
    """Return one label a residue, None where the cell is no such thing.

    A cell is a list, text with separators ("0 1 1", "[0, 1, 1]", "helix,coil") or text with one letter a residue
    ("HHHCC"). "?" or a missing entry of a list means that the residue has no label.
    """
    if is_missing(cell):
        return None
    if isinstance(cell, list | tuple | np.ndarray):
        return [UNKNOWN if is_missing(item) else class_name(item) for item in cell]
    if not isinstance(cell, str):
        return None
    text = cell.strip().removeprefix("[").removesuffix("]").strip()
    # A list of Python, R or pandas that was written as text: None among its entries is no class.
    nothing = NO_ENTRY if text != cell.strip() else ("",)
    for separator in (",", ";", None):
        parts = [part.strip().strip("'\"") for part in text.split(separator)]
        if len(parts) > 1:
            return [UNKNOWN if part in nothing else part for part in parts]
    return list(text)


def class_names(cells: Iterable[Any]) -> tuple[str, ...]:
    """Return the classes of a column: numbers in order of size, else text in alphabetical order."""
    found = {class_name(cell) for cell in cells if not is_missing(cell)} - {UNKNOWN}
    return tuple(sorted(found, key=_class_order))


def _class_order(name: str) -> tuple[int, float, str]:
    value = number(name)
    return (1, 0.0, name) if value is None or math.isnan(value) else (0, value, name)


def residue_class_names(cells: Iterable[Any]) -> tuple[str, ...]:
    """Return the classes that occur in a column of per-residue labels."""
    return class_names(label for cell in cells for label in residue_labels(cell) or [])


def encode_residues(cell: Any, classes: Sequence[str]) -> list[int]:
    """Return class indices of one cell's residues, -1 where a residue has no label."""
    index = {name: i for i, name in enumerate(classes)}
    return [index.get(label, NO_LABEL) for label in residue_labels(cell) or []]
