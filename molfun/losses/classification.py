"""Losses of classes: float32 logits [N, C] against int64 class numbers [N], one float32 value an item."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F


def cross_entropy(preds: Tensor, targets: Tensor) -> Tensor:
    """Return the negative log-likelihood [N] of the true class under softmax(logits), in nats."""
    return F.cross_entropy(preds, targets, reduction="none")
