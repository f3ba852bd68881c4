"""Reads tables of text: CSV, TSV and the like, in whatever encoding and with whatever separator they were saved."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import numpy as np
import pandas as pd

from molfun.data import limits
from molfun.data.fasta import read_fasta
from molfun.errors import DataError

ADVICE = "expected CSV, TSV, Excel (.xlsx), Parquet or FASTA"
SEPARATORS = ",\t;|"
MAX_HEADER_CHARACTERS = 1_000_000
# What is saved under a table's name by mistake: the page around a download, an answer of a server.
NO_TABLES = {
    "<!doctype": "a web page",
    "<html": "a web page",
    "<?xml": "XML",
    "[{": "JSON",
    "{\n": "JSON",
    '{"': "JSON",
}


def decode(path: Path, shown: str) -> str:
    """Return a file's text, read as UTF-8 (with or without mark), UTF-16 with a mark, or Latin-1.

    Raises:
        DataError: It cannot be opened or is no text.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DataError(f"{shown} cannot be opened: {error.strerror}.") from None
    text = _decoded(raw)
    if "\x00" in text:
        row = text.count("\n", 0, text.index("\x00")) + 1
        raise DataError(f"{shown} is no text file: row {row} holds a NUL character; {ADVICE}, as UTF-8.")
    return text


def _decoded(raw: bytes) -> str:
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return raw.decode("utf-16", errors="replace")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def read_text(path: Path, shown: str) -> pd.DataFrame:
    """Return the rows of a file of text; of FASTA records as well, which need no ending of their own.

    Raises:
        DataError: It is no table, too large, or has a row with more fields than the header.
    """
    text = decode(path, shown).replace("\r\n", "\n").replace("\r", "\n")
    if text.lstrip()[:1] == ">":
        return read_fasta(text, shown)
    if not text.strip():
        raise DataError(f"{shown} holds only blank lines; expected a table with a header and rows.")
    for start, kind in NO_TABLES.items():
        if text.lstrip()[:20].lower().startswith(start):
            raise DataError(f"{shown} holds {kind}, not a table; {ADVICE}.")
    table = text.lstrip("\n")
    num_skipped = len(text) - len(table)
    separator = _separator(table, shown)
    options = {"header": None, "dtype": str, "keep_default_na": False, "skip_blank_lines": False}
    try:
        # Without a header pandas takes the number of fields from row 1, so that a longer row is an error, not an index.
        cells = pd.read_csv(io.StringIO(table), sep=separator, **options)
    except (csv.Error, pd.errors.ParserError, pd.errors.EmptyDataError, ValueError, OverflowError) as error:
        raise DataError(_parser_sentence(str(error), shown, num_skipped)) from None
    return with_header(cells, shown, num_skipped)


def _separator(text: str, shown: str) -> str:
    """Return the separator that splits the first line into most fields; quoted separators do not count.

    Raises:
        DataError: The first line is no header, or there are too many rows or columns; said before they are cells.
    """
    header = text[: MAX_HEADER_CHARACTERS + 1].split("\n", 1)[0]
    if len(header) > MAX_HEADER_CHARACTERS:
        raise DataError(f"{shown} has more than {MAX_HEADER_CHARACTERS:,} characters in its first line; {ADVICE}.")
    counts = {sep: _num_fields(header, sep) for sep in SEPARATORS}
    separator = max(counts, key=lambda sep: counts[sep])
    limits.refuse_size(shown, text.count("\n") - text.endswith("\n"), counts[separator])
    return separator


def _num_fields(line: str, separator: str) -> int:
    try:
        return len(next(csv.reader([line], delimiter=separator), []))
    except csv.Error:
        return line.count(separator) + 1


def _parser_sentence(message: str, shown: str, num_skipped: int) -> str:
    if found := re.search(r"Expected (\d+) fields in line (\d+), saw (\d+)", message):
        expected, row, came = found.groups()
        place = f"{shown}, row {int(row) + num_skipped}"
        return f"{place}: expected {expected} fields, found {came}; quote a field that contains the separator."
    if unclosed := re.search(r"EOF inside string starting at row (\d+)", message):
        number = int(unclosed[1]) + 1 + num_skipped
        return f"{shown}, row {number}: a quotation mark is opened and never closed; close or remove it."
    return f"{shown} cannot be read as a table; {ADVICE} with one row a line."


def with_header(cells: pd.DataFrame, shown: str, num_skipped: int = 0) -> pd.DataFrame:
    """Take row 0, which stands behind `num_skipped` rows of the file, as column names; leave out blank rows."""
    cells = cells.fillna("")
    header = [limits.column_name(cell, i) for i, cell in enumerate(cells.iloc[0], start=1)]
    for number, cell in enumerate(header, start=1):
        if re.fullmatch(r"[ACDEFGHIKLMNPQRSTVWYX]{20,}", cell):
            raise DataError(
                f"{shown}, row 1, column {number}: expected a column name, found a sequence; add a header row."
            )
    limits.refuse_names(header, shown)
    body = cells.iloc[1:]
    body.columns = pd.Index(header)
    filled = (body != "").any(axis=1).to_numpy()
    rows = np.flatnonzero(filled) + 2 + num_skipped
    body = body.loc[filled].reset_index(drop=True)
    body.attrs = {"first_row": int(rows[0]) if len(rows) else 2}
    if len(rows) and rows[-1] - rows[0] + 1 != len(rows):
        body.attrs["file_rows"] = rows.tolist()
    return body
