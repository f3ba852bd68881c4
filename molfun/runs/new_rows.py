"""A table of new sequences as a run's model reads them: built from mutations and cleaned as its training data were."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from molfun.data.dataset import load_dataset
from molfun.data.guess import guess_columns
from molfun.data.recipe import apply_recipe, parse_recipe
from molfun.data.sequence_steps import ChainsStep, LettersStep, MutationsStep, TranslateStep
from molfun.errors import DataError
from molfun.runs.store import RunStore

OF_SEQUENCES = (MutationsStep, LettersStep, TranslateStep, ChainsStep)


def prepare_rows(home: Path, run: str, frame: pd.DataFrame) -> pd.DataFrame:
    """Return a table with the sequence columns of a run's training, all rows kept.

    Of the recipe by which the training data were cleaned, the steps that make or mend sequences are done again; those
    that leave rows out or mend targets are not.

    Args:
        home: The data folder.
        run: Id of the run; "/" and a checkpoint may follow.
        frame: Table of `read_table`.

    Raises:
        RunError: There is no such run.
        DataError: Its dataset is gone, or the table has no column with sequences.
    """
    folder = RunStore(home).get(run.partition("/")[0])
    dataset = load_dataset(home / "datasets", folder.spec.data.dataset)
    names = dataset.columns.sequence
    for step in parse_recipe(dataset.about.get("recipe") or []):
        needed = [step.column] if isinstance(step, MutationsStep | ChainsStep) else getattr(step, "columns", [])
        if isinstance(step, OF_SEQUENCES) and set(needed) <= set(frame.columns):
            is_given = isinstance(step, MutationsStep) and step.into in frame.columns
            frame = frame if is_given else apply_recipe(frame, [step])[0]
    missing = [name for name in names if name not in frame.columns]
    if not missing:
        return frame
    guessed = guess_columns(frame).sequence
    if len(names) == 1 and len(guessed) == 1:
        return frame.assign(**{names[0]: frame[guessed[0]]})
    raise DataError(
        f"The table has no column {missing[0]!r}, which the model reads; its columns are: "
        f"{', '.join(map(str, frame.columns))}. Rename the column with the sequences."
    )
