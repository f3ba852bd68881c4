"""Reads table files (CSV, TSV, Excel, Parquet) into DataFrames and refuses what cannot be read, naming file and row.

What a file is, is told by `contents`. Text is read by `text_tables`, Excel by `workbooks`, Parquet by `parquet`, FASTA
by `fasta`; `headers` takes the column names off, `notations` reads the numbers, `limits` says how large a table may be.
Columns are guessed by `guess`; what the rows mean is judged by `checks`.
"""

from __future__ import annotations

import stat
from pathlib import Path

import numpy as np
import pandas as pd

from molfun.data import limits
from molfun.data.contents import true_kind
from molfun.data.decoding import ADVICE, decode
from molfun.data.fasta import join_values, read_fasta
from molfun.data.guess import guess_columns
from molfun.data.headers import FIRST_ROWS, header_place, with_header
from molfun.data.notations import typed
from molfun.data.parquet import read_parquet
from molfun.data.row_numbers import file_rows
from molfun.data.text_tables import read_text
from molfun.data.workbooks import fill_merged, read_sheet
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


def read_table(
    path: Path, *, name: str = "", values: Path | None = None, values_name: str = "", sheet: str = ""
) -> pd.DataFrame:
    """Read a table of sequences.

    Args:
        path: CSV, TSV, Excel, Parquet or FASTA file.
        name: File name to show and to take the suffix from, where `path` is an upload's temporary copy.
        values: Second table with an `id` column, joined to a FASTA file's records; or FASTA records of the same names
            whose letters are labels of residues, which become the column `labels`.
        values_name: As `name`, for `values`.
        sheet: Of an Excel file; "" takes the first one with sequences, else the first one with a table.

    Returns:
        Rows with index 0..n-1. `attrs["first_row"]` is the row number in the file of row 0 (the header is row 1);
        `attrs["file_rows"]` lists all row numbers where rows were left out: blank ones, comments, titles above the
        header and rows of units below it. `attrs["file"]` is the name shown; of an Excel file `attrs["sheet"]` is the
        sheet that was read, `attrs["sheets"]` lists all that are filled.

    Raises:
        DataError: The file is missing, empty, too large, holds only a header, or cannot be read.
    """
    path, shown = Path(path), limits.shown_name(name or Path(path).name)
    check_file(path, shown)
    kind = _kind(path, shown)
    if sheet and kind != "excel":
        raise DataError(f"A sheet belongs to an Excel file, but {shown} is none; leave the name of the sheet out.")
    if kind == "fasta":
        frame = read_fasta(decode(path, shown), shown)
    elif values is not None:
        raise DataError(
            f"A second table of values belongs to a FASTA file, but {shown} is none; remove one of the two."
        )
    elif kind == "excel":
        frame = _read_excel(path, shown, sheet)
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
    frame.attrs["file"] = shown
    return typed(frame, shown, frame.attrs.pop("separator", ""))


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
    """Return how a file is read: as its first bytes say, else as its name says."""
    suffix = Path(shown).suffix.lower()
    if suffix in FORMATS:
        return true_kind(path, shown, FORMATS[suffix])
    # Instruments and web sites write text and web pages under the name of Excel's old format.
    if suffix == ".xls" and (kind := true_kind(path, shown, "")):
        return kind
    if suffix in NOT_READ:
        raise DataError(f"{shown} {NOT_READ[suffix]}.")
    with path.open("rb") as file:
        head = file.read(64).lstrip()
    if head.startswith(b">"):
        return "fasta"
    raise DataError(f"{shown} has the unknown ending {suffix or '(none)'!r}; {ADVICE}.")


def _read_excel(path: Path, shown: str, sheet: str) -> pd.DataFrame:
    found = read_sheet(path, shown, sheet, max_unpacked_bytes=UNPACKED * MAX_TABLE_BYTES)
    place = header_place(found.cells.iloc[:FIRST_ROWS].to_numpy().tolist())
    cells = fill_merged(found.cells, found.merged, place)
    frame = with_header(cells.iloc[place:], shown, np.arange(place, len(cells)) + 1)
    frame.attrs |= {"sheet": found.name, "sheets": found.names}
    return frame


_READERS = {"text": read_text, "parquet": read_parquet}
