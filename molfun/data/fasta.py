"""Reads FASTA text: one row a record, values out of the headers or out of a second table."""

from __future__ import annotations

import io
import re

import pandas as pd
from biotite.file import InvalidFileError
from biotite.sequence.io.fasta import FastaFile

from molfun.errors import DataError

NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
FIELD = re.compile(r"\[?(\w+)=([^;|\]]*?)(?=\]|;|\||\s+\[?\w+=|\s*$)")
TRAILING = re.compile(rf"[\s|;,]({NUMBER})\s*$")


def read_fasta(text: str, shown: str) -> pd.DataFrame:
    """Read FASTA records.

    Args:
        text: Content of the file.
        shown: File name for messages.

    Returns:
        Columns `id` (first word of the header), `sequence`, and one for every `key=value` field of the headers; where
        no header has such fields, a trailing number becomes `value`.

    Raises:
        DataError: There is no record, or text stands before the first `>`.
    """
    try:
        records = list(FastaFile.read_iter(io.StringIO(text)))
    except (InvalidFileError, ValueError, IndexError):
        records = []
    if not records or not text.lstrip().startswith(">"):
        raise DataError(
            f"{shown} holds no FASTA record; expected lines that start with '>', each followed by a sequence."
        )
    rows = [_row(header, sequence) for header, sequence in records]
    if not any(len(row) > 2 for row in rows):
        rows = [row | _trailing(header) for row, (header, _) in zip(rows, records, strict=True)]
    frame = pd.DataFrame(rows).astype(object)
    frame = frame.where(frame.notna(), None)
    frame.attrs = {"first_row": 1}
    return frame


def _row(header: str, sequence: str) -> dict[str, str]:
    fields = {key: value.strip() for key, value in FIELD.findall(header) if key not in ("id", "sequence")}
    return {"id": (header.split() or [""])[0], "sequence": "".join(sequence.split())} | fields


def _trailing(header: str) -> dict[str, str]:
    found = TRAILING.search(header)
    return {"value": found[1]} if found else {}


def join_values(records: pd.DataFrame, values: pd.DataFrame, shown: str, shown_values: str) -> pd.DataFrame:
    """Add a table's columns to FASTA records with the same id.

    Args:
        records: Table of `read_fasta`.
        values: Table with an `id` column; without one its first column is taken.
        shown: Name of the FASTA file for messages.
        shown_values: Name of the values' file for messages.

    Raises:
        DataError: An id stands twice in the values, or no id is in both files.
    """
    key = next((name for name in values.columns if name.lower() == "id"), values.columns[0])
    ids = values[key].astype(str).str.strip()
    if ids.duplicated().any():
        index = int(ids.duplicated().to_numpy().argmax())
        row = index + int(values.attrs.get("first_row", 2))
        raise DataError(f"{shown_values}, row {row}: the id {ids[index]!r} stands twice; expected one row an id.")
    if not set(ids) & set(records["id"]):
        raise DataError(
            f"No id is in both files: {shown} has {records['id'].iloc[0]!r} first, {shown_values} column {key!r} has "
            f"{ids.iloc[0]!r}; expected the first word of each FASTA header there."
        )
    added = values.drop(columns=[key, "sequence"], errors="ignore").set_index(pd.Index(ids))
    kept = records.drop(columns=[name for name in added.columns if name in records.columns])
    joined = kept.join(added, on="id")
    joined.attrs = {"first_row": 1}
    return joined
