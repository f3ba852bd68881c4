"""Reads FASTA text: one row a record, values out of the headers or out of a second table."""

from __future__ import annotations

import io
import re

import pandas as pd
from biotite.file import InvalidFileError
from biotite.sequence.io.fasta import FastaFile

from molfun.data import limits
from molfun.data.labels import class_name, is_missing
from molfun.data.row_numbers import file_rows
from molfun.errors import DataError, printable

MAX_HEADER_CHARACTERS = 10_000
# Possessive (++) and anchored, so that the time follows the length of a header, not its square.
KEY = re.compile(r"(?<!\w)(\w++) ?=")
END = re.compile(r"[\];|]|(?<!\s)\s++(?:\[?\w++ ?=|$)")
# The last word of a header: a bound is a value for `checks` to judge; a comma before digits is a decimal sign, or a
# separator where no other stands before.
TRAILING = re.compile(
    r"(?:[\s|;]((?:[<>≤≥~≈]=?\s*+)?[-+−]?(?:\d++(?:\.\d*+|,\d++)?|[.,]\d++)(?:[eE][-+−]?\d++)?%?)"
    r"|,([-+−]?(?:\d++\.?+\d*+|\.\d++)(?:[eE][-+−]?\d++)?))\Z"
)
COMMENTS = (";", "#")
LABELS = "labels"
MAX_LABELS = 10  # different letters; a protein of the length of a domain has more


def read_fasta(text: str, shown: str) -> pd.DataFrame:
    """Read FASTA records.

    Args:
        text: Content of the file.
        shown: File name for messages.

    Returns:
        Columns `id` (first word of the header), `sequence`, and one for every `key=value` field of the headers; where
        no header has such fields, a trailing number becomes `value`. Where each record has two lines of equal length,
        and the second has few letters (sequence, then one label a residue), that one becomes `labels`.

    Raises:
        DataError: There is no record, text stands before the first `>`, or there are too many records or fields.
    """
    _refuse_start(text, shown)
    records = _records(text)
    for number, (header, _) in enumerate(records, start=1):
        if len(header) > MAX_HEADER_CHARACTERS:
            raise DataError(
                f"{shown}, record {number}: the line that starts with '>' has {len(header):,} characters, the limit is "
                f"{MAX_HEADER_CHARACTERS:,}; put the sequence on lines of its own."
            )
    rows = [_row(header, sequence) for header, sequence in records]
    if pairs := _labelled(text, len(records)):
        rows = [row | {"sequence": pair[0], LABELS: pair[1]} for row, pair in zip(rows, pairs, strict=True)]
    if not any(set(row) - {"id", "sequence"} for row in rows):
        rows = [row | _trailing(header) for row, (header, _) in zip(rows, records, strict=True)]
    rows = _one_spelling(rows)
    names = list(dict.fromkeys(name for row in rows for name in row))
    limits.refuse_size(shown, len(rows), len(names))
    frame = pd.DataFrame({name: pd.Series([row.get(name) for row in rows], dtype=object) for name in names})
    frame.attrs = {"first_row": 1, "is_fasta": True}
    return frame


def _records(text: str) -> list[tuple[str, str]]:
    """Return (header, sequence) of every record, none where the text is no FASTA."""
    try:
        # newline=None reads the line ends of every system.
        return list(FastaFile.read_iter(io.StringIO(text, newline=None)))
    except (InvalidFileError, ValueError, IndexError):
        return []


def _labelled(text: str, num_records: int) -> list[tuple[str, str]]:
    """Return (sequence, labels) of records of two lines each, none where that is not what all of them are."""
    bodies: list[list[str]] = []
    for line in io.StringIO(text, newline=None):
        if line.startswith(">"):
            bodies.append([])
        elif bodies and line.strip():
            bodies[-1].append(line.strip())
            if len(bodies[-1]) > 2:
                return []
    if len(bodies) != num_records or any(len(body) != 2 or len(body[0]) != len(body[1]) for body in bodies):
        return []
    letters, labels = ({letter for body in bodies for letter in body[i]} for i in (0, 1))
    # Two lines of one sequence have the same letters.
    is_label = len(labels) <= MAX_LABELS and 2 * len(labels) < len(letters)
    return [(body[0], body[1]) for body in bodies] if is_label else []


