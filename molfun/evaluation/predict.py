"""Predictions of a loader's rows as a table, and their scores."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
import torch

from molfun.metrics import compute_metrics
from molfun.models.inference import iterate_predictions, scored_items
from molfun.models.precision import Precision
from molfun.models.structure import MolfunStructureModel
from molfun.types import Batch


def predict_table(
    model: MolfunStructureModel, loader: Iterable[Batch], precision: Precision, *, classes: Sequence[str] = ()
) -> tuple[pd.DataFrame, dict[str, float]]:
    """Predict every row of a loader and score the rows that have a target.

    Args:
        model: With the weights to use.
        loader: Batches with targets.
        precision: Numbers to compute in, and the device.
        classes: Class names by number; empty for regression.

    Returns:
        A table with `row_id` (position in the dataset), `target`, `prediction` (a number, a class name, or a list of
        class names per residue) and for pooled classification one probability column `p_<class>`; and {metric: value}.
    """
    tables, preds, targets = [], [], []
    for batch, outputs in iterate_predictions(model, loader, precision):
        tables.append(_rows(batch, outputs, model.task, classes))
        p, t = scored_items(outputs, batch)
        preds.append(p.cpu())
        targets.append(t.cpu())
    scores = compute_metrics(torch.cat(preds), torch.cat(targets), task=model.task, num_classes=len(classes))
    return pd.concat(tables, ignore_index=True), scores


def _rows(batch: Batch, outputs: torch.Tensor, task: str, classes: Sequence[str]) -> pd.DataFrame:
    table = pd.DataFrame({"row_id": batch.row_ids.numpy()})
    assert batch.targets is not None
    assert batch.target_mask is not None
    targets, mask = batch.targets.cpu().numpy(), batch.target_mask.cpu().numpy()
    if task == "regression":
        return table.assign(target=np.where(mask, targets, np.nan), prediction=outputs.cpu().numpy())
    names = np.asarray(classes, dtype=object)
    chosen = outputs.argmax(-1).cpu().numpy()
    if task == "per_residue":
        return table.assign(
            target=[names[t[m]].tolist() for t, m in zip(targets, mask, strict=True)],
            prediction=[names[c[m]].tolist() for c, m in zip(chosen, mask, strict=True)],
        )
    known = [names[t] if m else None for t, m in zip(targets, mask, strict=True)]
    table = table.assign(target=known, prediction=names[chosen])
    shares = outputs.softmax(-1).cpu().numpy()
    return table.assign(**{f"p_{name}": shares[:, i] for i, name in enumerate(classes)})
