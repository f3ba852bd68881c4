"""Reads table files (CSV, TSV, Excel, Parquet) into DataFrames and refuses what cannot be read, naming file and row.

Text is read by `text_tables`, Excel by `workbooks`, Parquet by `parquet`, FASTA by `fasta`; `limits` says how large a
table may be. Columns are guessed by `guess`; what the rows mean is judged by `checks`.
"""

from __future__ import annotations

import stat
from pathlib import Path

import numpy as np
import pandas as pd

from molfun.data import limits
from molfun.data.fasta import join_values, read_fasta
from molfun.data.guess import guess_columns
from molfun.data.parquet import read_parquet
from molfun.data.text_tables import ADVICE, decode, read_text, with_header
from molfun.data.workbooks import read_first_sheet
from molfun.errors import DataError, printable

__all__ = ["FORMATS", "MAX_TABLE_BYTES", "NOT_READ", "file_rows", "guess_columns", "read_table"]

MAX_TABLE_BYTES = 100 * 1024 * 1024
FORMATS = {
    ".csv": "text", ".tsv": "text", ".tab": "text", ".txt": "text", ".xlsx": "excel",
    ".parquet": "parquet", ".pq": "parquet", ".fasta": "fasta", ".fa": "fasta", ".faa": "fasta", ".fas": "fasta",
}  # fmt: skip
NOT_READ = {
    ".xls": "is in Excel's old format; save it as .xlsx or CSV",
    ".xlsb": "is in Excel's binary format; save it as .xlsx or CSV",
    ".xlsm": "is in Excel's format for macros; save it as .xlsx or CSV",
    ".ods": "is an OpenDocument sheet; save it as .xlsx or CSV",
    ".numbers": "is a sheet of Numbers; export it as .xlsx or CSV",
} | dict.fromkeys(
    (".gz", ".zip", ".bz2", ".xz", ".zst", ".7z", ".tar", ".tgz"),
    f"is compressed; unpack it, then choose the file inside ({ADVICE})",
)
# An Excel file may unpack to this many times the size that a table may have.
UNPACKED = 2
MISSING_NUMBERS = {"", "na", "nan", "n/a", "#n/a", "null", "none"}


def read_table(path: Path, *, name: str = "", values: Path | None = None, values_name: str = "") -> pd.DataFrame:
    """Read a table of sequences.

    Args:
        path: CSV, TSV, Excel, Parquet or FASTA file.
        name: File name to show and to take the suffix from, where `path` is an upload's temporary copy.
        values: Second table with an `id` column, joined to a FASTA file's records.
        values_name: As `name`, for `values`.

    Returns:
        Rows with index 0..n-1. `attrs["first_row"]` is the row number in the file of row 0 (the header is row 1);
        `attrs["file_rows"]` lists all row numbers where blank rows were left out.

    Raises:
        DataError: The file is missing, empty, too large, holds only a header, or cannot be read.
    """
    path, shown = Path(path), limits.shown_name(name or Path(path).name)
    check_file(path, shown)
    kind = _kind(path, shown)
    if kind == "fasta":
        frame = read_fasta(decode(path, shown), shown)
    elif values is not None:
        raise DataError(
            f"A second table of values belongs to a FASTA file, but {shown} is none; remove one of the two."
        )
    else:
        frame = _READERS[kind](path, shown)
    if values is not None:
        shown_values = limits.shown_name(values_name or Path(values).name)
        frame = join_values(frame, read_table(values, name=shown_values), shown, shown_values)
    if frame.empty:
        raise DataError(f"{shown} has a header but no rows; expected at least one row of data below it.")
    limits.refuse_size(shown, *frame.shape)
    limits.refuse_names(frame.columns, shown)
    limits.refuse_long_cells(frame, shown, file_rows(frame))
    return _typed(frame)


def file_rows(frame: pd.DataFrame) -> np.ndarray:
    """Return the file's row number of every row of a table that `read_table` read, int64 [rows]."""
    known = frame.attrs.get("file_rows")
    if known is not None and len(known) == len(frame):
        return np.asarray(known, dtype=np.int64)
    return np.arange(len(frame), dtype=np.int64) + int(frame.attrs.get("first_row", 1))


def check_file(path: Path, shown: str) -> None:
    """Refuse a file by what the file system says of it, before a byte is read.

    Raises:
        DataError: It is missing, no plain file, empty, or larger than `MAX_TABLE_BYTES`.
    """
    try:
        found = path.stat()
    except (OSError, ValueError):
        # ValueError is what Python makes of a path with a NUL character.
        raise DataError(f"There is no file {printable(str(path), 500)}; check the path.") from None
    if not stat.S_ISREG(found.st_mode):
        raise DataError(f"{shown} is no file; {ADVICE}.")
    size = found.st_size
    if size == 0:
        raise DataError(f"{shown} is empty (0 bytes); expected a table with a header and rows.")
    if size > MAX_TABLE_BYTES:
        megabytes, limit = size / 1024**2, MAX_TABLE_BYTES // 1024**2
        raise DataError(
            f"{shown} has {megabytes:.0f} MB, the limit is {limit} MB; keep the columns and rows that you need."
        )


def _kind(path: Path, shown: str) -> str:
    suffix = Path(shown).suffix.lower()
    if suffix in FORMATS:
        return FORMATS[suffix]
    if suffix in NOT_READ:
        raise DataError(f"{shown} {NOT_READ[suffix]}.")
    with path.open("rb") as file:
        head = file.read(64).lstrip()
    if head.startswith(b">"):
        return "fasta"
    raise DataError(f"{shown} has the unknown ending {suffix or '(none)'!r}; {ADVICE}.")


def _read_excel(path: Path, shown: str) -> pd.DataFrame:
    return with_header(read_first_sheet(path, shown, max_unpacked_bytes=UNPACKED * MAX_TABLE_BYTES), shown)


def _typed(frame: pd.DataFrame) -> pd.DataFrame:
    """Turn text columns whose every filled cell is a number into numbers; blank cells of others become missing.

    Done by hand: pandas takes the classes "NA" and "None", and the peptide "NA", for missing values.
    """
    attrs = frame.attrs
    columns = {name: _typed_column(frame[name]) for name in frame.columns}
    frame = pd.DataFrame(columns)
    frame.attrs = attrs
    return frame


def _typed_column(column: pd.Series) -> pd.Series:
    if (
        pd.api.types.is_numeric_dtype(column)
        or not column.map(lambda cell: isinstance(cell, str) or cell is None).all()
    ):
        return column
    text = column.fillna("").str.strip()
    blank = text.str.lower().isin(MISSING_NUMBERS)
    numbers = pd.to_numeric(text.where(~blank), errors="coerce")
    if not blank.all() and numbers[~blank].notna().all():
        return numbers
    return text.where(text != "", None).astype(object)


_READERS = {"text": read_text, "excel": _read_excel, "parquet": read_parquet}
