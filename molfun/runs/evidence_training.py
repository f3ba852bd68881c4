"""Plain facts of how a run was trained: what is recorded of its model, its course and the weights that were kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from molfun.adapters.catalog import MODELS
from molfun.runs import shapes
from molfun.runs.folder import RunFolder
from molfun.runs.shapes import fitting
from molfun.runs.spec import RunSpec
from molfun.runs.status import RunStatus
from molfun.tracking.pool import READERS
from molfun.tracking.reader import read_events
from molfun.training.progress import EARLY_STOP

HASH = shapes.mapping(shapes.text)


def model_facts(spec: RunSpec, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return what model was trained, and how much of it.

    Args:
        spec: Of the run.
        parameters: As `read_parameters` returns them.
    """
    card = MODELS.get(spec.model.name)
    return {
        "name": spec.model.name, "title": card.short_title if card else None,
        "citation": card.citation if card else None, "licence": card.licence if card else None,
        "weights": spec.model.weights, "start_from": spec.model.start_from,
        "head": spec.model.head.model_dump(mode="json"),
        "total": parameters.get("total"), "trainable": parameters.get("trainable"),
        "groups": parameters.get("groups"), "parts": parameters.get("parts"),
        **({"lora": parameters.get("lora")} if spec.strategy.kind == "lora" else {}),
    }  # fmt: skip


def read_parameters(folder: RunFolder) -> dict[str, Any]:
    """Return what trains, with values of the right kind only."""
    return fitting(folder.read_parameters(), shapes.PARAMETERS)


def training_facts(folder: RunFolder, spec: RunSpec, status: RunStatus) -> dict[str, Any]:
    """Return how far a run came, how long that took, what was done to it meanwhile, and which weights were kept."""
    state = folder.read_state()
    # The state is written once a second, the record at every step.
    steps, epochs = _last_step(folder) or state.get("step"), state.get("epoch")
    early = EARLY_STOP.format(metric=spec.strategy.monitor, patience=spec.strategy.early_stopping_patience)
    return {
        "strategy": spec.strategy.kind, "planned_epochs": spec.training.epochs, "asked_epochs": folder.epochs,
        "epochs": epochs, "steps": steps, "total_steps": state.get("total_steps"), "num_train": state.get("num_train"),
        "precision": state.get("precision"), "ended_by_patience": early in status.cause,
        "seconds": _seconds(folder), **read_course(read_events(folder.events_path)), "kept": _kept(folder, spec),
    }  # fmt: skip


def _last_step(folder: RunFolder) -> int | None:
    reader = READERS.of(folder.metrics_path)
    reader.poll()
    step = reader.last("step").get("step")
    return None if step is None else int(step)


def _seconds(folder: RunFolder) -> float | None:
    """Return the time of all optimiser steps of whole epochs, pauses and validation left out."""
    reader = READERS.of(folder.metrics_path)
    reader.poll()
    epochs = reader.epochs
    return round(float(epochs["seconds"].sum()), 3) if "seconds" in epochs else None


def read_course(events: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return starts, resumes and what was asked of a run, as it had an effect.

    A resume goes back to a checkpoint: what was asked after it is undone with the steps, and only counted.

    Args:
        events: As `read_events` returns them.
    """
    starts, undone = 0, 0
    steered: list[dict[str, Any]] = []
    resumes: list[dict[str, Any]] = []
    alerts: list[str] = []
    for event in (fitting(raw, shapes.EVENT) for raw in events):
        kind, step = event.get("kind"), event.get("step")
        starts += kind == "start"
        if kind == "resume" and step is not None:
            kept = [act for act in steered if act["step"] <= step]
            undone, steered = undone + len(steered) - len(kept), kept
            resumes.append({"step": step, "checkpoint": event.get("name", "")})
        elif kind == "steer" and step is not None and event.get("action"):
            steered.append({name: event[name] for name in ("action", "step", "factor", "epochs", "before")
                            if event.get(name) is not None})  # fmt: skip
        elif kind == "alert" and event.get("message"):
            alerts.append(event["message"])
    return {"starts": starts, "resumes": resumes, "steered": steered, "undone": undone, "alerts": alerts}


def _kept(folder: RunFolder, spec: RunSpec) -> dict[str, Any] | None:
    """Return whose weights are used: those that were scored, else the best, else the last ones."""
    scored, written = folder.read_scoreboard().get("checkpoint"), folder.read_checkpoints()
    name = next((name for name in ("best", "last") if name in written), None)
    about = scored or (written[name] if name else {})
    if "epoch" not in about or "weights" not in about:
        return None
    # Without validation rows no epoch is chosen.
    value = _value_at(folder, spec.strategy.monitor, int(about["epoch"]))
    return {"epoch": about["epoch"], "weights": about["weights"], "checkpoint": name, "monitor": spec.strategy.monitor,
            "value": value, "is_chosen": name == "best" and value is not None}  # fmt: skip


def _value_at(folder: RunFolder, metric: str, epoch: int) -> float | None:
    reader = READERS.of(folder.metrics_path)
    reader.poll()
    table = reader.epochs
    if metric not in table or "epoch" not in table:
        return None
    found = table.loc[table["epoch"] == epoch, metric].dropna()
    return float(found.iloc[-1]) if len(found) else None


def checkpoint_facts(folder: RunFolder) -> dict[str, Any]:
    """Return epoch, step, weights and the recorded hash of every file of each checkpoint, by its name."""
    found = {}
    for name, about in sorted(folder.read_checkpoints().items()):
        files = HASH(about.get("files"))
        found[name] = {
            **{key: about.get(key) for key in ("epoch", "step", "weights")},
            "files": None if files is shapes.ABSENT else dict(sorted(files.items())),
        }
    return found


def moment(seconds: float | None) -> str | None:
    """Return unix seconds as a UTC time in ISO form."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
