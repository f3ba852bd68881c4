"""Reads one sheet of an Excel file (.xlsx): values only, no formula and no macro is ever run.

An .xlsx file is a zip archive of XML: a few bytes may unpack to gigabytes, one cell may claim to be in row a billion.
Sizes are judged before anything is unpacked, and rows are counted while they are read.
"""

from __future__ import annotations

import re
import warnings
import zipfile
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import openpyxl
import pandas as pd

from molfun.data import limits
from molfun.data.headers import PROTEIN
from molfun.errors import DataError, nearest, printable

MAX_MEMBERS = 1_000
MAX_SHEETS = 20
# Sheets shrink to a hundredth where rows repeat, to a thousandth only where nothing else is in them.
MAX_RATIO = 500
SMALL_BYTES = 20 * 1024 * 1024
MACROS = ("vbaproject.bin", "xl/macrosheets/")
MAX_ROW_NUMBER = 1_048_576  # of any sheet, by ECMA-376
HEAD_ROWS = 200  # of each sheet, by which one is chosen
MAX_MERGED = 100_000
MERGED = re.compile(rb'<(?:\w+:)?mergeCell [^>]*ref="\$?([A-Z]{1,3})\$?(\d+):\$?([A-Z]{1,3})\$?(\d+)"')
CHUNK_BYTES = 1024**2


class Merged(NamedTuple):
    """Cells of one column that were merged: column from 0, first and last row from 1."""

    column: int
    first: int
    last: int


class Sheet(NamedTuple):
    """One sheet: its cells as text, its name, the names of all filled ones, and what is merged downwards in it."""

    cells: pd.DataFrame
    name: str
    names: list[str]
    merged: list[Merged]


def read_sheet(path: Path, shown: str, sheet: str = "", *, max_unpacked_bytes: int) -> Sheet:
    """Return the cells of a sheet as text, blank ones as ""; columns are 0..k-1, the header is among the first rows.

    Args:
        path: The .xlsx file.
        shown: File name for messages.
        sheet: Its name; "" takes the first one with sequences, else the first one with a table, else the first filled.
        max_unpacked_bytes: Most bytes that its archive may unpack to.

    Raises:
        DataError: It is no Excel file, holds macros, is too large or damaged, has no such sheet, or all are empty.
    """
    try:
        with warnings.catch_warnings(), zipfile.ZipFile(path) as archive:
            warnings.simplefilter("ignore")
            refuse_archive(archive.infolist(), path.stat().st_size, shown, max_unpacked_bytes)
            rows, name, names, place = _read_rows(path, shown, sheet)
            merged = _merged(archive, place) if place else []
    except DataError:
        raise
    except MemoryError:
        raise DataError(f"{shown} does not fit into the memory; save the sheet that you need as CSV.") from None
    except Exception:  # noqa: BLE001 - a damaged file fails in any of zip, zlib, XML and openpyxl, each in its own way
        raise DataError(f"{shown} is no readable Excel file; open it in Excel, save it as .xlsx or CSV.") from None
    if not rows:
        raise DataError(f"The sheets of {shown} are empty; expected a header and rows.")
    width = max(map(len, rows))
    limits.refuse_size(shown, len(rows), width)
    cells = pd.DataFrame([row + [""] * (width - len(row)) for row in rows], dtype=object)
    return Sheet(cells, name, names, merged)


def refuse_archive(members: Sequence[zipfile.ZipInfo], num_bytes: int, shown: str, max_unpacked_bytes: int) -> None:
    """Refuse an archive by its table of contents.

    Args:
        members: Entries of the archive; zipfile unpacks no more of each than it declares.
        num_bytes: Size of the archive.
        shown: File name for messages.
        max_unpacked_bytes: Most bytes that it may unpack to.

    Raises:
        DataError: It unpacks to too much, has too many entries, or holds macros.
    """
    unpacked = sum(item.file_size for item in members)
    if unpacked > max_unpacked_bytes or (unpacked > SMALL_BYTES and unpacked > MAX_RATIO * num_bytes):
        raise DataError(f"{shown} unpacks to {unpacked / 1024**2:,.0f} MB; save the sheet that you need as CSV.")
    if len(members) > MAX_MEMBERS:
        raise DataError(
            f"{shown} consists of {len(members):,} parts, the limit is {MAX_MEMBERS:,}; save the sheet that you need "
            "as CSV."
        )
    if any(mark in item.filename.lower() for item in members for mark in MACROS):
        raise DataError(f"{shown} holds macros; save it as .xlsx without macros, or as CSV.")


