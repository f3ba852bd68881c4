"""Folds: datasets of one table that together test every row once, and repeats of them under other split seeds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from molfun.data.dataset import Dataset, list_datasets, load_dataset, write_dataset
from molfun.data.prepared import Prepared, prepare_datasets
from molfun.data.proteins import STRUCTURE
from molfun.data.saved import read_facts
from molfun.data.settings import ColumnSettings, SplitSettings
from molfun.data.splits import KINDS
from molfun.errors import DataError

MAX_REPEATS = 10
WITH_FOLDS = tuple(kind for kind, known in KINDS.items() if known.has_folds)


def fold_splits(split: SplitSettings, *, repeats: int = 1) -> list[SplitSettings]:
    """Return the split of every fold, repeat by repeat; each repeat has the next split seed.

    Raises:
        DataError: The kind of split has no folds, there are fewer than 2, or the number of repeats is not 1 to 10.
    """
    if split.kind not in WITH_FOLDS:
        known = ", ".join(WITH_FOLDS)
        raise DataError(f"The split {KINDS[split.kind].title!r} has no folds; choose one of {known}.")
    if split.num_folds < 2:
        raise DataError(f"A cross-validation in {split.num_folds} fold(s) tests nothing new; expected 2 or more folds.")
    if not 1 <= repeats <= MAX_REPEATS:
        raise DataError(f"{repeats} repeats were asked for; expected 1 to {MAX_REPEATS}.")
    return [
        split.model_copy(update={"fold": fold, "seed": split.seed + repeat})
        for repeat in range(repeats)
        for fold in range(1, split.num_folds + 1)
    ]


def save_folds(
    root: Path,
    frame: pd.DataFrame,
    columns: ColumnSettings,
    split: SplitSettings,
    *,
    name: str,
    repeats: int = 1,
    about: Mapping[str, Any] | None = None,
    encoded: tuple[pd.DataFrame, tuple[str, ...]] | None = None,
) -> list[Dataset]:
    """Save one dataset a fold; all of them are judged before the first one is written.

    Args:
        root: Folder of all datasets.
        frame: Table of `read_table`, checked by `check_table`.
        columns: Which columns are used.
        split: How rows are divided; its `fold` has no effect.
        name: Shown name; that of a fold has its number behind.
        repeats: How often all rows are dealt anew, each time with the next split seed.
        about: source, citation, licence, notes, ...
        encoded: As in `prepare_datasets`.

    Returns:
        Datasets, repeat by repeat and fold by fold. No two folds of a repeat test the same row, and together they test
        every row, but for rows without a mutation in a split by position: these always train.

    Raises:
        DataError: One of the folds is impossible, or two repeats deal the rows in the same way.
    """
    splits = fold_splits(split, repeats=repeats)
    named = {_name(name, one, first_seed=split.seed): one for one in splits}
    prepared = prepare_datasets(frame, columns, named, about={**(about or {}), "folds_of": name}, encoded=encoded)
    _refuse_unfair(prepared, split)
    return [write_dataset(root, one) for one in prepared]


def _name(name: str, split: SplitSettings, *, first_seed: int) -> str:
    repeat = split.seed - first_seed + 1
    return f"{name}{f', repeat {repeat}' if repeat > 1 else ''}, fold {split.fold} of {split.num_folds}"


def _refuse_unfair(prepared: Sequence[Prepared], split: SplitSettings) -> None:
    """Refuse folds that leave rows untested without a reason, and repeats that repeat the very same folds."""
    is_test = np.array([(one.rows["split"] == "test").to_numpy() for one in prepared])
    times = is_test.reshape(-1, split.num_folds, is_test.shape[1]).sum(axis=1)
    if (times > 1).any() or (split.kind != "position" and (times == 0).any()):
        row = int(prepared[0].rows["row"].iloc[int((times != 1).any(axis=0).argmax())])
        raise DataError(f"Row {row} is not tested exactly once by these folds; choose another split.")
    dealt = Counter(frozenset(one.tobytes() for one in folds) for folds in np.split(is_test, len(times)))
    if len(dealt) < len(times):
        raise DataError(
            f"Of {len(times)} repeats only {len(dealt)} deal the rows in different ways, as too few groups of rows "
            "stay together; ask for fewer repeats or folds."
        )


def refold(root: Path, dataset: Dataset, num_folds: int, *, repeats: int = 1) -> list[Dataset]:
    """Return the folds of a saved dataset's rows, saved where they were not; its own fold, if it is one, included.

    Args:
        root: Folder of all datasets.
        dataset: With rows that were divided in a way that has folds.
        num_folds: How many.
        repeats: As in `save_folds`.

    Raises:
        DataError: As in `save_folds`; or rows are divided by a column of the table, which is not kept with a dataset.
    """
    split = dataset.split.model_copy(update={"num_folds": num_folds, "fold": 1})
    if "column" in KINDS[split.kind].settings:
        return _kept_folds(root, dataset, fold_splits(split, repeats=repeats))
    rows = dataset.frame.drop(columns="split")
    name = str(dataset.about.get("folds_of") or dataset.name)
    return save_folds(
        root, _as_table(dataset), dataset.columns, split, name=name, repeats=repeats, about=dataset.about,
        encoded=(rows, dataset.classes),
    )  # fmt: skip


def _as_table(dataset: Dataset) -> pd.DataFrame:
    """Return the rows of a dataset with the columns that splits read, under the names that they had in the table."""
    frame = pd.DataFrame({name: dataset.frame[f"chain_{i}"] for i, name in enumerate(dataset.columns.sequence, 1)})
    targets = dataset.frame["target"]
    if dataset.task == "classification":
        targets = targets.map(lambda index: dataset.classes[int(index)])
    frame[dataset.columns.target] = targets
    if dataset.structures is not None:
        frame[STRUCTURE] = pd.Series([dataset.structure_of(row) for row in dataset.frame.index], dtype=object)
    frame.attrs["file_rows"] = dataset.frame["row"].to_numpy()
    return frame


def _kept_folds(root: Path, dataset: Dataset, splits: Sequence[SplitSettings]) -> list[Dataset]:
    """Return saved datasets of the same rows with these splits."""
    found: dict[str, str] = {}
    for entry in list_datasets(root):
        if entry["about"].get("table") and entry["about"]["table"] == dataset.about.get("table"):
            found[read_facts(root / entry["id"]).split.model_dump_json()] = entry["id"]
    ids = [found.get(split.model_dump_json()) for split in splits]
    if None in ids:
        raise DataError(
            f"The rows are divided by the column {dataset.split.column!r} of the table, which is not kept with a saved "
            f"dataset, and {ids.count(None)} of the {len(ids)} folds are not saved; save all of them on the page Data, "
            "or start from the table."
        )
    return [load_dataset(root, str(name)) for name in ids]
