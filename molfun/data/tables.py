"""Reads table files (CSV, TSV, Excel, Parquet) into DataFrames and refuses what cannot be read, naming file and row.

FASTA is read by `fasta`, columns are guessed by `guess`; what the rows mean is judged by `checks`.
"""

from __future__ import annotations

import csv
import io
import re
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd

from molfun.data.fasta import join_values, read_fasta
from molfun.data.guess import guess_columns
from molfun.errors import DataError

__all__ = ["FORMATS", "MAX_TABLE_BYTES", "file_rows", "guess_columns", "read_table"]

MAX_TABLE_BYTES = 100 * 1024 * 1024
FORMATS = {
    ".csv": "text", ".tsv": "text", ".tab": "text", ".txt": "text", ".xlsx": "excel", ".xlsm": "excel",
    ".parquet": "parquet", ".pq": "parquet", ".fasta": "fasta", ".fa": "fasta", ".faa": "fasta", ".fas": "fasta",
}  # fmt: skip
ADVICE = "expected CSV, TSV, Excel (.xlsx), Parquet or FASTA"
MISSING_NUMBERS = {"", "na", "nan", "n/a", "#n/a", "null", "none"}
SEPARATORS = ",\t;|"


def read_table(path: Path, *, name: str = "", values: Path | None = None) -> pd.DataFrame:
    """Read a table of sequences.

    Args:
        path: CSV, TSV, Excel, Parquet or FASTA file.
        name: File name to show and to take the suffix from, where `path` is an upload's temporary copy.
        values: Second table with an `id` column, joined to a FASTA file's records.

    Returns:
        Rows with index 0..n-1. `attrs["first_row"]` is the row number in the file of row 0 (the header is row 1);
        `attrs["file_rows"]` lists all row numbers where blank rows were left out.

    Raises:
        DataError: The file is missing, empty, too large, holds only a header, or cannot be read.
    """
    path, shown = Path(path), name or Path(path).name
    check_file(path, shown)
    kind = _kind(path, shown)
    if kind == "fasta":
        frame = read_fasta(decode(path, shown), shown)
        frame = frame if values is None else join_values(frame, read_table(values), shown, Path(values).name)
    elif values is not None:
        raise DataError(
            f"A second table of values belongs to a FASTA file, but {shown} is none; remove one of the two."
        )
    else:
        frame = _READERS[kind](path, shown)
    if frame.empty:
        raise DataError(f"{shown} has a header but no rows; expected at least one row of data below it.")
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
    if not path.exists():
        raise DataError(f"There is no file {path}; check the path.")
    if not path.is_file():
        raise DataError(f"{shown} is no file; {ADVICE}.")
    size = path.stat().st_size
    if size == 0:
        raise DataError(f"{shown} is empty (0 bytes); expected a table with a header and rows.")
    if size > MAX_TABLE_BYTES:
        megabytes, limit = size / 1024**2, MAX_TABLE_BYTES // 1024**2
        raise DataError(
            f"{shown} has {megabytes:.0f} MB, the limit is {limit} MB; keep the columns and rows that you need."
        )


