"""What every step of a recipe is made of: changes with their row, cells mapped, rows left out, columns added."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import pandas as pd

from molfun.data.labels import is_missing
from molfun.data.row_numbers import file_rows
from molfun.errors import DataError, printable

MAX_SHOWN = 60


class Change(NamedTuple):
    """What a step did to one row: what stood in a column and what stands there now; "" where the row is gone."""

    row: int
    column: str
    before: str
    after: str


Cleaned: TypeAlias = tuple[pd.DataFrame, list[Change]]


def find(frame: pd.DataFrame, name: str) -> pd.Series:
    """Return a column.

    Raises:
        DataError: The table has none of that name.
    """
    if name not in frame.columns:
        raise DataError(f"the table has no column {name!r}; its columns are: {', '.join(map(str, frame.columns))}")
    return frame[name]


def plain_text(cell: Any) -> str:
    """Return a cell as text without blanks around it, "" where there is nothing."""
    return "" if is_missing(cell) else str(cell).strip()


def same_key(cell: Any) -> Any:
    """Return what is equal for cells that mean the same: text in any case, lists by their entries."""
    if isinstance(cell, str):
        return cell.strip().upper()
    return repr(cell.tolist()) if isinstance(cell, np.ndarray) else repr(cell)


def row_keys(frame: pd.DataFrame, names: Sequence[str]) -> pd.Series:
    """Return a number for each row by what it has in some columns; rows that mean the same have the same."""
    columns = [find(frame, name) for name in names]
    cells = [column if pd.api.types.is_float_dtype(column) else column.map(same_key) for column in columns]
    return pd.Series(same_rows(cells), index=frame.index)


def same_rows(columns: Sequence[Sequence[Any] | pd.Series]) -> np.ndarray:
    """Return a number for each row, int64 [rows]; rows with the same cells in every column have the same."""
    numbers = np.zeros(len(columns[0]), np.int64)
    for column in columns:
        codes, distinct = pd.factorize(_cells(column))
        numbers = pd.factorize(numbers * (len(distinct) + 1) + codes)[0]
    return numbers


def _cells(column: Sequence[Any] | pd.Series) -> np.ndarray:
    if isinstance(column, pd.Series):
        return np.asarray(column.to_numpy(dtype=None if pd.api.types.is_float_dtype(column) else object))
    return np.array([*column, ""], dtype=object)[:-1]  # lists and text alike as one cell each


def shown(cell: Any) -> str:
    """Return a cell as it is listed among changes."""
    return "" if is_missing(cell) else printable(str(cell), MAX_SHOWN)


def mapped(frame: pd.DataFrame, columns: Sequence[str], change: Callable[[Any], str]) -> Cleaned:
    """Return the table with the filled text cells of columns changed."""
    rows, cleaned, changes = file_rows(frame), frame, []
    for name in columns:
        cells = find(frame, name)
        after = [change(cell) if isinstance(cell, str) and not is_missing(cell) else cell for cell in cells]
        found = [
            Change(int(row), name, shown(old), shown(new))
            for row, old, new in zip(rows, cells, after, strict=True)
            if isinstance(old, str) and isinstance(new, str) and old.strip() != new
        ]
        if found:
            cleaned = cleaned.assign(**{name: pd.Series(after, index=frame.index, dtype=object)})
            changes += found
    return kept(cleaned, frame), changes


def dropped(frame: pd.DataFrame, chosen: np.ndarray, columns: Sequence[str]) -> Cleaned:
    """Return the table without the chosen rows, bool [rows]; their cell of the last column is what is said of them."""
    rows = file_rows(frame)
    cells = zip(rows[chosen], frame[columns[-1]][chosen], strict=True)
    changes = [Change(int(row), columns[-1], shown(cell), "") for row, cell in cells]
    left = frame[~chosen].reset_index(drop=True)
    left.attrs = {**frame.attrs, "file_rows": rows[~chosen].tolist()}
    return left, changes


def added(frame: pd.DataFrame, into: str, cells: Sequence[Any], before: pd.Series) -> Cleaned:
    """Return the table with a new column, and for each row from what it was made."""
    cleaned = frame.assign(**{into: pd.Series(cells, index=frame.index, dtype=object)})
    rows = zip(file_rows(frame), before, cells, strict=True)
    return kept(cleaned, frame), [Change(int(row), into, shown(old), shown(new)) for row, old, new in rows]


def kept(cleaned: pd.DataFrame, frame: pd.DataFrame) -> pd.DataFrame:
    """Return a changed table with the row numbers and the file of the one that it was made of."""
    cleaned.attrs = dict(frame.attrs)
    return cleaned
