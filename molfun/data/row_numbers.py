"""Rows of a table by their numbers in the file, which is how people find them."""

from __future__ import annotations

import numpy as np
import pandas as pd


def file_rows(frame: pd.DataFrame) -> np.ndarray:
    """Return the file's row number of every row of a table that `read_table` read, int64 [rows]."""
    known = frame.attrs.get("file_rows")
    if known is not None and len(known) == len(frame):
        return np.asarray(known, dtype=np.int64)
    return np.arange(len(frame), dtype=np.int64) + int(frame.attrs.get("first_row", 1))