def decode(path: Path, shown: str) -> str:
    """Return a file's text, read as UTF-8 (with or without mark), UTF-16 with a mark, or Latin-1.

    Raises:
        DataError: It cannot be opened or is no text.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DataError(f"{shown} cannot be opened: {error.strerror}.") from None
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return raw.decode("utf-16", errors="replace")
    if b"\x00" in raw[:65536]:
        raise DataError(f"{shown} is no text file; {ADVICE}.")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _kind(path: Path, shown: str) -> str:
    suffix = Path(shown).suffix.lower()
    if suffix in FORMATS:
        return FORMATS[suffix]
    if suffix == ".xls":
        raise DataError(f"{shown} is in Excel's old format; save it as .xlsx or CSV.")
    if suffix in (".gz", ".zip", ".bz2", ".xz", ".7z"):
        raise DataError(f"{shown} is compressed; unpack it, then choose the file inside ({ADVICE}).")
    with path.open("rb") as file:
        head = file.read(64).lstrip()
    if head.startswith(b">"):
        return "fasta"
    raise DataError(f"{shown} has the unknown ending {suffix or '(none)'!r}; {ADVICE}.")


def _read_text(path: Path, shown: str) -> pd.DataFrame:
    text = decode(path, shown).replace("\r\n", "\n").replace("\r", "\n")
    if text.lstrip()[:1] == ">":
        return read_fasta(text, shown)
    if not text.strip():
        raise DataError(f"{shown} holds only blank lines; expected a table with a header and rows.")
    table = text.lstrip("\n")
    num_skipped = len(text) - len(table)
    options = {"header": None, "dtype": str, "keep_default_na": False, "skip_blank_lines": False}
    try:
        # Without a header pandas takes the number of fields from row 1, so that a longer row is an error, not an index.
        cells = pd.read_csv(io.StringIO(table), sep=_separator(table), **options)
    except (csv.Error, pd.errors.ParserError, pd.errors.EmptyDataError, ValueError, OverflowError) as error:
        raise DataError(_parser_sentence(str(error), shown, num_skipped)) from None
    return _with_header(cells, shown, num_skipped)


def _separator(text: str) -> str:
    """Return the separator that splits the first line into most fields; quoted separators do not count."""
    header = text.split("\n", 1)[0]
    counts = {sep: len(next(csv.reader([header], delimiter=sep), [])) for sep in SEPARATORS}
    return max(counts, key=lambda sep: counts[sep])


def _parser_sentence(message: str, shown: str, num_skipped: int) -> str:
    if found := re.search(r"Expected (\d+) fields in line (\d+), saw (\d+)", message):
        expected, row, came = found.groups()
        place = f"{shown}, row {int(row) + num_skipped}"
        return f"{place}: expected {expected} fields, found {came}; quote a field that contains the separator."
    if unclosed := re.search(r"EOF inside string starting at row (\d+)", message):
        number = int(unclosed[1]) + 1 + num_skipped
        return f"{shown}, row {number}: a quotation mark is opened and never closed; close or remove it."
    return f"{shown} cannot be read as a table; {ADVICE} with one row a line."


def _read_excel(path: Path, shown: str) -> pd.DataFrame:
    try:
        with zipfile.ZipFile(path) as archive:
            # A small archive may unpack to gigabytes.
            unpacked = sum(item.file_size for item in archive.infolist())
        if unpacked > 10 * MAX_TABLE_BYTES:
            raise DataError(f"{shown} unpacks to {unpacked / 1024**2:.0f} MB; save the sheet that you need as CSV.")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            cells = pd.read_excel(path, header=None, dtype=object, keep_default_na=False, engine="openpyxl")
    except DataError:
        raise
    except Exception:  # noqa: BLE001 - a damaged file fails in any of zip, zlib, XML and openpyxl, each in its own way
        raise DataError(f"{shown} is no readable Excel file; open it in Excel, save it as .xlsx or CSV.") from None
    if cells.empty:
        raise DataError(f"The first sheet of {shown} is empty; expected a header and rows.")
    return _with_header(cells.map(_cell_text), shown)


def _cell_text(cell: object) -> str:
    return "" if cell is None or (isinstance(cell, float) and np.isnan(cell)) else str(cell)


def _read_parquet(path: Path, shown: str) -> pd.DataFrame:
    try:
        frame = pd.read_parquet(path)
        # Arrow decodes text late; as Python text a damaged cell fails here, not somewhere later.
        frame = frame.astype({name: object for name in frame.columns if pd.api.types.is_string_dtype(frame[name])})
    except Exception:  # noqa: BLE001 - a damaged file fails in thrift, snappy or Arrow, each in its own way
        raise DataError(f"{shown} is no readable Parquet file; write it again or save it as CSV.") from None
    frame.columns = [str(column) for column in frame.columns]
    _refuse_twins(list(frame.columns), shown)
    frame = frame.reset_index(drop=True)
    frame.attrs = {"first_row": 1}
    return frame


def _with_header(cells: pd.DataFrame, shown: str, num_skipped: int = 0) -> pd.DataFrame:
    """Take row 0, which stands behind `num_skipped` rows of the file, as column names; leave out blank rows."""
    cells = cells.fillna("")
    header = [str(cell).strip() or f"column_{i}" for i, cell in enumerate(cells.iloc[0], start=1)]
    for number, cell in enumerate(header, start=1):
        if re.fullmatch(r"[ACDEFGHIKLMNPQRSTVWYX]{20,}", cell):
            raise DataError(
                f"{shown}, row 1, column {number}: expected a column name, found a sequence; add a header row."
            )
    _refuse_twins(header, shown)
    body = cells.iloc[1:]
    body.columns = pd.Index(header)
    filled = (body != "").any(axis=1).to_numpy()
    rows = np.flatnonzero(filled) + 2 + num_skipped
    body = body.loc[filled].reset_index(drop=True)
    body.attrs = {"first_row": int(rows[0]) if len(rows) else 2}
    if len(rows) and rows[-1] - rows[0] + 1 != len(rows):
        body.attrs["file_rows"] = rows.tolist()
    return body


def _refuse_twins(header: list[str], shown: str) -> None:
    twins = sorted({column for column in header if header.count(column) > 1})
    if twins:
        raise DataError(f"{shown} has more than one column named {twins[0]!r}; give each column its own name.")


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


_READERS = {"text": _read_text, "excel": _read_excel, "parquet": _read_parquet}
