"""A dataset before it is saved: rows encoded and divided, what is known of them, and the id that follows from it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from molfun.data.proteins import has_structures
from molfun.data.rows import chosen_proteins, encode_rows
from molfun.data.settings import ColumnSettings, SplitSettings
from molfun.data.splits import PARTS, assign_splits
from molfun.data.structure_store import structure_arrays
from molfun.data.tables import file_rows
from molfun.errors import DataError


@dataclass(frozen=True)
class Prepared:
    """A dataset that can be saved: everything that could forbid it was looked at, and nothing is written yet.

    Attributes:
        rows: As `Dataset.frame` has them.
        content: What `dataset.yaml` will say.
        structures: Arrays of `structure_arrays`; empty where the rows have no structures.
    """

    rows: pd.DataFrame
    content: dict[str, Any]
    structures: Mapping[str, np.ndarray] = field(default_factory=dict)


def prepare_datasets(
    frame: pd.DataFrame,
    columns: ColumnSettings,
    splits: Mapping[str, SplitSettings],
    *,
    about: Mapping[str, Any] | None = None,
    encoded: tuple[pd.DataFrame, tuple[str, ...]] | None = None,
) -> list[Prepared]:
    """Encode and split a table, once or in several ways.

    Args:
        frame: As in `save_dataset`.
        columns: As there.
        splits: How rows are divided, by the name of each dataset.
        about: As there.
        encoded: Rows without their split, and class names, where the table was encoded before.

    Raises:
        DataError: As there.
    """
    rows, classes = encoded or encode_rows(frame, columns)
    rows = rows if encoded else rows.assign(row=file_rows(frame))
    has_folds = any(split.num_folds for split in splits.values())
    told = columns.model_dump(mode="json")
    common = {**(about or {}), "table": content_hash(rows, told, None, classes)} if has_folds else dict(about or {})
    arrays = structure_arrays(chosen_proteins(frame, columns)) if has_structures(frame) else {}
    found = []
    for name, split in splits.items():
        divided = rows.assign(split=assign_splits(frame, columns, split).to_numpy())
        facts: dict[str, Any] = {"sha256": content_hash(divided, told, split.model_dump(mode="json"), classes)}
        facts |= {"unseen_classes": _unseen_classes(divided, classes, columns), **_target_scale(divided, columns)}
        found.append(Prepared(divided, _content(name, divided, columns, split, classes, common | facts), arrays))
    return found


def _content(
    name: str, rows: pd.DataFrame, columns: ColumnSettings, split: SplitSettings, classes: tuple[str, ...],
    about: dict[str, Any],
) -> dict[str, Any]:  # fmt: skip
    return {
        "id": f"{slug(name)}-{about['sha256'][:8]}",
        "name": name,
        "task": columns.task,
        "rows": len(rows),
        "counts": count_parts(rows),
        "classes": list(classes),
        "columns": columns.model_dump(mode="json"),
        "split": split.model_dump(mode="json"),
        "about": about,
    }


def count_parts(rows: pd.DataFrame) -> dict[str, int]:
    """Return the number of rows of each part."""
    return {part: int((rows["split"] == part).sum()) for part in PARTS}


def slug(name: str) -> str:
    """Return a name as lower-case letters, digits and single hyphens, at most 40."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40].strip("-") or "dataset"


def _unseen_classes(rows: pd.DataFrame, classes: tuple[str, ...], columns: ColumnSettings) -> list[str]:
    """Return the classes without any training row: no model can learn to predict them."""
    if columns.task in ("regression", "structure"):
        return []
    train = rows.loc[rows["split"] == "train", "target"]
    seen = set(train) if columns.task == "classification" else {index for cell in train for index in cell}
    return [name for index, name in enumerate(classes) if index not in seen]


def _target_scale(rows: pd.DataFrame, columns: ColumnSettings) -> dict[str, float]:
    if columns.task != "regression":
        return {}
    train = rows.loc[rows["split"] == "train", "target"].to_numpy(dtype=float)
    # Not by the standard deviation: that of many 0.1 is no exact 0.
    if len(train) and train.min() == train.max():
        raise DataError(
            f"All {len(train)} training rows have the same value {train[0]:g} in column {columns.target!r}, "
            "so there is nothing to learn; choose another split or column."
        )
    return {"target_mean": float(train.mean()), "target_std": float(train.std())}


def content_hash(
    rows: pd.DataFrame, columns: Mapping[str, Any], split: Mapping[str, Any] | None, classes: Sequence[str]
) -> str:
    """Return the sha256 of everything that a run sees, or of the table alone where there is no split.

    It is independent of file formats and of library versions.

    Args:
        rows: As `Dataset.frame` has them; without `split` where that is None.
        columns: Settings of the columns as `dataset.yaml` has them.
        split: Those of the split.
        classes: Class names by index.
    """
    divided = [] if split is None else [split]
    head = json.dumps([columns, *divided, list(classes)], sort_keys=True)
    digest = hashlib.sha256(head.encode())
    for record in rows[sorted(rows.columns)].itertuples(index=False):
        digest.update(repr([cell.item() if isinstance(cell, np.generic) else cell for cell in record]).encode())
    return digest.hexdigest()
