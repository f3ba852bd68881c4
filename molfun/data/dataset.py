"""A dataset: rows with encoded targets and a split, saved as one folder that runs refer to by id."""

from __future__ import annotations

import hashlib
import json
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

from molfun.data.rows import encode_rows
from molfun.data.saved import FACTS, ROWS, read_facts, read_rows
from molfun.data.settings import ColumnSettings, SplitSettings, Task
from molfun.data.splits import PARTS, assign_splits
from molfun.data.tables import file_rows
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
            gaps) where the table has an alignment of its one chain.
        about: source, citation, licence, notes, example; sha256 of the content; created (ISO time); unseen_classes
            (without any training row); for regression `target_mean` and `target_std` of the training rows.
    """

    id: str
    name: str
    folder: Path
    columns: ColumnSettings
    split: SplitSettings
    classes: tuple[str, ...]
    frame: pd.DataFrame
    about: dict[str, Any]

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
        return _counts(self.frame)

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
    rows, classes = encode_rows(frame, columns)
    rows["split"] = assign_splits(frame, columns, split).to_numpy()
    rows["row"] = file_rows(frame)
    sha256 = _content_hash(rows, columns, split, classes)
    dataset_id = f"{slug(name)}-{sha256[:8]}"
    folder = Path(root) / dataset_id
    facts: dict[str, Any] = {
        "sha256": sha256,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "unseen_classes": _unseen_classes(rows, classes, columns),
    }
    facts |= _target_scale(rows, columns)
    if not (folder / FACTS).exists():
        content = {
            "id": dataset_id,
            "name": name,
            "task": columns.task,
            "rows": len(rows),
            "counts": _counts(rows),
            "classes": list(classes),
            "columns": columns.model_dump(mode="json"),
            "split": split.model_dump(mode="json"),
            "about": dict(about or {}) | facts,
        }
        _write(folder, rows, content)
    return load_dataset(root, dataset_id)


def load_dataset(root: Path, dataset_id: str) -> Dataset:
    """Read a saved dataset.

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
    except DataError as error:
        raise DataError(
            f"The dataset {dataset_id!r} in {printable(str(folder), 500)} cannot be read: {str(error).rstrip('.')}; "
            "remove the folder and save the dataset again."
        ) from None
    if facts.task == "per_residue":
        frame["target"] = [cell.tolist() for cell in frame["target"]]
    about = facts.about.model_dump(exclude_unset=True)
    return Dataset(dataset_id, facts.name, folder, facts.columns, facts.split, tuple(facts.classes), frame, about)


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


def slug(name: str) -> str:
    """Return a name as lower-case letters, digits and single hyphens, at most 40."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40].strip("-") or "dataset"


def _unseen_classes(rows: pd.DataFrame, classes: tuple[str, ...], columns: ColumnSettings) -> list[str]:
    """Return the classes without any training row: no model can learn to predict them."""
    if columns.task == "regression":
        return []
    train = rows.loc[rows["split"] == "train", "target"]
    seen = set(train) if columns.task == "classification" else {index for cell in train for index in cell}
    return [name for index, name in enumerate(classes) if index not in seen]


def _target_scale(rows: pd.DataFrame, columns: ColumnSettings) -> dict[str, float]:
    if columns.task != "regression":
        return {}
    train = rows.loc[rows["split"] == "train", "target"].to_numpy(dtype=float)
    if len(train) and float(train.std()) == 0.0:
        raise DataError(
            f"All {len(train)} training rows have the same value {train[0]:g} in column {columns.target!r}, "
            "so there is nothing to learn; choose another split or column."
        )
    return {"target_mean": float(train.mean()), "target_std": float(train.std())}


def _counts(rows: pd.DataFrame) -> dict[str, int]:
    return {part: int((rows["split"] == part).sum()) for part in PARTS}


def _content_hash(rows: pd.DataFrame, columns: ColumnSettings, split: SplitSettings, classes: tuple[str, ...]) -> str:
    """Return the sha256 of everything that a run sees; independent of file formats and of library versions."""
    head = json.dumps([columns.model_dump(mode="json"), split.model_dump(mode="json"), list(classes)], sort_keys=True)
    digest = hashlib.sha256(head.encode())
    for record in rows[sorted(rows.columns)].itertuples(index=False):
        digest.update(repr([cell.item() if isinstance(cell, np.generic) else cell for cell in record]).encode())
    return digest.hexdigest()


def _write(folder: Path, rows: pd.DataFrame, content: dict[str, Any]) -> None:
    """Write aside, then rename: nobody ever sees half a dataset."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=".saving-", dir=folder.parent))
    try:
        rows.to_parquet(aside / ROWS, index=False)
        (aside / FACTS).write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True), encoding="utf-8")
        aside.rename(folder)
    except OSError as error:
        shutil.rmtree(aside, ignore_errors=True)
        if not (folder / FACTS).exists():
            raise DataError(f"The dataset cannot be saved in {folder.parent}: {error.strerror}.") from None
