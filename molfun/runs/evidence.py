"""What is known of a run, as plain facts that a reviewer can check: nothing is guessed, what is not known is None."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from molfun.data.dataset import Dataset, load_dataset
from molfun.errors import MolfunError
from molfun.runs import shapes
from molfun.runs.disclosure import Disclosure
from molfun.runs.evidence_data import data_facts
from molfun.runs.evidence_scores import score_facts
from molfun.runs.evidence_training import (
    checkpoint_facts,
    model_facts,
    moment,
    read_parameters,
    training_facts,
)
from molfun.runs.folder import RunFolder
from molfun.runs.shapes import fitting
from molfun.runs.spec import RunSpec
from molfun.runs.status import RunStatus, run_status

FORMAT = 1


def collect(folder: RunFolder, *, with_data: bool = False) -> dict[str, Any]:
    """Return the facts of a run as JSON can hold them.

    Args:
        folder: The run, in any state.
        with_data: Whether sequences may be among them; secrets and paths of this machine never are.

    Returns:
        `format`, `run`, `settings`, `data`, `model`, `training`, `scores`, `checkpoints`, `environment`, and
        `not_known`: the dotted names of all that is None. Without readable settings the parts that follow from them
        are None.
    """
    spec, status = read_spec(folder), run_status(folder)
    dataset, parameters = dataset_of(folder, spec), read_parameters(folder)
    task = dataset.task if dataset else spec.data.columns.task if spec and spec.data.columns else None
    facts: dict[str, Any] = {
        "format": FORMAT,
        "run": _run_facts(folder, status),
        "settings": spec.model_dump(mode="json") if spec else None,
        "data": data_facts(dataset, spec) if spec else None,
        "model": model_facts(spec, parameters) if spec else None,
        "training": training_facts(folder, spec, status) if spec else None,
        "scores": score_facts(folder, dataset, task),
        "checkpoints": checkpoint_facts(folder),
        "environment": fitting(folder.read_environment(), shapes.ENVIRONMENT) or None,
    }
    found: dict[str, Any] = Disclosure(home_of(folder), with_sequences=with_data).values(facts)
    settings = found.pop("settings")  # None stands for "auto" there
    return {**found, "settings": settings, "not_known": [*_unknown(found), *([] if settings else ["settings"])]}


def read_spec(folder: RunFolder) -> RunSpec | None:
    """Return the settings of a run, None where they cannot be read."""
    try:
        return folder.spec
    except MolfunError:
        return None


def dataset_of(folder: RunFolder, spec: RunSpec | None) -> Dataset | None:
    """Return the data of a run, None where they were removed or cannot be read."""
    if spec is None:
        return None
    try:
        return load_dataset(home_of(folder) / "datasets", spec.data.dataset)
    except MolfunError:
        return None


def home_of(folder: RunFolder) -> Path:
    """Return the data folder that a run lies in: HOME/runs/ID."""
    return folder.path.absolute().parents[1]


def _run_facts(folder: RunFolder, status: RunStatus) -> dict[str, Any]:
    state = folder.read_state()
    return {
        "id": folder.id, "title": folder.title, "status": status.status, "cause": status.cause,
        "is_over": status.is_over, "created": moment(state.get("created")), "started": moment(status.started),
        **({"ended": moment(status.ended)} if status.is_over else {}),
    }  # fmt: skip


def _unknown(values: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Yield the dotted name of every None."""
    for name, value in values.items():
        if value is None:
            yield f"{prefix}{name}"
        elif isinstance(value, Mapping):
            yield from _unknown(value, f"{prefix}{name}.")
