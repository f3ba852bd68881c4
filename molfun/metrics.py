"""Metrics of a whole validation or test set, by task, from torchmetrics. Never means of batches."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

Metric = Callable[[Tensor, Tensor], Tensor]


def compute_metrics(preds: Tensor, targets: Tensor, *, task: str, num_classes: int = 0) -> dict[str, float]:
    """Score predictions.

    Args:
        preds: float32 [N] (regression) or logits [N, C] (classification, per residue), masked items left out.
        targets: float32 [N] or int64 [N].
        task: "regression", "classification" or "per_residue".
        num_classes: C; unused for regression.

    Returns:
        {metric: value}; NaN where a metric is undefined (fewer than two rows, constant values, a prediction that is no
        number).
    """
    metrics = _regression() if task == "regression" else _classification(num_classes)
    smallest = 2 if task == "regression" else 1
    # An order of NaN would look like any other, and the class of NaN like a class.
    if targets.numel() < smallest or bool(preds.isnan().any()):
        return dict.fromkeys(metrics, float("nan"))
    if task == "regression":
        preds, targets = preds.double(), targets.double()
    constant = task == "regression" and bool(torch.all(targets == targets[0]) or torch.all(preds == preds[0]))
    undefined = {"spearman", "pearson"} if constant else set()
    return {name: float("nan") if name in undefined else float(f(preds, targets)) for name, f in metrics.items()}


def _regression() -> dict[str, Metric]:
    # Late, here and below: it takes as long to load as ten steps, and nothing is scored before the first epoch ends.
    from torchmetrics import functional as tm  # noqa: PLC0415

    return {
        "spearman": tm.spearman_corrcoef,
        "pearson": tm.pearson_corrcoef,
        "rmse": partial(tm.mean_squared_error, squared=False),
        "mae": tm.mean_absolute_error,
        "r2": tm.r2_score,
    }


def _classification(num_classes: int) -> dict[str, Metric]:
    from torchmetrics import functional as tm  # noqa: PLC0415

    of_classes = partial(partial, task="multiclass", num_classes=num_classes)
    return {
        "balanced_accuracy": partial(_balanced_accuracy, num_classes=num_classes),
        "accuracy": of_classes(tm.accuracy, average="micro"),
        "mcc": of_classes(tm.matthews_corrcoef),
        "macro_f1": of_classes(tm.f1_score, average="macro"),
    }


def _balanced_accuracy(preds: Tensor, targets: Tensor, *, num_classes: int) -> Tensor:
    """Return the mean recall over classes that the targets hold, as scikit-learn defines it.

    torchmetrics' macro average also counts a class that is predicted but absent, with recall 0.
    """
    from torchmetrics import functional as tm  # noqa: PLC0415

    recalls = tm.recall(preds, targets, task="multiclass", num_classes=num_classes, average="none")
    return recalls[targets.unique()].mean()
