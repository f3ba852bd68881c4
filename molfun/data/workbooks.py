"""Reads the first filled sheet of an Excel file (.xlsx): values only, no formula and no macro is ever run.

An .xlsx file is a zip archive of XML: a few bytes may unpack to gigabytes, one cell may claim to be in row a billion.
Sizes are judged before anything is unpacked, and rows are counted while they are read.
"""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd

from molfun.data import limits
from molfun.errors import DataError

MAX_MEMBERS = 1_000
MAX_SHEETS = 20
# Sheets shrink to a hundredth where rows repeat, to a thousandth only where nothing else is in them.
MAX_RATIO = 500
SMALL_BYTES = 20 * 1024 * 1024
MACROS = ("vbaproject.bin", "xl/macrosheets/")
MAX_ROW_NUMBER = 1_048_576  # of any sheet, by ECMA-376


def read_first_sheet(path: Path, shown: str, *, max_unpacked_bytes: int) -> pd.DataFrame:
    """Return the cells of the first filled sheet as text, blank ones as ""; columns are 0..k-1, the header is row 0.

    Args:
        path: The .xlsx file.
        shown: File name for messages.
        max_unpacked_bytes: Most bytes that its archive may unpack to.

    Raises:
        DataError: It is no Excel file, holds macros, is too large or damaged, or all of its sheets are empty.
    """
    try:
        with warnings.catch_warnings(), zipfile.ZipFile(path) as archive:
            warnings.simplefilter("ignore")
            refuse_archive(archive.infolist(), path.stat().st_size, shown, max_unpacked_bytes)
            rows = _read_rows(path, shown)
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
    return pd.DataFrame([row + [""] * (width - len(row)) for row in rows], dtype=object)


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


def _read_rows(path: Path, shown: str) -> list[list[str]]:
    # An open file, as openpyxl judges a path by its ending. data_only: the values that Excel saved beside its formulas.
    with path.open("rb") as file:
        book = openpyxl.load_workbook(file, read_only=True, data_only=True, keep_links=False)
        for sheet in book.worksheets[:MAX_SHEETS]:
            # The size that a sheet declares need not be true.
            sheet.reset_dimensions()
            if rows := _bounded(sheet.iter_rows(), shown):
                return rows
        return []


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
