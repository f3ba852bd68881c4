"""Predictions of a loader's rows as a table, and their scores."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch

from molfun.metrics import compute_metrics
from molfun.models.inference import iterate_predictions, scored_items
from molfun.models.precision import Precision
from molfun.models.structure import MolfunStructureModel
from molfun.types import Batch


def alone(value: Any) -> list[Any]:
    """Return the values of all processes where this one is the only one."""
    return [value]


def predict_table(
    model: MolfunStructureModel, loader: Iterable[Batch], precision: Precision, *, classes: Sequence[str] = (),
    collect: Callable[[Any], list[Any]] = alone,
) -> tuple[pd.DataFrame, dict[str, float]]:  # fmt: skip
    """Predict every row of a loader and score the rows that have a target.

    Args:
        model: With the weights to use.
        loader: Batches with targets.
        precision: Numbers to compute in, and the device.
        classes: Class names by number; empty for regression.
        collect: Gives the values of all processes that predict a share of the rows each, on every one of them
            (`BaseDistributedStrategy.collect`). Batches of rows numbered -1, which only fill up a share, are left out.

    Returns:
        A table ordered by row with `row_id` (position in the dataset), `target`, `prediction` (a number, a class name,
        or a list of class names of the residues that have a label) and for classes one column of probabilities
        `p_<class>`, lists of them per residue; and {metric: value}. The same on every process.
    """
    own = []
    for batch, outputs in iterate_predictions(model, loader, precision):
        if int(batch.row_ids.max()) >= 0:
            table = _rows(batch, outputs, model.task, classes)
            own.append((table, *(items.cpu() for items in scored_items(outputs, batch))))
    tables, preds, targets = zip(*(batch for share in collect(own) for batch in share), strict=True)
    scores = compute_metrics(torch.cat(preds), torch.cat(targets), task=model.task, num_classes=len(classes))
    return pd.concat(tables).sort_values("row_id", kind="stable", ignore_index=True), scores


def _rows(batch: Batch, outputs: torch.Tensor, task: str, classes: Sequence[str]) -> pd.DataFrame:
    table = pd.DataFrame({"row_id": batch.row_ids.numpy()})
    assert batch.targets is not None
    assert batch.target_mask is not None
    targets, mask = batch.targets.cpu().numpy(), batch.target_mask.cpu().numpy()
    if task == "regression":
        return table.assign(target=np.where(mask, targets, np.nan), prediction=outputs.cpu().numpy())
    names = np.asarray(classes, dtype=object)
    chosen = outputs.argmax(-1).cpu().numpy()
    shares = outputs.softmax(-1).cpu().numpy()
    if task == "per_residue":
        return table.assign(
            target=[names[t[m]].tolist() for t, m in zip(targets, mask, strict=True)],
            prediction=[names[c[m]].tolist() for c, m in zip(chosen, mask, strict=True)],
            **{f"p_{name}": [s[m, i] for s, m in zip(shares, mask, strict=True)] for i, name in enumerate(classes)},
        )
    known = [names[t] if m else None for t, m in zip(targets, mask, strict=True)]
    table = table.assign(target=known, prediction=names[chosen])
    return table.assign(**{f"p_{name}": shares[:, i] for i, name in enumerate(classes)})
