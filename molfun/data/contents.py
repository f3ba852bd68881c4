"""Tells what a file is by its first bytes, where its name says something else."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

from molfun.data.decoding import ADVICE
from molfun.errors import DataError

HEAD_BYTES = 4_096
OLD_FORMAT = b"\xd0\xcf\x11\xe0"  # [MS-CFB] 2.2
ZIP = b"PK\x03\x04"
PARQUET = b"PAR1"
PACKED = "is compressed; unpack it, then choose the file inside"
# First bytes of what is saved or sent under a table's name by mistake.
BINARIES = {
    b"\x1f\x8b": PACKED, b"BZh91AY&SY": PACKED, b"\xfd7zXZ\x00": PACKED, b"(\xb5/\xfd": PACKED, b"7z\xbc\xaf": PACKED,
    b"Rar!\x1a": PACKED,
    OLD_FORMAT: "is in Excel's old format or protected by a password; save it as .xlsx without password, or CSV",
    b"%PDF-": "is a PDF; copy the table out of it, or ask for the data as CSV",
    b"\x89PNG": "is a picture; export the table itself as CSV",
    b"\xff\xd8\xff": "is a picture; export the table itself as CSV",
    b"GIF89a": "is a picture; export the table itself as CSV",
    b"{\\rtf": "is a document (RTF); save the table as CSV",
    b"\x89HDF": "is an HDF5 file; write the table as CSV or Parquet",
    b"SQLite format 3\x00": "is a database; export the table as CSV",
}  # fmt: skip
ZIPPED = {
    "xl/workbook.xml": "excel",
    "word/document.xml": "is a Word document; copy the table into a spreadsheet, save it as .xlsx or CSV",
    "xl/workbook.bin": "is in Excel's binary format; save it as .xlsx or CSV",
    "content.xml": "is an OpenDocument sheet; save it as .xlsx or CSV",
}
NO_TABLES = {
    re.compile(r"\s*<(?:!doctype html|!--|html|head|meta|body|table|div)", re.IGNORECASE):
        ("a web page", "open it in the browser and save the table as .xlsx or CSV"),
    re.compile(r"\s*<\?xml", re.IGNORECASE): ("XML", "open it in Excel and save it as .xlsx or CSV"),
    re.compile(r"""\s*(?:\{\s*(?:["}]|$)|\[\s*["{\[])"""): ("JSON", "write its records as rows of a CSV file"),
    re.compile(r"\s*LOCUS {2,}\S+ .*\b(?:aa|bp)\b"): ("a GenBank record", "export its proteins as FASTA"),
    re.compile(r"\s*(?:ID {3}\S+ .*\n)(?:AC|DT|XX)"): ("a UniProt or EMBL record", "download it as FASTA or TSV"),
    re.compile(r"\s*(?:CLUSTAL|MUSCLE) .*align", re.IGNORECASE): ("an alignment", "write it as FASTA"),
    re.compile(r"\s*# STOCKHOLM"): ("an alignment (Stockholm)", "write it as FASTA"),
    re.compile(r"\s*#NEXUS", re.IGNORECASE): ("an alignment (NEXUS)", "write it as FASTA"),
    re.compile(r"(?:HEADER {4}|ATOM {2}\s+\d|CRYST1|data_\w+\s*\n\s*(?:#|_|loop_))"):
        ("a structure", "write its sequences into a table"),
}  # fmt: skip


def true_kind(path: Path, shown: str, kind: str) -> str:
    """Return what a file is: "text", "excel", "parquet" or "fasta"; `kind` where its bytes say nothing else.

    Args:
        path: The file.
        shown: File name for messages.
        kind: What its name says, "" where that is nothing that is read.

    Raises:
        DataError: It is something that holds no table, and what it is can be told.
    """
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    if head.startswith(ZIP) and kind != "excel":
        return _zipped(path, shown)
    if head.startswith(PARQUET) and kind != "parquet" and _ends_with(path, PARQUET):
        return "parquet"
    for start, sentence in BINARIES.items():
        if head.startswith(start):
            raise DataError(f"{shown} {sentence}.")
    if kind in ("", "excel", "parquet") and _is_text(head) and not head.startswith((ZIP, PARQUET)):
        return _text(head, shown, kind)
    return kind


def _ends_with(path: Path, end: bytes) -> bool:
    with path.open("rb") as file:
        file.seek(-len(end), 2)
        return file.read() == end


def _zipped(path: Path, shown: str) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        names = set()
    found = next((kind for name, kind in ZIPPED.items() if name in names), PACKED)
    if found != "excel":
        raise DataError(f"{shown} {found}.")
    return found


def _is_text(head: bytes) -> bool:
    return bool(head.strip()) and not any(byte < 32 and byte not in b"\t\n\r" for byte in head)


def _text(head: bytes, shown: str, kind: str) -> str:
    """Return "text" for a table under the ending .xls, as many instruments write it; refuse it under .xlsx."""
    start = head.decode("utf-8", errors="replace")
    refuse_no_table(start, shown)
    if not kind:
        return "fasta" if start.lstrip("\ufeff \r\n").startswith(">") else "text"
    name = {"excel": "Excel", "parquet": "Parquet"}[kind]
    first = " ".join(start.split())[:40]
    raise DataError(
        f"{shown} is no readable {name} file but text that starts with {first!r}; rename it to end in .csv."
    )


def refuse_no_table(text: str, shown: str) -> None:
    """Refuse text that is something else than a table.

    Raises:
        DataError: It is a web page, XML, JSON, or a file of another kind that programs of our field write.
    """
    start = text[:HEAD_BYTES].lstrip("\ufeff")
    for pattern, (what, todo) in NO_TABLES.items():
        if pattern.match(start):
            raise DataError(f"{shown} holds {what}, not a table; {ADVICE}: {todo}.")
