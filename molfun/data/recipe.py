"""Cleaning as a recorded recipe: each step changes a table in one plain way and says which rows, so that it can be
looked at, undone, and done again to new data."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal, NamedTuple, TypeAlias

import numpy as np
import pandas as pd
from pydantic import Field, TypeAdapter, ValidationError

from molfun.data.labels import is_missing, number
from molfun.data.mutations import read_sequences
from molfun.data.settings import ColumnSettings
from molfun.data.tables import file_rows
from molfun.errors import DataError, printable
from molfun.settings import Settings

NUM_STEPS = 50
GAPS, STOPS, BLANKS = (
    re.compile(r"[-.~]+"),
    re.compile(r"\*+\s*$"),
    re.compile(r"[\s\d\u200b\u200c\u200d\u2060\ufeff]+"),
)
LETTERS = {"gaps": GAPS, "stops": STOPS, "blanks": BLANKS}
BOUND = re.compile(r"\s*[<>≤≥~≈]=?\s*(.+)")
DECIMAL_COMMA = re.compile(r"[-+]?\d+,\d+(?:[eE][-+]?\d+)?")
UNIT = re.compile(r"([-+]?\d+(?:[.,]\d+)?(?:[eE][-+]?\d+)?)\s*(?:[µμnpfkM]?M|%|°?C|kcal/mol|kJ/mol|s|min|h)")
MAX_SHOWN = 60


class Change(NamedTuple):
    """What a step did to one row: what stood in a column and what stands there now; "" where the row is gone."""

    row: int
    column: str
    before: str
    after: str


Cleaned: TypeAlias = tuple[pd.DataFrame, list[Change]]


class MutationsStep(Settings):
    """Builds the column `into` from mutations of a wild type."""

    kind: Literal["mutations"] = "mutations"
    column: str
    wild_type: str
    first_number: int = 1
    into: str = "sequence"

    def title(self) -> str:
        """Say what it does."""
        return f"Sequences from the mutations in '{self.column}'"

    def apply(self, frame: pd.DataFrame) -> Cleaned:
        """Return the table with the new column; rows whose mutations do not fit have nothing there."""
        _find(frame, self.column)
        wild_type = "".join(self.wild_type.split()).upper()
        if not wild_type:
            raise DataError("Sequences from mutations need the wild type's sequence; paste it.")
        sequences, _ = read_sequences(frame, self.column, wild_type, self.first_number)
        cleaned = frame.assign(
            **{self.into: pd.Series([text or None for text in sequences], frame.index, dtype=object)}
        )
        rows = zip(file_rows(frame), frame[self.column], sequences, strict=True)
        return _kept(cleaned, frame), [Change(int(row), self.into, _cell(cell), text) for row, cell, text in rows]


class LettersStep(Settings):
    """Takes gaps, a stop at the end, or blanks and digits out of sequences."""

    kind: Literal["letters"] = "letters"
    columns: list[str]
    remove: Literal["gaps", "stops", "blanks"]

    def title(self) -> str:
        """Say what it does."""
        what = {"gaps": "gaps ('-', '.')", "stops": "stops at the end ('*')", "blanks": "blanks and digits"}
        return f"Remove {what[self.remove]} from sequences"

    def apply(self, frame: pd.DataFrame) -> Cleaned:
        """Return the table with clean sequences."""
        return _mapped(frame, self.columns, lambda cell: LETTERS[self.remove].sub("", str(cell).strip()))


class NumbersStep(Settings):
    """Reads numbers that are written otherwise: decimal commas, units behind them, bounds such as <5."""

    kind: Literal["numbers"] = "numbers"
    column: str
    read: Literal["commas", "units", "bounds"]

    def title(self) -> str:
        """Say what it does."""
        what = {"commas": "decimal commas as points", "units": "numbers without their units",
                "bounds": "bounds ('<5') as their value"}  # fmt: skip
        return f"Read {what[self.read]} in '{self.column}'"

    def apply(self, frame: pd.DataFrame) -> Cleaned:
        """Return the table with numbers where they were meant; other cells stay as they are."""
        return _mapped(frame, [self.column], lambda cell: _READ_NUMBER[self.read](str(cell).strip()))


def _read_comma(text: str) -> str:
    return text.replace(",", ".") if DECIMAL_COMMA.fullmatch(text) else text


def _read_unit(text: str) -> str:
    match = UNIT.fullmatch(text)
    return match[1] if match else text


def _read_bound(text: str) -> str:
    match = BOUND.fullmatch(text)
    value = number(match[1]) if match else None
    return match[1].strip() if match and value is not None and np.isfinite(value) else text


_READ_NUMBER: dict[str, Callable[[str], str]] = {"commas": _read_comma, "units": _read_unit, "bounds": _read_bound}


class DropStep(Settings):
    """Leaves out rows that cannot be used."""

    kind: Literal["drop"] = "drop"
    columns: list[str]
    why: Literal["missing", "letters", "longer", "number", "copies"]
    letters: str = ""
    longest: int = 0

    def title(self) -> str:
        """Say what it does."""
        names = " or ".join(f"'{name}'" for name in self.columns)
        return {
            "missing": f"Leave out rows with nothing in {names}",
            "letters": f"Leave out rows with letters that the model does not know in {names}",
            "longer": f"Leave out rows with more than {self.longest:,} residues",
            "number": f"Leave out rows without a number in {names}",
            "copies": "Leave out rows that repeat an earlier one exactly",
        }[self.why]

    def apply(self, frame: pd.DataFrame) -> Cleaned:
        """Return the table without those rows."""
        cells = [_find(frame, name) for name in self.columns]
        if self.why == "copies":
            keys = pd.Series(list(zip(*(column.map(_key) for column in cells), strict=True)), index=frame.index)
            return _dropped(frame, keys.duplicated().to_numpy(), self.columns)
        unusable = {
            "missing": is_missing,
            "letters": lambda cell: bool(set(_text(cell).upper()) - set(self.letters)),
            "longer": lambda cell: len(_text(cell)) > self.longest,
            "number": lambda cell: (value := number(cell)) is None or not np.isfinite(value),
        }[self.why]
        chosen = np.zeros(len(frame), dtype=bool)
        for column in cells:
            chosen |= column.map(unusable).to_numpy(dtype=bool)
        return _dropped(frame, chosen, self.columns)


class MergeStep(Settings):
    """Makes one row of rows with the same sequences and several measured values."""

    kind: Literal["merge"] = "merge"
    columns: list[str]
    target: str
    how: Literal["mean", "median", "drop"] = "mean"

    def title(self) -> str:
        """Say what it does."""
        if self.how == "drop":
            return f"Leave out sequences with several values of '{self.target}'"
        return f"Take the {self.how} of '{self.target}' over rows with the same sequence"

    def apply(self, frame: pd.DataFrame) -> Cleaned:
        """Return the table with one row a sequence, at the place of the first."""
        cells = [_find(frame, name) for name in self.columns]
        target = _find(frame, self.target)
        keys = pd.Series(list(zip(*(column.map(_key) for column in cells), strict=True)), index=frame.index)
        several = target.map(_key).groupby(keys).transform("nunique").to_numpy() > 1
        if self.how == "drop":
            return _dropped(frame, several, self.columns)
        values = target.map(number)
        if values[several].isna().any():
            row = int(file_rows(frame)[several & values.isna().to_numpy()][0])
            raise DataError(
                f"Row {row}, column {self.target!r}: expected a number to merge; leave such rows out first."
            )
        merged = values[several].astype(float).groupby(keys[several]).agg(self.how)
        first = several & ~keys.duplicated().to_numpy()
        cleaned = frame.copy()
        cleaned[self.target] = cleaned[self.target].astype(object)
        changed = {place: float(merged[keys.iloc[place]]) for place in np.flatnonzero(first)}
        for place, value in changed.items():
            cleaned.iat[place, cleaned.columns.get_loc(self.target)] = value
        cleaned, dropped = _dropped(_kept(cleaned, frame), several & ~first, self.columns)
        rows = file_rows(frame)
        return cleaned, [
            *(Change(int(rows[i]), self.target, _cell(target.iloc[i]), f"{value:.6g}") for i, value in changed.items()),
            *dropped,
        ]


Step: TypeAlias = Annotated[
    MutationsStep | LettersStep | NumbersStep | DropStep | MergeStep, Field(discriminator="kind")
]
_STEPS: TypeAdapter[list[Step]] = TypeAdapter(list[Step])


def parse_recipe(values: Any) -> list[Step]:
    """Return the steps of a recipe from plain values, as a spec or a dataset keeps them.

    Raises:
        DataError: It is no list of steps that are known here.
    """
    if not isinstance(values, list) or len(values) > NUM_STEPS:
        raise DataError(f"A recipe is a list of at most {NUM_STEPS} steps, named 'steps'; found something else.")
    try:
        return _STEPS.validate_python(values)
    except ValidationError as error:
        place = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise DataError(
            f"Step {printable(place, 100)} of the recipe is none that is known here; expected one of mutations, "
            "letters, numbers, drop, merge with its settings."
        ) from None


def dump_recipe(steps: Sequence[Step]) -> list[dict[str, Any]]:
    """Return a recipe as plain values."""
    return [step.model_dump(mode="json") for step in steps]


def apply_recipe(frame: pd.DataFrame, steps: Sequence[Step]) -> tuple[pd.DataFrame, list[list[Change]]]:
    """Return a cleaned copy of a table, and for each step what it changed.

    Row numbers stay those of the file (`file_rows`).

    Raises:
        DataError: A column is absent or a step cannot be done; the sentence names the step.
    """
    done: list[list[Change]] = []
    for step in steps:
        try:
            frame, changes = step.apply(frame)
        except DataError as error:
            raise DataError(f"{step.title()}: {error}") from None
        if frame.empty:
            raise DataError(f"{step.title()}: no row is left; take this step back.")
        done.append(changes)
    return frame, done


def candidates(
    frame: pd.DataFrame, columns: ColumnSettings, *, letters: str, max_residues: int
) -> list[tuple[Step, int]]:
    """Return steps that would change something, each with how many rows, in the order in which they are best done."""
    sequence, target = columns.sequence, columns.target
    if not sequence or not target or {*sequence, target} - set(frame.columns):
        return []
    chains = [frame[name].map(_text).str.upper() for name in sequence]
    found = set().union(*("".join(chain) for chain in chains))
    is_number = columns.task == "regression" and not pd.api.types.is_numeric_dtype(frame[target])
    copies = pd.concat(chains, axis=1).duplicated().any()
    # Asked of the whole column first: a step that can change nothing is not tried on a million rows.
    steps: list[tuple[Step, bool]] = [
        (LettersStep(columns=sequence, remove="blanks"), any(BLANKS.fullmatch(letter) for letter in found)),
        (LettersStep(columns=sequence, remove="stops"), "*" in found),
        (LettersStep(columns=sequence, remove="gaps"), any(GAPS.fullmatch(letter) for letter in found)),
        *((NumbersStep(column=target, read=read), is_number) for read in ("commas", "units", "bounds")),
        (DropStep(columns=[*sequence, target], why="missing"), True),
        (DropStep(columns=[target], why="number"), columns.task == "regression"),
        (DropStep(columns=sequence, why="letters", letters=letters), bool(found - set(letters))),
        (DropStep(columns=sequence, why="longer", longest=max_residues),
         any(chain.str.len().max() > max_residues for chain in chains)),
        (DropStep(columns=[*sequence, target], why="copies"), copies),
        (MergeStep(columns=sequence, target=target), copies and columns.task == "regression"),
        (MergeStep(columns=sequence, target=target, how="drop"), copies and columns.task == "classification"),
    ]  # fmt: skip
    counted = [(step, num_changes(frame, step)) for step, is_possible in steps if is_possible]
    return [(step, count) for step, count in counted if count]


def num_changes(frame: pd.DataFrame, step: Step) -> int:
    """Return how many rows a step would change; none where it cannot be done."""
    try:
        return len({change.row for change in step.apply(frame)[1]})
    except DataError:
        return 0


def _find(frame: pd.DataFrame, name: str) -> pd.Series:
    if name not in frame.columns:
        raise DataError(f"the table has no column {name!r}; its columns are: {', '.join(map(str, frame.columns))}")
    return frame[name]


def _text(cell: Any) -> str:
    return "" if is_missing(cell) else str(cell).strip()


def _key(cell: Any) -> Any:
    if isinstance(cell, str):
        return cell.strip().upper()
    return repr(cell.tolist()) if isinstance(cell, np.ndarray) else repr(cell)


def _cell(cell: Any) -> str:
    return "" if is_missing(cell) else printable(str(cell), MAX_SHOWN)


def _mapped(frame: pd.DataFrame, columns: Sequence[str], change: Callable[[Any], str]) -> Cleaned:
    """Return the table with the filled text cells of columns changed."""
    rows, cleaned, changes = file_rows(frame), frame, []
    for name in columns:
        cells = _find(frame, name)
        after = [change(cell) if isinstance(cell, str) and not is_missing(cell) else cell for cell in cells]
        found = [
            Change(int(row), name, _cell(old), _cell(new))
            for row, old, new in zip(rows, cells, after, strict=True)
            if isinstance(old, str) and isinstance(new, str) and old.strip() != new
        ]
        if found:
            cleaned = cleaned.assign(**{name: pd.Series(after, index=frame.index, dtype=object)})
            changes += found
    return _kept(cleaned, frame), changes


def _dropped(frame: pd.DataFrame, chosen: np.ndarray, columns: Sequence[str]) -> Cleaned:
    rows = file_rows(frame)
    cells = frame[columns[-1]]
    changes = [Change(int(rows[i]), columns[-1], _cell(cells.iloc[i]), "") for i in np.flatnonzero(chosen)]
    kept = frame[~chosen].reset_index(drop=True)
    kept.attrs = {**frame.attrs, "file_rows": rows[~chosen].tolist()}
    return kept, changes


def _kept(cleaned: pd.DataFrame, frame: pd.DataFrame) -> pd.DataFrame:
    cleaned.attrs = dict(frame.attrs)
    return cleaned