def _refuse_start(text: str, shown: str) -> None:
    """Refuse text whose first line that is neither blank nor a comment does not start a record."""
    lines = enumerate(io.StringIO(text, newline=None), start=1)
    row, line = next(
        ((i, line.strip()) for i, line in lines if line.strip() and line.strip()[0] not in COMMENTS), (0, "")
    )
    if line.startswith(">"):
        return
    found = f": row {row} is {printable(line, 60)!r}" if line else ""
    raise DataError(
        f"{shown} holds no FASTA record at its start{found}; expected lines that start with '>', each followed by a "
        "sequence: add the missing '>' line, or name the file .csv if it is a table."
    )


def _row(header: str, sequence: str) -> dict[str, str]:
    fields = {key: value for key, value in _fields(header).items() if key.lower() not in ("id", "sequence")}
    return {"id": (header.split() or [""])[0], "sequence": "".join(sequence.split())} | fields


def _fields(header: str) -> dict[str, str]:
    """Return {key: value} of "key=value", "[key=a longer value]", separated by blanks, "|" or ";"."""
    fields, place = {}, 0
    while found := KEY.search(header, place):
        end = END.search(header, found.end())
        place = len(header) if end is None else end.start()
        fields[found[1]] = header[found.end() : place].strip()
    return fields


def _one_spelling(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    """Return records whose keys that differ in capitals only are written as the first of them."""
    spelling: dict[str, str] = {}
    for row in rows:
        for name in row:
            spelling.setdefault(name.lower(), name)
    return [{spelling[name.lower()]: cell for name, cell in row.items()} for row in rows]


def _trailing(header: str) -> dict[str, str]:
    found = TRAILING.search(header.rstrip())
    return {"value": found[1] or found[2]} if found else {}


def join_values(records: pd.DataFrame, values: pd.DataFrame, shown: str, shown_values: str) -> pd.DataFrame:
    """Add a table's columns to FASTA records with the same id.

    Args:
        records: Table of `read_fasta`.
        values: Table with an `id` column; without one its first column is taken. Of FASTA records the letters are
            labels of residues.
        shown: Name of the FASTA file for messages.
        shown_values: Name of the values' file for messages.

    Raises:
        DataError: An id stands twice in the values, or no id is in both files.
    """
    key = next((name for name in values.columns if name.lower() == "id"), values.columns[0])
    # A row without an id is of no record.
    is_named = ~values[key].map(is_missing).to_numpy(dtype=bool)
    rows, is_fasta = file_rows(values)[is_named], values.attrs.get("is_fasta")
    values = values[is_named].reset_index(drop=True)
    ids = values[key].map(class_name)
    if is_fasta:
        values = values.rename(columns={"sequence": LABELS})
    if ids.duplicated().any():
        index = int(ids.duplicated().to_numpy().argmax())
        raise DataError(
            f"{shown_values}, row {rows[index]}: the id {printable(ids[index], 80)!r} stands twice; expected one row "
            "an id: correct it, or remove one of the rows."
        )
    if values.empty:
        raise DataError(
            f"{shown_values}: column {key!r} has no id; expected the first word of each FASTA header there."
        )
    if not set(ids) & set(records["id"]):
        raise DataError(
            f"No id is in both files: {shown} has {printable(records['id'].iloc[0], 80)!r} first, "
            f"{shown_values} column {key!r} has {printable(ids.iloc[0], 80)!r}; expected the first word of each "
            "FASTA header there."
        )
    added = values.drop(columns=[key, "sequence"], errors="ignore").set_index(pd.Index(ids))
    kept = records.drop(columns=[name for name in added.columns if name in records.columns])
    joined = kept.join(added, on="id")
    joined.attrs = {"first_row": 1}
    return joined
