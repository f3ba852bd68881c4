"""Plain facts of the data of a run: which rows, their hashes, how they were cleaned and divided, what parts share."""

from __future__ import annotations

from typing import Any

import numpy as np

from molfun.adapters.catalog import MODELS
from molfun.data.dataset import Dataset
from molfun.data.hashes import hash_again, split_hash
from molfun.data.leaks import find_leaks
from molfun.data.recipe import parse_recipe
from molfun.data.settings import ColumnSettings, SplitSettings
from molfun.data.splits import KINDS, PARTS
from molfun.errors import DataError
from molfun.runs.spec import RunSpec

# Kinds whose parts follow from the table alone.
WITHOUT_SEED = ("column", "time")


def data_facts(dataset: Dataset | None, spec: RunSpec) -> dict[str, Any]:
    """Return what is known of the data of a run; None stands for what is not known.

    Args:
        dataset: None where it was removed; then the spec tells what it can.
        spec: Of the run.
    """
    if dataset is None:
        return {
            "id": spec.data.dataset, "is_there": False, "sha256": None, "split_sha256": None, "rows": None,
            "recipe": None, "leaks": None, "citation": None, "licence": None, "source": None, "longer": None,
            **_columns(spec.data.columns), **_split(spec.data.split),
        }  # fmt: skip
    about = dataset.about
    return {
        "id": dataset.id, "name": dataset.name, "is_there": True, "sha256": about.get("sha256"),
        "is_unchanged": hash_again(dataset) == about.get("sha256"), "split_sha256": split_hash(dataset.frame),
        **({"table_sha256": about["table"]} if about.get("table") else {}),
        "rows": dataset.counts, **_lengths(dataset, spec),
        **{name: str(about.get(name) or "") for name in ("source", "citation", "licence")},
        "notes": [str(note) for note in about.get("notes") or []], "classes": list(dataset.classes),
        "unseen_classes": list(about.get("unseen_classes") or []),
        **_columns(dataset.columns), **_split(dataset.split), "recipe": _recipe(about.get("recipe") or []),
        "leaks": _leaks(dataset),
    }  # fmt: skip


def _columns(columns: ColumnSettings | None) -> dict[str, Any]:
    if columns is None:
        return dict.fromkeys(("task", "sequence", "target", "too_long"))
    return columns.model_dump(mode="json")


def _split(split: SplitSettings | None) -> dict[str, Any]:
    """Return the settings of a split that had an effect."""
    if split is None:
        return {"split": None}
    kind = KINDS[split.kind]
    found: dict[str, Any] = {"kind": split.kind, **{name: getattr(split, name) for name in kind.settings}}
    if split.kind != "column":
        found["val_fraction"] = split.val_fraction
    if kind.has_folds and split.num_folds:
        found |= {"num_folds": split.num_folds, "fold": split.fold}
    elif kind.has_shares:
        found["test_fraction"] = split.test_fraction
    return {"split": found if split.kind in WITHOUT_SEED else {**found, "seed": split.seed}}


def _lengths(dataset: Dataset, spec: RunSpec) -> dict[str, Any]:
    """Return the longest sequence that the model takes, how many rows are beyond it, and what became of them."""
    card = MODELS.get(spec.model.name)
    if card is None:
        return {"max_residues": None, "longer": None}
    limit = card.num_residues_limit
    chains = [dataset.frame[f"chain_{i}"].str.len() > limit for i in range(1, dataset.num_chains + 1)]
    is_long = np.logical_or.reduce(chains)
    found: dict[str, Any] = {"max_residues": limit, "longer": int(is_long.sum())}
    if dataset.columns.too_long == "skip":
        parts = dataset.frame["split"].where(~is_long)
        found["rows_used"] = {part: int((parts == part).sum()) for part in PARTS}
    return found


def _recipe(values: Any) -> list[dict[str, Any]] | None:
    """Return the steps of the cleaning with their titles; None where they are of a form that is not known here."""
    try:
        steps = parse_recipe(values)
    except DataError:
        return None
    return [{"title": step.title(), **step.model_dump(mode="json")} for step in steps]


def _leaks(dataset: Dataset) -> dict[str, Any] | None:
    chains = [dataset.frame[f"chain_{i}"].tolist() for i in range(1, dataset.num_chains + 1)]
    try:
        return find_leaks(chains, dataset.frame["split"].tolist()).as_dict()
    except DataError:  # sequences that are too long to be compared
        return None
