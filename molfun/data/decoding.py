"""Turns the bytes of a text file into text: UTF-8, UTF-16, what Windows and what the classic Mac wrote."""

from __future__ import annotations

import codecs
from pathlib import Path

from molfun.errors import DataError

ADVICE = "expected CSV, TSV, Excel (.xlsx), Parquet or FASTA"
MARKS = (
    (codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF32_LE, "utf-32-le"), (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"),
)  # fmt: skip
SAMPLE_BYTES = 4_096


def decode(path: Path, shown: str) -> str:
    """Return a file's text: of the encoding that its mark tells, else UTF-8, UTF-16, Mac Roman, or Windows-1252.

    Raises:
        DataError: It cannot be opened, is no text, or has bytes that are wrong in the encoding of all others.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DataError(f"{shown} cannot be opened: {error.strerror}.") from None
    mark, encoding = next(((mark, name) for mark, name in MARKS if raw.startswith(mark)), (b"", _unmarked(raw)))
    text = _decoded(raw[len(mark) :], encoding, shown) if encoding else _decoded_by_use(raw, shown)
    if "\x00" in text:
        row = text.count("\n", 0, text.index("\x00")) + 1
        raise DataError(
            f"{shown} is no text file: row {row} holds a NUL character; {ADVICE}. If it is a table, save it again as "
            "CSV in UTF-8."
        )
    return text


def _unmarked(raw: bytes) -> str:
    """Return the kind of UTF-16 that a file without mark is in, "" where it is none: every other byte of it is NUL."""
    sample = raw[: SAMPLE_BYTES - SAMPLE_BYTES % 2]
    even, odd = sample[0::2].count(0), sample[1::2].count(0)
    most = len(sample) // 2 * 0.8
    if min(even, odd) or len(raw) % 2 or max(even, odd) < max(2, most):
        return ""
    return "utf-16-le" if odd else "utf-16-be"


def _decoded(raw: bytes, encoding: str, shown: str) -> str:
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError as error:
        row = raw[: error.start].decode(encoding, errors="replace").count("\n") + 1
        raise DataError(
            f"{shown}, row {row}: expected {encoding[:6].upper()} text as its mark says, found the bytes "
            f"{raw[error.start : error.end].hex(' ')}; save it again as UTF-8."
        ) from None


def _decoded_by_use(raw: bytes, shown: str) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        place = error.start
    if any(ord(letter) > 127 for letter in raw.decode("utf-8", errors="ignore")):
        row = _lines_before(raw, place) + 1
        raise DataError(
            f"{shown}, row {row}: expected UTF-8 text as in the rest of the file, found the byte "
            f"0x{raw[place]:02X}; correct that cell, or save the whole file again as UTF-8."
        )
    # Only programs for the classic Mac ended lines with CR alone.
    if b"\r" in raw and b"\n" not in raw:
        return raw.decode("mac_roman")
    try:
        return raw.decode("cp1252")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _lines_before(raw: bytes, place: int) -> int:
    before = raw[:place].replace(b"\r\n", b"\n")
    return before.count(b"\n") + before.count(b"\r")
