"""Losses of numbers: float32 predictions [N] against float32 targets [N], one float32 value an item."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F


def mse(preds: Tensor, targets: Tensor) -> Tensor:
    """Return squared errors [N]."""
    return F.mse_loss(preds, targets, reduction="none")


def mae(preds: Tensor, targets: Tensor) -> Tensor:
    """Return absolute errors [N]."""
    return F.l1_loss(preds, targets, reduction="none")


def huber(preds: Tensor, targets: Tensor) -> Tensor:
    """Return Huber losses [N] with delta 1 (Huber 1964): squared near zero, absolute beyond."""
    return F.huber_loss(preds, targets, reduction="none", delta=1.0)
