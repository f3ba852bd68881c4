"""Running a model over a loader without gradients, and picking the rows or residues that count."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import torch

from molfun.models.precision import Precision
from molfun.models.structure import MolfunStructureModel
from molfun.types import Batch


@torch.no_grad()
def iterate_predictions(
    model: MolfunStructureModel, loader: Iterable[Batch], precision: Precision
) -> Iterator[tuple[Batch, Any]]:
    """Yield (batch on the model's device, float32 predictions) for every batch; the model is put into eval mode.

    Predictions are a tensor, or `Folds` where structures are predicted.
    """
    model.eval()
    for batch in loader:
        moved = batch.to(precision.device)
        with precision.autocast():
            preds = model(moved)["preds"]
        yield moved, preds.float()


def scored_items(preds: Any, batch: Batch) -> tuple[Any, Any]:
    """Return predictions and targets of the items that count: rows [N], or residues [N] of all rows.

    Args:
        preds: [B], [B, C], [B, L, C], or `Folds` of B rows.
        batch: Its `target_mask` says which items count.
    """
    targets = batch.targets if batch.structures is None else batch.structures
    assert targets is not None
    assert batch.target_mask is not None
    return preds[batch.target_mask], targets[batch.target_mask]


def count_items(batch: Batch) -> int:
    """Return how many rows or residues of a batch count."""
    return 0 if batch.target_mask is None else int(batch.target_mask.sum())
