"""Scores of a whole validation set, over all processes: never means of batches, and no row counted twice."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from molfun.data.settings import METRICS_OF_TASK
from molfun.errors import SettingError, nearest
from molfun.metrics import compute_metrics
from molfun.models.inference import iterate_predictions, scored_items
from molfun.structure_metrics import score_structures
from molfun.training.stepping import item_losses
from molfun.types import Loader

if TYPE_CHECKING:
    from molfun.training.loop import Loop


def check_monitor(metric: str, task: str) -> None:
    """Hold that a validation reports `metric`.

    Raises:
        SettingError: It does not; the nearest metric that it does report is given.
    """
    known = ["val_loss", *(f"val_{name}" for name in METRICS_OF_TASK[task])]
    if metric not in known:
        raise SettingError(
            f"Setting 'monitor' is {metric!r}{nearest(metric, known) or f'; for {task} it is one of {known}.'}"
        )


def validate(loop: Loop, loader: Loader) -> dict[str, float]:
    """Score the model as it is now.

    Args:
        loop: Its model, loss and precision are used.
        loader: This process's share of the validation rows.

    Returns:
        val_loss (mean over items) and val_<metric>, the same on every process; NaN where one is undefined.
    """
    if loop.model.task == "structure":
        return _validate_structures(loop, loader)
    mine = []
    for batch, preds in iterate_predictions(loop.model, loader, loop.precision):
        mine.append(tuple(part.cpu() for part in scored_items(preds, batch)))
        loop.callbacks.on_alive(loop)
    shared = [pair for part in loop.distributed.collect(mine) for pair in part]
    preds, targets = torch.cat([p for p, _ in shared]), torch.cat([t for _, t in shared])
    device = loop.distributed.device
    loss = math.nan
    if _is_comparable(targets, loop.min_items):
        with torch.no_grad():
            loss = float(item_losses(loop.loss, loop.model, preds.to(device), targets.to(device)).mean())
    num_classes = preds.shape[-1] if preds.ndim > 1 else 0
    scores = compute_metrics(preds, targets, task=loop.model.task, num_classes=num_classes)
    return {"val_loss": loss, **{f"val_{name}": value for name, value in scores.items()}}


def _validate_structures(loop: Loop, loader: Loader) -> dict[str, float]:
    """Score every structure by itself: a row is an item, of which processes share a few numbers."""
    scored = []
    for batch, folds in iterate_predictions(loop.model, loader, loop.precision):
        own, measured = scored_items(folds, batch)
        with torch.no_grad():
            found = {"loss": item_losses(loop.loss, loop.model, own, measured), **score_structures(own, measured)}
        scored.append({name: values.cpu() for name, values in found.items()})
        loop.callbacks.on_alive(loop)
    shared = [found for part in loop.distributed.collect(scored) for found in part]
    names = ("loss", *METRICS_OF_TASK["structure"])
    return {f"val_{name}": float(torch.cat([found[name] for found in shared]).nanmean()) for name in names}


def _is_comparable(targets: Tensor, min_items: int) -> bool:
    """Return whether a loss is defined: one that compares items with each other needs items, and some that differ.

    It would be 0 otherwise, which looks perfect.
    """
    if min_items == 1:
        return targets.numel() > 0
    return targets.numel() >= min_items and bool((targets != targets[0]).any())
