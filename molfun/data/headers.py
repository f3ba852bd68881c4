"""Finds the header of a table among titles, comments, second header rows and units, and takes it off the rows.

Text and Excel files go through the same steps: `header_place` looks at the first rows, `with_header` at all of them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd

from molfun.data import limits
from molfun.data.notations import MISSING, NUMBER, UNIT
from molfun.errors import DataError, printable

FIRST_ROWS = 50
SAMPLE_ROWS = 200
A_NUMBER = re.compile(rf"'?{NUMBER}")
PROTEIN = re.compile(r"[ACDEFGHIKLMNPQRSTVWYX]{5,}|[acdefghiklmnpqrstvwyx]{20,}")
LONG = 20
RULE = re.compile(r"[:\s]*[-=_]{2,}[:\s]*")


def header_place(rows: Sequence[Sequence[str]]) -> int:
    """Return how many rows stand above the header: blank ones, comments, and titles of one cell.

    Args:
        rows: The first rows of the file, with their cells.
    """
    filled = [[cell for cell in row if cell.strip()] for row in rows[:FIRST_ROWS]]
    place = next((i for i, cells in enumerate(filled) if cells and not _is_comment(cells)), 0)
    if len(filled[place]) > 1:
        return _below_facts(rows[:FIRST_ROWS], place)
    widest = next((i for i, cells in enumerate(filled) if i > place and len(cells) > 1), None)
    # A title is a cell alone above rows of several cells, of which the first can only be names.
    return widest if widest is not None and _are_names(filled[widest]) and widest + 1 < len(filled) else place


def _below_facts(rows: Sequence[Sequence[str]], place: int) -> int:
    """Return the row of names below facts about the table ("Instrument:,SpectraMax"), which have two cells at most.

    A row of names is wider than all above it, filled from its first cell on, and has data below.
    """
    for i in range(place, len(rows) - 1):
        cells = [cell.strip() for cell in rows[i]]
        while cells and not cells[-1]:
            cells.pop()
        if len(cells) > 2:
            is_header = i > place and all(cells) and _are_names(cells) and looks_like_data(rows[i + 1])
            return i if is_header else place
    return place


def _is_comment(cells: Sequence[str]) -> bool:
    return len(cells) == 1 and cells[0].lstrip().startswith("#")


def _are_names(cells: Sequence[str]) -> bool:
    return not any(A_NUMBER.fullmatch(cell.strip()) or _is_long_protein(cell.strip()) for cell in cells)


def _is_long_protein(cell: str) -> bool:
    # No word of so few different letters: "xxxxxxxx..." is somebody's column name.
    return len(cell) >= LONG and PROTEIN.fullmatch(cell) is not None and (cell.isupper() or len(set(cell)) > 4)


def looks_like_data(cells: Sequence[str]) -> bool:
    """Tell whether a row holds a number or a sequence, which no header does."""
    return any(A_NUMBER.fullmatch(cell.strip()) or PROTEIN.fullmatch(cell.strip()) for cell in cells)


def with_header(cells: pd.DataFrame, shown: str, numbers: np.ndarray) -> pd.DataFrame:
    """Take row 0 as column names; leave out blank rows, comments, units, and where the header stands again.

    Args:
        cells: Text, "" where there is nothing.
        shown: File name for messages.
        numbers: Row of the file of every row, int64 [rows].

    Raises:
        DataError: Row 0 is no header, or gives two columns one name.
    """
    first, row = [str(cell).strip() for cell in cells.iloc[0]], int(numbers[0])
    body = cells.iloc[1:]
    kept = ~_is_left_out(body, first)
    body, numbers = body.loc[kept], numbers[1:][kept]
    _refuse_data(first, body.iloc[:SAMPLE_ROWS], f"{shown}, row {row}")
    names, num_rows = _joined(first, body.iloc[:SAMPLE_ROWS])
    names = [limits.column_name(name, i) for i, name in enumerate(names, start=1)]
    limits.refuse_names(names, shown, row)
    body, numbers = body.iloc[num_rows:].reset_index(drop=True), numbers[num_rows:]
    body.columns = pd.Index(names)
    is_used = np.array([name != "" for name in first]) | (body != "").any(axis=0).to_numpy(dtype=bool)
    body = body.loc[:, is_used | (not len(body))]
    body.attrs = {"first_row": int(numbers[0]) if len(numbers) else row + 1}
    if len(numbers) and numbers[-1] - numbers[0] + 1 != len(numbers):
        body.attrs["file_rows"] = numbers.tolist()
    return body


def _is_left_out(body: pd.DataFrame, first: Sequence[str]) -> np.ndarray:
    """Tell of every row whether it is blank, a comment, or the header again, bool [rows]."""
    num_filled = np.zeros(len(body), dtype=np.int64)
    for i in range(body.shape[1]):
        num_filled += (body.iloc[:, i].str.strip() != "").to_numpy(dtype=bool)
    is_left_out: np.ndarray = num_filled == 0
    if not len(body):
        return is_left_out
    start = body.iloc[:, 0].str.strip()
    is_comment = start.str.startswith("#").to_numpy(dtype=bool) & (num_filled == 1) & (body.shape[1] > 1)
    repeats = np.array(start == first[0], dtype=bool)
    for i, name in enumerate(first[1:], start=1):
        repeats[repeats] = (body.iloc[repeats, i].str.strip() == name).to_numpy(dtype=bool)
    is_left_out |= is_comment | repeats
    return is_left_out


def _refuse_data(first: Sequence[str], body: pd.DataFrame, place: str) -> None:
    """Refuse a first row that is a row of data: a sequence above sequences, beside a number or a class that recurs."""
    for number, cell in enumerate(first, start=1):
        if _is_long_protein(cell):
            raise DataError(
                f"{place}, column {number}: expected a column name, found a sequence ({printable(cell, 20)!r}); add a "
                "header row."
            )
    proteins = [i for i, cell in enumerate(first) if PROTEIN.fullmatch(cell) and _share(body.iloc[:, i], PROTEIN) > 0.7]
    others = [i for i, cell in enumerate(first) if i not in proteins and _recurs(cell, body.iloc[:, i])]
    if proteins and others:
        found = f"{first[proteins[0]]!r} and {first[others[0]]!r}"
        raise DataError(f"{place}: expected column names, found what looks like data, {found}; add a header row.")


def _recurs(cell: str, column: pd.Series) -> bool:
    """Tell whether a header's cell is like those below it: a number above numbers, or one of few words."""
    if A_NUMBER.fullmatch(cell):
        return _share(column, A_NUMBER) > 0.7
    return cell != "" and bool((column.str.strip() == cell).any())


