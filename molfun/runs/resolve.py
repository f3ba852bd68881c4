"""From where a spec says its rows are, to a saved dataset that the model can read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from molfun.adapters.catalog import ModelCard
from molfun.data.checks import check_table
from molfun.data.dataset import Dataset, load_dataset, save_dataset
from molfun.data.examples import about_example, find_example, load_example
from molfun.data.guess import guess_columns, looks_like_protein
from molfun.data.inputs import read_input
from molfun.data.problems import Problem
from molfun.data.proteins import STRUCTURE, has_structures
from molfun.data.settings import ColumnSettings, SplitSettings
from molfun.errors import DataError, SettingError
from molfun.home import expanded
from molfun.runs.spec import DataSource

SHOWN_PROBLEMS = 10


def resolve_data(home: Path, source: DataSource, card: ModelCard) -> Dataset:
    """Return the dataset that `source` names, saved if it was not.

    Args:
        home: The data folder.
        source: A dataset, an example or a table.
        card: The model that must be able to read it.

    Raises:
        DataError: The rows cannot be read, or the model cannot read them.
        SettingError: Not exactly one of dataset, example and table is given.
    """
    check_source(source)
    root = home / "datasets"
    dataset = load_dataset(root, source.dataset) if source.dataset else _save_table(root, source, card)
    check_hash(dataset, source.sha256)
    if not source.table:
        _check_saved(dataset, card)
    return dataset


def check_hash(dataset: Dataset, expected: str) -> None:
    """Hold that a dataset has the content that was asked for.

    Args:
        dataset: The data.
        expected: First digits of its hash; empty takes any data.

    Raises:
        DataError: It has another one.
    """
    found = str(dataset.about.get("sha256", ""))
    if expected and not found.startswith(expected):
        raise DataError(
            f"Expected data with the hash {expected[:16]}, but the dataset {dataset.id!r} has {found[:16]}: its rows, "
            "columns or split are others. Take the data that the run was trained on, or leave data.sha256 out."
        )


def check_source(source: DataSource) -> None:
    """Hold that exactly one of dataset, example and table is given.

    Raises:
        SettingError: It is not.
    """
    given = [name for name in ("dataset", "example", "table") if getattr(source, name)]
    if len(given) != 1:
        came = " and ".join(f"data.{name}" for name in given) or "none of them"
        raise SettingError(f"Expected one of data.dataset, data.example and data.table, got {came}; give exactly one.")


def _save_table(root: Path, source: DataSource, card: ModelCard) -> Dataset:
    table = read_source(source, card)
    return save_dataset(root, table.frame, table.columns, table.split, name=table.name, about=table.about)


@dataclass(frozen=True)
class SourceTable:
    """Rows that are not saved yet, with what is told or guessed of them.

    Attributes:
        frame: As `read_table` gives it.
        columns: Which columns are used.
        split: How rows are divided.
        name: Of the dataset that it becomes.
        about: Kept with the dataset.
    """

    frame: pd.DataFrame
    columns: ColumnSettings
    split: SplitSettings
    name: str
    about: dict[str, Any]


def read_source(source: DataSource, card: ModelCard) -> SourceTable:
    """Read a table or an example; the seed of an example's split draws its rows, too.

    Raises:
        DataError: It cannot be read, or the model cannot read it.
    """
    if source.example:
        example = find_example(source.example)
        split = split_of_example(source.example, source.split)
        frame = load_example(example.name, split.seed)
        about = {**about_example(example, frame), "seed": split.seed}
        return SourceTable(frame, example.columns, split, example.title, about)
    path = expanded(source.table)
    values = expanded(source.values) if source.values else None
    frame = read_input(path, values=values, sheet=source.sheet, bad_files=source.bad_files, rows=source.rows)
    about = {"source": path.name}
    return judged(frame, source, card, shown=f"The table {path.name}", name=path.stem, about=about)


def judged(
    frame: pd.DataFrame, source: DataSource, card: ModelCard, *, shown: str, name: str, about: dict[str, Any]
) -> SourceTable:
    """Return a table with the columns that are told or guessed, once it is known that a model can read it.

    Args:
        frame: As `read_table` gives it.
        source: Where columns and split are told.
        card: The model.
        shown: What the table is called in messages.
        name: Of the dataset that it becomes.
        about: Kept with the dataset.

    Raises:
        DataError: The model cannot read it.
    """
    columns = complete_columns(frame, source.columns)
    problems = check_table(frame, columns, letters=card.alphabet.letters, max_residues=card.num_residues_limit)
    refuse(problems, f"{shown} cannot be used with {card.title}")
    return SourceTable(frame, columns, source.split or SplitSettings(), name, about)


def split_of_example(name: str, given: SplitSettings | None) -> SplitSettings:
    """Return how the rows of an example are divided: as it says itself wherever nothing else was given.

    Raises:
        DataError: No example has that name.
    """
    told = {} if given is None else given.model_dump(exclude_unset=True)
    return SplitSettings.parse({**find_example(name).split.model_dump(), **told})


def complete_columns(frame: pd.DataFrame, given: ColumnSettings | None) -> ColumnSettings:
    """Return the columns that were given, and a guess for everything that was not.

    The guess looks at the given columns only, so that the task is that of the given target.
    """
    if given is None:
        return guess_columns(frame)
    told = {name: value for name, value in given.model_dump(exclude_unset=True).items() if value}
    with_structures = has_structures(frame)
    if given.task == "structure" and with_structures:
        told = {"target": STRUCTURE} | told
    kept = [
        name for name in frame.columns if (name == STRUCTURE and with_structures) or _may_be_meant(frame, name, given)
    ]
    return ColumnSettings.parse({**guess_columns(frame[kept]).model_dump(), **told})


def _may_be_meant(frame: pd.DataFrame, name: str, given: ColumnSettings) -> bool:
    """Tell whether a guess may look at a column: it is given, or its role is not."""
    if name == given.target or name in given.sequence:
        return True
    is_protein = looks_like_protein(frame[name])
    return not given.sequence if is_protein else given.target not in frame.columns


def _check_saved(dataset: Dataset, card: ModelCard) -> None:
    """Judge saved rows for a model that may know fewer letters than the one they were saved for."""
    names = {f"chain_{i}": name for i, name in enumerate(dataset.columns.sequence, 1)}
    names["target"] = dataset.columns.target
    frame = dataset.frame[list(names)].rename(columns=names)
    frame.attrs["file_rows"] = dataset.frame["row"].to_numpy()
    found = check_table(frame, dataset.columns, letters=card.alphabet.letters, max_residues=card.num_residues_limit)
    of_sequences = [problem for problem in found if problem.column in dataset.columns.sequence]
    refuse(of_sequences, f"The dataset {dataset.name!r} cannot be used with {card.title}")


def refuse(problems: Iterable[Problem], what: str) -> None:
    """Raise where any problem is an error.

    Raises:
        DataError: `what`, and the errors.
    """
    errors = [problem.message for problem in problems if problem.severity == "error"]
    if not errors:
        return
    if len(errors) == 1:
        raise DataError(f"{what}: {errors[0]}")
    rest = len(errors) - SHOWN_PROBLEMS
    lines = "".join(f"\n  {message}" for message in errors[:SHOWN_PROBLEMS])
    raise DataError(f"{what}:{lines}" + (f"\n  ... and {rest} more." if rest > 0 else ""))


def table_beside(values: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Return a spec's plain values with a relative table path taken from the spec file's folder."""
    data = values.get("data")
    if not isinstance(data, Mapping):
        return dict(values)
    paths = {name: data[name] for name in ("table", "values") if isinstance(data.get(name), str) and data[name]}
    beside = {name: str(folder / expanded(path)) for name, path in paths.items()}
    return {**values, "data": {**data, **beside}}
