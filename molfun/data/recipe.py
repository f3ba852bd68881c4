"""Cleaning as a recorded recipe: each step changes a table in one plain way and says which rows, so that it can be
looked at, undone, and done again to new data. The steps are in `sequence_steps`, `value_steps` and `row_steps`; which
of them would help is told by `remedies`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, TypeAlias

import pandas as pd
from pydantic import Field, TypeAdapter, ValidationError

from molfun.data.changes import Change
from molfun.data.guess import guess_columns
from molfun.data.row_steps import DropStep
from molfun.data.sequence_steps import ChainsStep, LettersStep, MutationsStep, TranslateStep
from molfun.data.settings import ColumnSettings
from molfun.data.value_steps import MaskStep, MeanStep, MergeStep, NumbersStep
from molfun.errors import DataError, printable

NUM_STEPS = 50
# What they make is a column of its own, so that columns have to be chosen again.
MAKES_COLUMNS = frozenset({"mutations", "chains", "mean"})

Step: TypeAlias = Annotated[
    MutationsStep | LettersStep | TranslateStep | ChainsStep | NumbersStep | MeanStep | MaskStep | DropStep | MergeStep,
    Field(discriminator="kind"),
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
            "letters, translate, chains, numbers, mean, mask, drop, merge with its settings."
        ) from None


def dump_recipe(steps: Sequence[Step]) -> list[dict[str, Any]]:
    """Return a recipe as plain values."""
    return [step.model_dump(mode="json") for step in steps]


def choose_columns(frame: pd.DataFrame, steps: Sequence[Step]) -> ColumnSettings:
    """Return a guess of the columns of a cleaned table; chains that the steps made are all of them its sequences."""
    made = [step.into for step in steps if isinstance(step, MutationsStep)]
    for step in steps:
        if isinstance(step, ChainsStep):
            made = [*made, *step.names()]
    guessed = guess_columns(frame)
    known = [name for name in made if name in frame.columns]
    return guessed.model_copy(update={"sequence": known}) if len(known) > 1 else guessed


def apply_recipe(frame: pd.DataFrame, steps: Sequence[Step]) -> tuple[pd.DataFrame, list[list[Change]]]:
    """Return the table after all steps, and what each of them changed.

    Rows keep their number of the file (`file_rows`).

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