def _read_rows(path: Path, shown: str, wanted: str) -> tuple[list[list[str]], str, list[str], str]:
    """Return the rows of the chosen sheet, its name, the names of all filled sheets, and its place in the archive."""
    # An open file, as openpyxl judges a path by its ending. data_only: the values that Excel saved beside its formulas.
    with path.open("rb") as file:
        book = openpyxl.load_workbook(file, read_only=True, data_only=True, keep_links=False)
        # Hidden sheets last: nobody sees what is in them.
        titles = [one.title for one in book.worksheets]
        if wanted and wanted not in titles:
            known = f"; its sheets are: {', '.join(printable(name, 40) for name in titles[:MAX_SHEETS])}."
            raise DataError(f"{shown} has no sheet {printable(wanted, 40)!r}{nearest(wanted, titles) or known}")
        looked_at = [one for i, one in enumerate(book.worksheets) if i < MAX_SHEETS or one.title == wanted]
        sheets = sorted(looked_at, key=lambda one: one.sheet_state != "visible")
        heads = {}
        for sheet in sheets:
            # The size that a sheet declares need not be true.
            sheet.reset_dimensions()
            heads[sheet.title] = [_texts(row) for row in islice(sheet.iter_rows(max_row=HEAD_ROWS), HEAD_ROWS) if row]
        names = [name for name, rows in heads.items() if any(rows)]
        for sheet in sorted(sheets, key=lambda one: -_rank(heads[one.title], one.title == wanted)):
            if rows := _bounded(sheet.iter_rows(), shown):
                return rows, sheet.title, names, str(getattr(sheet, "_worksheet_path", "")).lstrip("/")
        return [], "", [], ""


def _rank(rows: Sequence[Sequence[str]], is_wanted: bool) -> int:
    """Return how surely a sheet is meant: 4 it was named, 3 it has sequences, 2 a table, 1 anything."""
    if is_wanted:
        return 4
    if sum(any(len(cell) >= 10 and PROTEIN.fullmatch(cell.strip()) for cell in row) for row in rows) >= 2:
        return 3
    return 2 if sum(sum(map(bool, row)) >= 2 for row in rows) >= 3 else int(any(rows))


def _merged(archive: zipfile.ZipFile, place: str) -> list[Merged]:
    """Return which cells of a sheet are merged downwards; its XML is searched, not parsed."""
    found: list[Merged] = []
    rest = b""
    with archive.open(place) as file:
        while chunk := file.read(CHUNK_BYTES):
            text = rest + chunk
            for match in MERGED.finditer(text):
                first, last = int(match[2]), int(match[4])
                if match[1] == match[3] and last > first:
                    found.append(Merged(_column_place(match[1]), first, min(last, MAX_ROW_NUMBER)))
            cut = text.rfind(b"<")
            rest = text[cut:] if cut >= 0 and b">" not in text[cut:] else b""
    return found


def _column_place(letters: bytes) -> int:
    place = 0
    for letter in letters:
        place = place * 26 + letter - ord("A") + 1
    return place - 1


def fill_merged(cells: pd.DataFrame, merged: Sequence[Merged], header: int) -> pd.DataFrame:
    """Write what stands in cells that were merged downwards into each of their rows, below the header.

    Args:
        cells: Of `read_sheet`.
        merged: As there.
        header: Row of the header, from 0; what begins above or in it are names of columns.
    """
    filled, num_cells = cells.copy(), 0
    for column, first, last in merged:
        num_cells += last - first
        if first - 1 <= header or column >= cells.shape[1] or first > len(cells) or num_cells > MAX_MERGED:
            continue
        filled.iloc[first : min(last, len(cells)), column] = cells.iat[first - 1, column]
    return filled


def _bounded(cells: Iterator[Sequence[Any]], shown: str) -> list[list[str]]:
    """Return rows up to the last filled one; stop as soon as they are too many."""
    rows: list[list[str]] = []
    num_cells = num_filled = 0
    for number, row in enumerate(cells, start=1):
        if number > MAX_ROW_NUMBER:
            raise DataError(
                f"{shown} has a cell below row {MAX_ROW_NUMBER:,}, where a sheet of Excel ends; save it as CSV."
            )
        rows.append(_texts(row) if row else [])
        num_cells += len(rows[-1])
        num_filled = number if rows[-1] else num_filled
        if num_cells > limits.MAX_CELLS:
            limits.refuse_size(shown, number, -(-num_cells // number))
    return rows[:num_filled]


def _texts(row: Sequence[Any]) -> list[str]:
    """Return a row's cells as text, without the blank ones at its end."""
    texts = [_text(cell) for cell in row]
    while texts and not texts[-1]:
        texts.pop()
    return texts


def _text(cell: Any) -> str:
    """Return a cell as a person reads it: 3.0 is 3; #N/A is blank, other errors stay, so that checks name them."""
    if cell.value is None or (cell.data_type == "e" and cell.value == "#N/A"):
        return ""
    if isinstance(cell.value, float) and cell.value.is_integer() and abs(cell.value) < 1e15:
        return str(int(cell.value))
    return str(cell.value)
