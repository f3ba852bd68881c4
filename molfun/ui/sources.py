"""Tables on their way into the app: an example, an upload, pasted text. Each becomes a `Source` with settings."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from molfun.adapters.catalog import find_model
from molfun.data.checks import Problem, check_table
from molfun.data.examples import EXAMPLES, about_example, load_example
from molfun.data.limits import shown_name
from molfun.data.settings import ColumnSettings, SplitSettings
from molfun.data.splits import assign_splits, guess_split
from molfun.data.tables import guess_columns, read_table
from molfun.errors import DataError

PASTED = "pasted"


@dataclass(frozen=True)
class Source:
    """A table that is not saved yet.

    Attributes:
        key: Differs for different content; prefix of the keys of widgets that belong to this table.
        name: Proposed name of the dataset.
        frame: Rows, as `read_table` gives them.
        columns: Guessed or given by the example.
        split: Guessed or given by the example.
        about: Kept with the dataset: source, citation, licence, notes, ...
    """

    key: str
    name: str
    frame: pd.DataFrame
    columns: ColumnSettings
    split: SplitSettings
    about: dict[str, Any] = field(default_factory=dict)


def example_source(name: str) -> Source:
    """Return a built-in example.

    Raises:
        DataError: Its package is not installed.
    """
    example, frame = EXAMPLES[name], _read_example(name)
    about = about_example(example, frame)
    return Source(f"example-{name}", example.title, frame, example.columns, example.split, about)


def upload_source(name: str, content: bytes, values: tuple[str, bytes] | None = None) -> Source:
    """Return an uploaded file; `values` is a second file (name, content) that belongs to a FASTA file.

    Raises:
        DataError: The file cannot be read; the sentence names it.
    """
    name, values = shown_name(name), values and (shown_name(values[0]), values[1])
    frame = _read_bytes(name, content, values)
    digest = hashlib.sha256(content + (values[1] if values else b"")).hexdigest()[:12]
    about = {"source": f"file {name}"}
    return Source(f"upload-{digest}", Path(name).stem, frame, guess_columns(frame), guess_split(frame), about)


def paste_source(text: str) -> Source:
    """Return pasted text: FASTA where it begins with ">", a table otherwise.

    Raises:
        DataError: It cannot be read.
    """
    if not text.strip():
        raise DataError("Nothing was pasted; expected a table with a header, or FASTA records.")
    name = f"{PASTED}.fasta" if text.lstrip().startswith(">") else f"{PASTED}.csv"
    source = upload_source(name, text.strip().encode(errors="replace"))
    return Source(source.key, "Pasted table", source.frame, source.columns, source.split, {"source": "pasted text"})


def problems_of(source: Source, columns: ColumnSettings, model: str) -> list[Problem]:
    """Return what is wrong with a table in the eyes of a model; the same question is answered once."""
    card = find_model(model)
    settings = columns.model_dump(mode="json")
    return _check(
        source.key, settings, source.frame, letters=card.alphabet.letters, max_residues=card.num_residues_limit
    )


def rows_with_parts(source: Source, columns: ColumnSettings, split: SplitSettings) -> pd.DataFrame:
    """Return `target` (as in the table) and `split` of every row.

    Raises:
        DataError: The split is impossible.
    """
    parts = assign_splits(source.frame, columns, split)
    return pd.DataFrame({"target": source.frame[columns.target].to_numpy(), "split": parts.to_numpy()})


@st.cache_data(max_entries=4, show_spinner="Reading the example")
def _read_example(name: str) -> pd.DataFrame:
    return load_example(name)


@st.cache_data(max_entries=4, show_spinner="Reading the table")
def _read_bytes(name: str, content: bytes, values: tuple[str, bytes] | None) -> pd.DataFrame:
    # The names that the browser sends are shown, and never become names of files.
    with tempfile.TemporaryDirectory(prefix="molfun-upload-") as folder:
        path = Path(folder) / "table"
        path.write_bytes(content)
        if values is None:
            return read_table(path, name=name)
        second = Path(folder) / "values"
        second.write_bytes(values[1])
        return read_table(path, name=name, values=second, values_name=values[0])


@st.cache_data(max_entries=32, show_spinner="Checking every row")
def _check(
    key: str, columns: Mapping[str, Any], _frame: pd.DataFrame, *, letters: str, max_residues: int
) -> list[Problem]:
    return check_table(_frame, ColumnSettings.parse(columns), letters=letters, max_residues=max_residues)
