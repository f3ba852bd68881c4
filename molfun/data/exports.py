"""Tables on their way out: CSV that a spreadsheet shows as it is, instead of running what stands in a cell.

Excel and its like take a text such as `=HYPERLINK(...)` for a formula, whoever wrote it into the table. It gets a
leading apostrophe, after which it is text. Numbers are untouched. `restore` undoes it exactly.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

# A formula begins with one of these signs, also full-width ones, also behind blanks and invisible letters.
_BLANK = r"[\s\x00-\x20\u200b-\u200f\u2060\ufeff]*"
_FORMULA = rf"'*{_BLANK}[=+\-@\uff1d\uff0b\uff0d\uff20]"
_DANGEROUS = re.compile(_FORMULA)
_GUARDED = re.compile(rf"'{_FORMULA}")
# Some programs drop these at the beginning of a cell, and then see what follows.
_STARTS_WITH_BREAK = re.compile(r"'*[\t\r\n]")
_GUARDED_BREAK = re.compile(r"''*[\t\r\n]")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
# Where a program may cut a cell in two: Excel reads semicolons as separators in half of Europe, and a quotation mark
# within a field does not hold it back.
_CUT = re.compile(r"([;\t\r\n])")


def to_csv(frame: pd.DataFrame) -> str:
    """Return a table as CSV without its index, safe to open in a spreadsheet; lists are written as `list_text` does."""
    text: str = neutralise(lists_as_text(frame)).to_csv(index=False)
    return text


def lists_as_text(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the table with lists as text, as they can be read again as labels of residues."""
    is_list = {name: frame[name].map(lambda cell: isinstance(cell, list | tuple | np.ndarray)) for name in frame}
    found = [name for name, cells in is_list.items() if cells.any()]
    return frame.assign(**{name: frame[name].map(list_text) for name in found})


def list_text(cell: Any) -> Any:
    """Return a list as one text: letter by letter where each entry is one, else parted by semicolons; others as is.

    >>> list_text(["H", "C"]), list_text(["helix", "coil"]), list_text([0.25, 0.5]), list_text("HC")
    ('HC', 'helix;coil', '0.25;0.5', 'HC')
    """
    if not isinstance(cell, list | tuple | np.ndarray):
        return cell
    entries = [f"{entry:.6g}" if isinstance(entry, float | np.floating) else str(entry) for entry in cell]
    return ("" if all(len(entry) == 1 for entry in entries) else ";").join(entries)


def neutralise(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a copy in which no cell and no column name begins a formula: such text gets a leading apostrophe.

    Texts that are plain numbers ("-1.5") stay, and so does every column that holds numbers.

    Example:
        >>> neutralise(pd.DataFrame({"note": ["=1+1", "-1.5", "fine"]}))["note"].tolist()
        ["'=1+1", '-1.5', 'fine']
    """
    return _map_text(frame, neutralise_text)


def restore(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the table that `neutralise` was given."""
    return _map_text(frame, _restore_text)


def neutralise_text(text: str) -> str:
    """Return a text as it may stand in a cell."""
    safe = "".join(f"'{part}" if _is_formula(part) else part for part in _CUT.split(text))
    return f"'{safe}" if _STARTS_WITH_BREAK.match(safe) else safe


def _restore_text(text: str) -> str:
    text = text[1:] if _GUARDED_BREAK.match(text) else text
    return "".join(part[1:] if _GUARDED.match(part) else part for part in _CUT.split(text))


def _is_formula(part: str) -> bool:
    return _DANGEROUS.match(part) is not None and _NUMBER.fullmatch(part.strip()) is None


def _map_text(frame: pd.DataFrame, change: Callable[[str], str]) -> pd.DataFrame:
    """Return a copy with `change` applied to every text in cells and column names."""

    def cell(value: Any) -> Any:
        return change(value) if isinstance(value, str) else value

    columns = [column.astype(object).map(cell) if _holds_text(column) else column for _, column in frame.items()]
    changed = pd.concat(columns, axis=1) if columns else frame.copy()
    changed.columns = pd.Index([cell(name) for name in frame.columns])
    return changed


def _holds_text(column: pd.Series) -> bool:
    return column.dtype == object or isinstance(column.dtype, pd.CategoricalDtype | pd.StringDtype)
