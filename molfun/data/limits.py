"""How large a table may be, and names of files and columns as they may be shown: what keeps one file from filling the
memory of everyone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import pandas as pd

from molfun.errors import DataError, printable

# The largest public tables of variants have 2 million rows; a cell of the longest protein (titin) with a label and a
# separator for every residue has 70,000 characters.
MAX_ROWS = 2_000_000
MAX_COLUMNS = 1_000
MAX_CELLS = 20_000_000
MAX_CELL_CHARACTERS = 200_000
MAX_NAME_CHARACTERS = 200
SHOWN_NAME_CHARACTERS = 80
QUOTED = re.compile("^['\"\u2018\u201a\u201c\u201e\u00ab](.+)['\"\u2019\u2018\u201d\u201c\u00bb]$")


def shown_name(name: str) -> str:
    """Return a file's name as it may stand in a sentence: without folder, control characters and excessive length.

    >>> shown_name("../../up.csv"), shown_name("a\\x1b[31m.csv"), len(shown_name("x" * 500))
    ('up.csv', 'a�[31m.csv', 79)
    """
    last = name.replace("\\", "/").rstrip("/").rpartition("/")[2]
    return printable(last, SHOWN_NAME_CHARACTERS) or "the file"


def column_name(cell: object, number: int) -> str:
    """Return a header's cell as the name of column `number` (from 1): one line, printable letters only.

    >>> column_name("Tm\\n(°C)", 1), column_name(" ", 2), column_name("\u201cy\u201d", 3)
    ('Tm (°C)', 'column_2', 'y')
    """
    words = QUOTED.sub(r"\1", " ".join(str(cell).split()))
    return "".join(letter for letter in words if letter.isprintable()) or f"column_{number}"


def refuse_size(shown: str, num_rows: int, num_columns: int) -> None:
    """Refuse a table of more rows, columns or cells than can be handled, as soon as they are known.

    Raises:
        DataError: It is too large; the sentence tells the limit.
    """
    if num_columns > MAX_COLUMNS:
        raise DataError(
            f"{shown} has {num_columns:,} columns, the limit is {MAX_COLUMNS:,}; keep the columns that you need."
        )
    if num_rows > MAX_ROWS:
        raise DataError(f"{shown} has more than {MAX_ROWS:,} rows, which is the limit; keep the rows that you need.")
    if num_rows * num_columns > MAX_CELLS:
        raise DataError(
            f"{shown} has {num_rows:,} rows of {num_columns:,} columns, the limit is {MAX_CELLS:,} cells; "
            "keep the columns and rows that you need."
        )


def refuse_names(names: Iterable[str], shown: str, row: int | None = None) -> None:
    """Refuse column names that stand twice or are no names.

    Args:
        names: In the order of the file.
        shown: File name for messages.
        row: Row of the header, None where the file has no such row.

    Raises:
        DataError: The sentence names the column.
    """
    seen: dict[str, int] = {}
    place = shown if row is None else f"{shown}, row {row}"
    for number, name in enumerate(names, start=1):
        if len(name) > MAX_NAME_CHARACTERS:
            raise DataError(
                f"{place}, column {number}: the column name has {len(name):,} characters, the limit is "
                f"{MAX_NAME_CHARACTERS}; add a header row with short names."
            )
        if name in seen:
            raise DataError(
                f"{place}, column {number}: expected a name of its own, found more than one column named {name!r} "
                f"(also column {seen[name]}); give each column its own name."
            )
        seen[name] = number


def refuse_long_cells(frame: pd.DataFrame, shown: str, rows: Iterable[int]) -> None:
    """Refuse a cell with more text, or a longer list, than any protein has.

    Args:
        frame: The table.
        shown: File name for messages.
        rows: Row of the file of every row of the table.

    Raises:
        DataError: The sentence names row and column.
    """
    for name in frame.columns:
        column = frame[name]
        if pd.api.types.is_numeric_dtype(column) or pd.api.types.is_datetime64_any_dtype(column):
            continue
        is_text = isinstance(column.dtype, pd.StringDtype)
        lengths = (column.str.len().fillna(0) if is_text else column.map(_length)).to_numpy(dtype="int64")
        if len(lengths) and lengths.max() > MAX_CELL_CHARACTERS:
            place = int(lengths.argmax())
            raise DataError(
                f"{shown}, row {list(rows)[place]}, column {name!r}: the cell has {lengths[place]:,} characters, the "
                f"limit is {MAX_CELL_CHARACTERS:,}; shorten it or remove the row."
            )


def _length(cell: object) -> int:
    return len(cell) if hasattr(cell, "__len__") else 0
