"""A dataset: rows with encoded targets and a split, saved as one folder that runs refer to by id."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from molfun.data.prepared import Prepared, count_parts, prepare_datasets
from molfun.data.proteins import Protein
from molfun.data.saved import FACTS, ROWS, read_facts, read_rows, read_store
from molfun.data.settings import ColumnSettings, SplitSettings, Task
from molfun.data.structure_store import StructureStore, save_arrays
from molfun.errors import DataError, nearest, printable

DATASET_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,99}")
SHOWN_CHARACTERS = 100
SKIPPED = "skipped"


@dataclass(frozen=True)
class Dataset:
    """Rows ready for training.

    Attributes:
        id: Name of its folder.
        name: As shown.
        folder: Where it is saved.
        columns: Columns of the table that it was made of.
        split: How rows were divided.
        classes: Class names by index, empty for regression.
        frame: Columns `chain_1`..`chain_k` (str, upper case), `target` (float, class index, or list of class indices
            with -1 = no label), `split` ("train", "val", "test"), `row` (int, row of the file), and `aligned` (str with
            gaps) where the table has an alignment of its one chain, and `ROW_COLUMNS` where it has structures. The
            target of the task "structure" is the name of the structure.
        about: source, citation, licence, notes, example; sha256 of the content; created (ISO time); unseen_classes
            (without any training row); for regression `target_mean` and `target_std` of the training rows; for folds
            `table` (sha256 without the split, the same for all of them) and `folds_of` (the name that they share).
        structures: Measured structures, None where the table had none; `structure_of` reads one.
    """

    id: str
    name: str
    folder: Path
    columns: ColumnSettings
    split: SplitSettings
    classes: tuple[str, ...]
    frame: pd.DataFrame
    about: dict[str, Any]
    structures: StructureStore | None = None

    @property
    def task(self) -> Task:
        """What is predicted."""
        return self.columns.task

    @property
    def num_chains(self) -> int:
        """Number of sequence columns."""
        return len(self.columns.sequence)

    @property
    def counts(self) -> dict[str, int]:
        """Number of rows of each part."""
        return count_parts(self.frame)

    def fitting(self, max_residues: int) -> Dataset:
        """Return the dataset as a model sees it: rows that it skips for their length are of no part.

        Args:
            max_residues: Longest sequence that the model takes.

        Raises:
            DataError: Nothing is left of a part.
        """
        if self.columns.too_long != "skip":
            return self
        chains = [self.frame[f"chain_{i}"].str.len() > max_residues for i in range(1, self.num_chains + 1)]
        is_long = np.logical_or.reduce(chains)
        fitting = replace(self, frame=self.frame.assign(split=self.frame["split"].where(~is_long, SKIPPED)))
        for part, count in self.counts.items():
            if count and not fitting.counts[part]:
                raise DataError(
                    f"All {count} rows of {part} have more than {max_residues:,} residues, so that skipping leaves "
                    "none of them; save the data again with crop or window, or choose another model."
                )
        return fitting

    def structure_of(self, row: int) -> Protein:
        """Return the measured structure of a row.

        Args:
            row: Its index in `frame`.

        Raises:
            DataError: The dataset has no structures, or its files are damaged.
        """
        if self.structures is None:
            raise DataError(f"The dataset {self.name!r} has no structures; save it from structure files.")
        facts = self.frame.loc[row]
        chains = [facts[f"chain_{i}"] for i in range(1, self.num_chains + 1)]
        return self.structures.protein(facts, chains, self.columns.sequence)

    def part(self, name: str) -> pd.DataFrame:
        """Return the rows of "train", "val" or "test", with their index in `frame`."""
        return self.frame[self.frame["split"] == name]


def save_dataset(
    root: Path,
    frame: pd.DataFrame,
    columns: ColumnSettings,
    split: SplitSettings,
    *,
    name: str,
    about: Mapping[str, Any] | None = None,
) -> Dataset:
    """Encode, split and save a table; the same content under the same name gives the same folder.

    Args:
        root: Folder of all datasets.
        frame: Table of `read_table`, checked by `check_table`.
        columns: Which columns are used.
        split: How rows are divided.
        name: Shown name.
        about: source, citation, licence, notes, ...

    Raises:
        DataError: A column is absent, a target cannot be read, or the split is impossible.
    """
    (prepared,) = prepare_datasets(frame, columns, {name: split}, about=about)
    return write_dataset(root, prepared)


def write_dataset(root: Path, prepared: Prepared) -> Dataset:
    """Save a dataset that was prepared, where it is not there yet; return it.

    Raises:
        DataError: The folder cannot be written.
    """
    folder = Path(root) / prepared.content["id"]
    if not (folder / FACTS).exists():
        about = {**prepared.content["about"], "created": datetime.now(UTC).isoformat(timespec="seconds")}
        _write(folder, prepared.rows, {**prepared.content, "about": about}, prepared.structures)
    return load_dataset(root, folder.name)


def load_dataset(root: Path, dataset_id: str) -> Dataset:
    """Read a saved dataset.

    Args:
        root: Folder of all datasets.
        dataset_id: Name of its folder in there.

    Raises:
        DataError: There is none with that id, or its files cannot be read.
    """
    folder = Path(root) / dataset_id
    if not DATASET_ID.fullmatch(dataset_id) or not folder.is_dir() or folder.is_symlink():
        known = [item["id"] for item in list_datasets(root)]
        shown = repr(printable(dataset_id, SHOWN_CHARACTERS))
        raise DataError(f"No dataset has the id {shown}{nearest(dataset_id, known) or '; the page Data lists them.'}")
    try:
        facts = read_facts(folder)
        frame = read_rows(folder, facts)
        store = read_store(folder, facts, frame)
    except DataError as error:
        raise DataError(
            f"The dataset {dataset_id!r} in {printable(str(folder), 500)} cannot be read: {str(error).rstrip('.')}; "
            "remove the folder and save the dataset again."
        ) from None
    if facts.task == "per_residue":
        frame["target"] = [cell.tolist() for cell in frame["target"]]
    about = facts.about.model_dump(exclude_unset=True)
    classes = tuple(facts.classes)
    return Dataset(dataset_id, facts.name, folder, facts.columns, facts.split, classes, frame, about, store)


def list_datasets(root: Path) -> list[dict[str, Any]]:
    """Return id, name, task, rows, counts, created, about of every saved dataset, newest first; rows stay on disk."""
    found = []
    for path in sorted(Path(root).glob(f"[!.]*/{FACTS}")):
        with suppress(DataError):
            facts = read_facts(path.parent)
            entry = facts.model_dump(include={"id", "name", "task", "rows", "counts"})
            about = facts.about.model_dump(exclude_unset=True)
            found.append(entry | {"about": about, "created": facts.about.created})
    return sorted(found, key=lambda entry: str(entry["created"]), reverse=True)


def _write(folder: Path, rows: pd.DataFrame, content: dict[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
    """Write aside, then rename: nobody ever sees half a dataset."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=".saving-", dir=folder.parent))
    try:
        rows.to_parquet(aside / ROWS, index=False)
        if arrays:
            save_arrays(aside, arrays)
        (aside / FACTS).write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True), encoding="utf-8")
        aside.rename(folder)
    except OSError as error:
        shutil.rmtree(aside, ignore_errors=True)
        if not (folder / FACTS).exists():
            raise DataError(f"The dataset cannot be saved in {folder.parent}: {error.strerror}.") from None
