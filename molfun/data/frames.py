"""Takes a DataFrame of a Python session as if it had been read from a file: plain cells, names that are text."""

from __future__ import annotations

import pandas as pd

from molfun.data import limits
from molfun.data.notations import typed
from molfun.data.row_numbers import file_rows
from molfun.errors import DataError

SHOWN = "The DataFrame"


def read_frame(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a DataFrame as `read_table` gives the table of a file; the one that is given stays as it is.

    Args:
        frame: One row a protein; its index is left out.

    Returns:
        Rows with index 0..n-1, numbered from 0 as `iloc` counts them: `attrs["first_row"]` is 0.

    Raises:
        DataError: It has no rows, is too large, or two columns have the same name.
    """
    if frame.empty:
        raise DataError(f"{SHOWN} has {len(frame)} rows and {frame.shape[1]} columns; expected at least one of each.")
    limits.refuse_size(SHOWN, *frame.shape)
    names = [str(name) for name in frame.columns]
    limits.refuse_names(names, SHOWN)
    made = pd.DataFrame({name: _plain(frame.iloc[:, place]) for place, name in enumerate(names)})
    made.attrs = {"file": SHOWN, "first_row": 0}
    limits.refuse_long_cells(made, SHOWN, file_rows(made))
    return typed(made, SHOWN)


def _plain(column: pd.Series) -> pd.Series:
    """Return a column without pandas' own types, whose cells the same content would not hash alike in."""
    column = column.reset_index(drop=True)
    if column.dtype == object:
        return column.where(column.notna(), None)
    if not pd.api.types.is_extension_array_dtype(column.dtype):
        return column
    if not pd.api.types.is_numeric_dtype(column.dtype) or pd.api.types.is_bool_dtype(column.dtype):
        return column.astype(object).where(column.notna(), None)
    is_whole = pd.api.types.is_integer_dtype(column.dtype) and bool(column.notna().all())
    return column.astype("int64" if is_whole else "float64")
