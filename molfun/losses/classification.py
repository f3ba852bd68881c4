"""Losses of classes: float32 logits [N, C] against int64 class numbers [N], one float32 value an item."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def cross_entropy(preds: Tensor, targets: Tensor) -> Tensor:
    """Return the negative log-likelihood [N] of the true class under softmax(logits), in nats."""
    return F.cross_entropy(preds, targets, reduction="none")


def bce(preds: Tensor, targets: Tensor) -> Tensor:
    """Return binary cross-entropies [N] of each class against the rest under sigmoid(logits), their mean over C."""
    wanted = F.one_hot(targets, preds.shape[-1]).to(preds.dtype)
    return F.binary_cross_entropy_with_logits(preds, wanted, reduction="none").mean(dim=-1)


def focal(preds: Tensor, targets: Tensor, *, gamma: float = 2.0) -> Tensor:
    """Return focal losses [N]: (1 - p)^gamma * -log p of the true class (Lin et al. 2017, arXiv:1708.02002, eq. 4).

    Args:
        preds: Logits [N, C].
        targets: Class numbers [N].
        gamma: How fast items that are right already lose weight, at least 0; 0 is `cross_entropy`.
    """
    nats = cross_entropy(preds, targets)
    # A power below 1 has an infinite slope at 0, which sure predictions reach.
    doubt = (-torch.expm1(-nats)).clamp(min=torch.finfo(nats.dtype).tiny)
    return doubt**gamma * nats