def _share(column: pd.Series, pattern: re.Pattern[str]) -> float:
    filled = column.str.strip()
    filled = filled[~filled.str.lower().isin(MISSING)]
    return float(filled.str.fullmatch(pattern).mean()) if len(filled) else 0.0


def _joined(first: Sequence[str], body: pd.DataFrame) -> tuple[list[str], int]:
    """Return the column names and how many rows below them say more: names under merged cells, units, a rule."""
    names = list(first)
    if len(body) < 2:
        return names, 0
    second = [str(cell).strip() for cell in body.iloc[0]]
    if all(RULE.fullmatch(cell) for cell in second if cell):
        return names, 1
    said = [i for i, cell in enumerate(second) if cell.lower() not in MISSING]
    above_numbers = [i for i in said if _share(body.iloc[1:, i], A_NUMBER) == 1.0]
    if looks_like_data(second) or not above_numbers:
        return names, 0
    if all(UNIT.fullmatch(second[i]) for i in above_numbers) and all(names[i] for i in said):
        units = [second[i].strip("[]()") if i in above_numbers else "" for i in range(len(second))]
        return [f"{name} ({unit})" if unit else name for name, unit in zip(names, units, strict=True)], 1
    if any(not names[i] or names.count(names[i]) > 1 for i in said):
        return [_under(names, second, i) for i in range(len(names))], 1
    return names, 0


def _under(first: Sequence[str], second: Sequence[str], place: int) -> str:
    """Return a column's name out of two rows; a merged cell holds its name at its first column only."""
    above = place
    while above and not first[above] and second[above] and second[above - 1]:
        above -= 1
    return f"{first[above]} {second[place]}".strip() if second[place] else first[place]
