"""Reads tables of text: CSV, TSV and the like, in whatever encoding and with whatever separator they were saved."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice, pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from molfun.data import limits
from molfun.data.contents import refuse_no_table
from molfun.data.decoding import ADVICE, decode
from molfun.data.fasta import read_fasta
from molfun.data.headers import FIRST_ROWS, header_place, looks_like_data, with_header
from molfun.errors import DataError, printable

# In order of what is meant where several fit: a comma may be a decimal sign, a blank may stand in any cell.
SEPARATORS = "\t;|, "
MAX_HEADER_CHARACTERS = 1_000_000
CHUNK_ROWS = 50_000
SHOWN_CHARACTERS = 40
# What Excel reads, and writes, in the first line of a CSV file.
TOLD = re.compile(r'"?sep=(.)"?[;,\t]*', re.IGNORECASE)
# Cells are judged by `limits`, with their row and column; csv itself would stop at 131,072 characters without a word.
csv.field_size_limit(128 * 1024**2)


class Start(NamedTuple):
    """What stands above a table's first row: where that row begins, how many lines there were, and what they told."""

    place: int
    num_lines: int
    separator: str
    comment: str


def read_text(path: Path, shown: str) -> pd.DataFrame:
    """Return the rows of a file of text; of FASTA records as well, which need no ending of their own.

    `attrs["separator"]` is what parts its cells.

    Raises:
        DataError: It is no table, too large, or has a row with more fields than the header.
    """
    text = decode(path, shown).replace("\r\n", "\n").replace("\r", "\n")
    if text.lstrip()[:1] == ">":
        return read_fasta(text, shown)
    if not text.strip():
        raise DataError(f"{shown} holds only blank lines; expected a table with a header and rows.")
    refuse_no_table(text, shown)
    start = _start(text)
    table = text[start.place :]
    if table.startswith(">"):
        return read_fasta(table, shown)
    if not table:
        raise DataError(f"{shown} holds only comments; expected a table with a header and rows.")
    separator = start.separator or _separator(table, shown)
    if separator == " ":
        table = table.replace("\t", " ")
    cells, numbers = _cells(table, separator, start, shown)
    frame = with_header(cells, shown, numbers)
    frame.attrs["separator"] = separator
    return frame


def _start(text: str) -> Start:
    """Skip blank lines, comments, and the line in which Excel tells the separator."""
    place = num_lines = 0
    separator = comment = ""
    while place < len(text):
        end = text.find("\n", place)
        end = len(text) if end < 0 else end
        line = text[place : min(end, place + limits.MAX_CELL_CHARACTERS)]
        told = TOLD.fullmatch(line) if not separator else None
        if line.strip() and not told and not line.lstrip(' "').startswith("#"):
            break
        separator = told[1] if told else separator
        comment = line.strip()
        place, num_lines = end + 1, num_lines + 1
    return Start(min(place, len(text)), num_lines, separator, comment if comment.startswith("#") else "")


def _separator(table: str, shown: str) -> str:
    """Return the separator that parts most of the first rows into equally many fields; quoted ones do not count.

    Raises:
        DataError: The first line is no header, or there are too many rows or columns; said before they are cells.
    """
    header = table[: MAX_HEADER_CHARACTERS + 1].split("\n", 1)[0]
    if len(header) > MAX_HEADER_CHARACTERS:
        raise DataError(f"{shown} has more than {MAX_HEADER_CHARACTERS:,} characters in its first line; {ADVICE}.")
    scores = {separator: _fit(_first_rows(table, separator), separator) for separator in SEPARATORS}
    separator = max(scores, key=lambda one: scores[one])
    return separator if scores[separator][0] else ","


def _fit(rows: Sequence[Sequence[str]], separator: str) -> tuple[int, bool, int]:
    """Return how many rows have the most frequent number of fields, and that number; 0 where nothing is parted."""
    counts = Counter(len(row) for row in rows if any(row))
    several = [(count, number) for number, count in counts.items() if number > 1]
    num_rows, num_fields = max(several, default=(0, 0))
    if separator == " " and num_rows < counts.total():
        return 0, False, 0
    return num_rows, separator != " ", num_fields


def _first_rows(table: str, separator: str) -> list[list[str]]:
    text = table[:MAX_HEADER_CHARACTERS]
    rows = []
    try:
        for row in islice(_reader(text.replace("\t", " ") if separator == " " else text, separator), FIRST_ROWS):
            rows.append(row[:-1] if separator == " " and row and not row[-1] else row)
    except csv.Error:
        pass
    return rows


def _reader(text: str, separator: str, *, is_strict: bool = False) -> Iterator[list[str]]:
    return csv.reader(io.StringIO(text), delimiter=separator, skipinitialspace=separator != "\t", strict=is_strict)


def _cells(table: str, separator: str, start: Start, shown: str) -> tuple[pd.DataFrame, np.ndarray]:
    """Return all cells from the header on, and the row of the file of every row."""
    rows = _first_rows(table, separator)
    num_above = header_place(rows)
    header = rows[num_above] if rows else []
    row = start.num_lines + num_above
    named = _named_by_comment(start.comment, header, separator)
    if named:
        header, row = named, row - 1
    limits.refuse_size(shown, table.count("\n") - table.endswith("\n"), len(header))
    reader = islice(_reader(table, separator, is_strict=True), num_above + (not named), None)
    chunks = [pd.DataFrame([header], dtype=str)]
    body = _even(reader, len(header), separator, row + 1, shown)
    while chunk := list(islice(body, CHUNK_ROWS)):
        chunks.append(pd.DataFrame(chunk, dtype=str))
    cells = pd.concat(chunks, ignore_index=True)
    return cells, np.arange(len(cells)) + row + 1


def _named_by_comment(comment: str, first: Sequence[str], separator: str) -> list[str]:
    """Return the column names where they stand in the last comment, as in "#seq<tab>score"."""
    names = next(iter(_first_rows(comment.lstrip("# "), separator)), [])
    return names if len(names) == len(first) > 1 and looks_like_data(first) and not looks_like_data(names) else []


def _even(reader: Iterator[list[str]], width: int, separator: str, row: int, shown: str) -> Iterator[list[str]]:
    """Yield rows of one width: short ones filled up, separators at the end of long ones left out.

    Raises:
        DataError: A row has more filled fields than the header, or a quotation mark is never closed.
    """
    try:
        for record in reader:
            row += 1
            if len(record) > width and any(cell.strip() for cell in record[width:]):
                raise DataError(_too_long(record, width, separator, f"{shown}, row {row}"))
            yield record[:width] + [""] * (width - len(record))
    except csv.Error as error:
        place = f"{shown}, row {row + 1}"
        if "delimiter" in str(error) or "expected after" in str(error):
            raise DataError(
                f"{place}: a quotation mark stands within a field that began with one, or is opened and never closed; "
                "write it twice, close or remove it."
            ) from None
        raise DataError(f"{place}: a quotation mark is opened and never closed; close or remove it.") from None


def _too_long(record: Sequence[str], width: int, separator: str, place: str) -> str:
    beyond = printable(next(cell for cell in record[width:] if cell.strip()), SHOWN_CHARACTERS)
    has_comma = separator == "," and any(a[-1:].isdigit() and b.isdigit() for a, b in pairwise(record))
    advice = ", and write decimal points instead of commas" if has_comma else ""
    return (
        f"{place}: expected {width} fields, found {len(record)}, {beyond!r} beyond those of the header; quote a field "
        f"that contains the separator{advice}."
    )
