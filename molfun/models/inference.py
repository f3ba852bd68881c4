"""Running a model over a loader without gradients, and picking the rows or residues that count."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import torch

from molfun.models.precision import Precision
from molfun.models.structure import MolfunStructureModel
from molfun.types import Batch

# Of a batch without gradients, padding included. A processor gets slower with more: what one layer hands to the next no
# longer fits its cache, and memory of that size is asked of the system anew each time (`benchmarks/prediction.py`).
MAX_TOKENS = {"cpu": 2_048, "cuda": 8_192}


def max_tokens(device: torch.device) -> int:
    """Return the most tokens of a batch that is only predicted, padding included."""
    return MAX_TOKENS.get(device.type, MAX_TOKENS["cpu"])


@torch.no_grad()
def predict_batch(model: MolfunStructureModel, batch: Batch, precision: Precision) -> Any:
    """Return the float32 predictions for a batch on the model's device, which is in eval mode.

    Returns:
        A tensor, or `Folds` where structures are predicted.
    """
    with precision.autocast():
        preds = model(batch)["preds"]
    return preds.float()


def iterate_predictions(
    model: MolfunStructureModel, loader: Iterable[Batch], precision: Precision
) -> Iterator[tuple[Batch, Any]]:
    """Yield (batch on the model's device, predictions of `predict_batch`); the model is put into eval mode."""
    model.eval()
    for batch in loader:
        moved = batch.to(precision.device)
        yield moved, predict_batch(model, moved, precision)


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
