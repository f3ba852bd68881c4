"""Tables on their way into the app: an example, an upload, pasted text. Each becomes a `Source` with settings."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from molfun.adapters.catalog import find_model
from molfun.data.changes import Change
from molfun.data.checks import Problem, check_table
from molfun.data.examples import EXAMPLES, about_example, load_example
from molfun.data.leaks import LeakReport, find_leaks
from molfun.data.limits import shown_name
from molfun.data.recipe import MAKES_COLUMNS, Step, apply_recipe, choose_columns, dump_recipe, parse_recipe
from molfun.data.remedies import candidates
from molfun.data.settings import ColumnSettings, SplitSettings
from molfun.data.split_groups import promise_of, sequences_of
from molfun.data.splits import assign_splits, guess_split
from molfun.data.tables import MAX_TABLE_BYTES, guess_columns, read_table
from molfun.errors import DataError

PASTED = "pasted"
UPLOAD_MB = MAX_TABLE_BYTES >> 20


@dataclass(frozen=True)
class Source:
    """A table that is not saved yet.

    Attributes:
        key: Differs for different columns; prefix of the keys of widgets that belong to this table.
        name: Proposed name of the dataset.
        frame: Rows, as `read_table` gives them.
        columns: Guessed or given by the example.
        split: Guessed or given by the example.
        about: Kept with the dataset: source, citation, licence, notes, recipe, ...
        version: Differs for different content, also after cleaning; what was computed is remembered under it.
    """

    key: str
    name: str
    frame: pd.DataFrame
    columns: ColumnSettings
    split: SplitSettings
    about: dict[str, Any] = field(default_factory=dict)
    version: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "version", self.version or self.key)


def example_source(name: str) -> Source:
    """Return a built-in example.

    Raises:
        DataError: Its package is not installed.
    """
    example, frame = EXAMPLES[name], _read_example(name)
    about = about_example(example, frame)
    return Source(f"example-{name}", example.title, frame, example.columns, example.split, about)


def upload_source(name: str, content: bytes, values: tuple[str, bytes] | None = None, *, sheet: str = "") -> Source:
    """Return an uploaded file.

    Args:
        name: As the browser sent it.
        content: Of the file.
        values: A second file (name, content) that belongs to a FASTA file.
        sheet: Of an Excel file; "" takes the first one with sequences.

    Raises:
        DataError: The file cannot be read; the sentence names it.
    """
    name, values = shown_name(name), values and (shown_name(values[0]), values[1])
    frame = _read_bytes(name, content, values, sheet)
    digest = hashlib.sha256(content + (values[1] if values else b"") + sheet.encode()).hexdigest()[:12]
    about = {"source": f"file {name}, sheet {sheet}" if sheet else f"file {name}"}
    return Source(f"upload-{digest}", Path(name).stem, frame, guess_columns(frame), guess_split(frame), about)


def read_upload(name: str, content: bytes, *, sheet: str = "") -> pd.DataFrame:
    """Return the rows of an uploaded file; the same one is read once.

    Raises:
        DataError: The file cannot be read; the sentence names it.
    """
    return _read_bytes(shown_name(name), content, None, sheet)


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


def recipe_key(source: Source) -> str:
    """Return under what the session keeps the recipe of a table."""
    return f"recipe.{source.key}"


def steps_of(source: Source) -> list[Step]:
    """Return the recipe that this session has for a table."""
    return parse_recipe(st.session_state.get(recipe_key(source), []))


def set_steps(key: str, steps: list[dict[str, Any]]) -> None:
    """Keep a recipe; for a click."""
    st.session_state[key] = steps


def add_step(key: str, step: dict[str, Any]) -> None:
    """Add a step to a recipe; for a click."""
    st.session_state[key] = [*st.session_state.get(key, []), step]


def remove_step(key: str, place: int) -> None:
    """Take a step of a recipe back; for a click."""
    st.session_state[key] = [step for i, step in enumerate(st.session_state.get(key, [])) if i != place]


def problems_of(source: Source, columns: ColumnSettings, model: str) -> list[Problem]:
    """Return what is wrong with a table in the eyes of a model; the same question is answered once."""
    card = find_model(model)
    settings = columns.model_dump(mode="json")
    return _check(
        source.version, settings, source.frame, letters=card.alphabet.letters, max_residues=card.num_residues_limit
    )


def cleaned_source(source: Source, steps: Sequence[Step]) -> tuple[Source, list[list[Change]]]:
    """Return a table after a recipe, and what each step changed.

    Raises:
        DataError: A step cannot be done.
    """
    if not steps:
        return source, []
    recipe = dump_recipe(steps)
    frame, changes = _clean(source.version, recipe, source.frame)
    built = [step for step in recipe if step["kind"] in MAKES_COLUMNS]
    columns = choose_columns(frame, steps) if built else source.columns
    cleaned = replace(
        source, key=f"{source.key}-{_digest(built)}" if built else source.key, frame=frame, columns=columns,
        about={**source.about, "recipe": recipe}, version=f"{source.version}-{_digest(recipe)}",
    )  # fmt: skip
    return cleaned, changes


def fixes_of(source: Source, columns: ColumnSettings, model: str) -> list[tuple[Step, int]]:
    """Return the steps that would mend something of a table for a model, each with how many rows it changes."""
    card = find_model(model)
    found = _fixes(
        source.version, columns.model_dump(mode="json"), source.frame, letters=card.alphabet.letters,
        max_residues=card.num_residues_limit,
    )  # fmt: skip
    return [(parse_recipe([step])[0], count) for step, count in found]


def rows_with_parts(source: Source, columns: ColumnSettings, split: SplitSettings) -> pd.DataFrame:
    """Return `target` (as in the table) and `split` of every row; the same question is answered once.

    Raises:
        DataError: The split is impossible.
    """
    parts = _parts(source.version, columns.model_dump(mode="json"), split.model_dump(mode="json"), source.frame)
    return pd.DataFrame({"target": source.frame[columns.target].to_numpy(), "split": parts.to_numpy()})


def leaks_of(source: Source, columns: ColumnSettings, split: SplitSettings) -> LeakReport:
    """Return how alike the test rows of a split are to its training rows; the same question is answered once.

    Raises:
        DataError: The split is impossible, or a sequence is too long to be compared.
    """
    return _leaks(source.version, columns.model_dump(mode="json"), split.model_dump(mode="json"), source.frame)


def _digest(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]


@st.cache_data(max_entries=4, show_spinner="Reading the example")
def _read_example(name: str) -> pd.DataFrame:
    return load_example(name)


@st.cache_data(max_entries=4, show_spinner="Reading the table")
def _read_bytes(name: str, content: bytes, values: tuple[str, bytes] | None, sheet: str) -> pd.DataFrame:
    # The names that the browser sends are shown, and never become names of files.
    with tempfile.TemporaryDirectory(prefix="molfun-upload-") as folder:
        path = Path(folder) / "table"
        path.write_bytes(content)
        if values is None:
            return read_table(path, name=name, sheet=sheet)
        second = Path(folder) / "values"
        second.write_bytes(values[1])
        return read_table(path, name=name, values=second, values_name=values[0])


@st.cache_data(max_entries=32, show_spinner="Checking every row")
def _check(
    key: str, columns: Mapping[str, Any], _frame: pd.DataFrame, *, letters: str, max_residues: int
) -> list[Problem]:
    return check_table(_frame, ColumnSettings.parse(columns), letters=letters, max_residues=max_residues)


@st.cache_data(max_entries=8, show_spinner="Cleaning the table")
def _clean(version: str, recipe: list[dict[str, Any]], _frame: pd.DataFrame) -> tuple[pd.DataFrame, list[list[Change]]]:
    return apply_recipe(_frame, parse_recipe(recipe))


@st.cache_data(max_entries=16, show_spinner="Looking for remedies")
def _fixes(
    version: str, columns: Mapping[str, Any], _frame: pd.DataFrame, *, letters: str, max_residues: int
) -> list[tuple[dict[str, Any], int]]:
    found = candidates(_frame, ColumnSettings.parse(columns), letters=letters, max_residues=max_residues)
    return [(step.model_dump(mode="json"), count) for step, count in found]


@st.cache_data(max_entries=16, show_spinner="Dividing the rows")
def _parts(version: str, columns: Mapping[str, Any], split: Mapping[str, Any], _frame: pd.DataFrame) -> pd.Series:
    return assign_splits(_frame, ColumnSettings.parse(columns), SplitSettings.parse(split))


@st.cache_data(max_entries=16, show_spinner="Comparing test rows with training rows")
def _leaks(version: str, columns: Mapping[str, Any], split: Mapping[str, Any], _frame: pd.DataFrame) -> LeakReport:
    chosen = ColumnSettings.parse(columns)
    wanted = SplitSettings.parse(split)
    parts = assign_splits(_frame, chosen, wanted)
    promise = promise_of(_frame, chosen, wanted)
    return find_leaks(sequences_of(_frame, chosen), parts.tolist(), promise=promise)
