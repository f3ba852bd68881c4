"""Losses of numbers: float32 predictions [N] against float32 targets [N], one float32 value an item."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from typing_extensions import override

# Predictions that spread less than this (in the unit they come in) are taken to spread this much, because the gradient
# of a correlation grows without bound as they become equal.
SMALLEST_SPREAD = 1e-3
# Pairs of items that `ranking` holds at once, in two float32 tensors of 4 MB.
MAX_PAIRS = 2**20


def mse(preds: Tensor, targets: Tensor) -> Tensor:
    """Return squared errors [N]."""
    return F.mse_loss(preds, targets, reduction="none")


def mae(preds: Tensor, targets: Tensor) -> Tensor:
    """Return absolute errors [N]."""
    return F.l1_loss(preds, targets, reduction="none")


def huber(preds: Tensor, targets: Tensor) -> Tensor:
    """Return Huber losses [N] with delta 1 (Huber 1964): squared near zero, absolute beyond."""
    return F.huber_loss(preds, targets, reduction="none", delta=1.0)


def pearson(preds: Tensor, targets: Tensor) -> Tensor:
    """Return 1 - r, with Pearson's correlation r over all items, the same value for each of the N items.

    r = mean((p - mean p) (y - mean y)) / (sd p * sd y). It knows neither unit nor offset, so predictions may end far
    from the targets and still be perfect. Predictions whose standard deviation is below 0.001 are divided by 0.001
    instead, so that the gradient is finite also where they are all equal.

    Returns:
        [N]; zeros, also as gradient, where r is undefined: fewer than two items, or targets that are all equal.
    """
    if targets.numel() < 2 or bool((targets == targets[0]).all()):
        return preds * 0.0
    centred, wanted = preds - preds.mean(), targets - targets.mean()
    wanted = wanted / wanted.abs().max()  # squares of very small numbers would vanish
    wanted = wanted / wanted.square().mean().sqrt()
    spread = centred.square().mean().clamp(min=SMALLEST_SPREAD**2).sqrt()
    return (1.0 - (centred * wanted).mean() / spread).expand_as(preds)


def ranking(preds: Tensor, targets: Tensor) -> Tensor:
    """Return pairwise logistic ranking losses [N]: RankNet (Burges et al. 2005, ICML) with certain pairs.

    The value of item i is the mean over all items j with another target of log(1 + exp(-s (p_i - p_j))), s the sign of
    y_i - y_j. Pairs of equal targets say nothing about order and are left out.

    Predictions count in the unit they come in: a pair that is right by 3 costs 0.05. Memory does not grow with the
    square of N, time does.

    Returns:
        [N]; zeros, also as gradient, for items that have no pair.
    """
    values: Tensor = _Ranking.apply(preds, targets)
    return values


class _Ranking(torch.autograd.Function):
    """`ranking` with a gradient of its own: automatic differentiation would keep every pair for the backward pass."""

    @override
    @staticmethod
    def forward(ctx: Any, preds: Tensor, targets: Tensor) -> Tensor:
        ctx.save_for_backward(preds, targets)
        values, zero = torch.empty_like(preds), preds.new_zeros(())
        for rows, signs_IJ, leads_IJ in _pairs(preds, targets):
            costs_IJ = torch.logaddexp(leads_IJ.neg_(), zero, out=leads_IJ)
            is_pair_IJ = signs_IJ.abs_()
            values[rows] = costs_IJ.mul_(is_pair_IJ).sum(dim=1) / is_pair_IJ.sum(dim=1).clamp(min=1)
        return values

    @override
    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        preds, targets = ctx.saved_tensors
        found = torch.zeros_like(preds)
        for rows, signs_IJ, leads_IJ in _pairs(preds, targets):
            weights_I = grads[0][rows] / signs_IJ.count_nonzero(dim=1).clamp(min=1)
            # d softplus(-lead) / d lead = -sigmoid(-lead); the lead grows with s p_i and falls with s p_j.
            slopes_IJ = leads_IJ.neg_().sigmoid_().mul_(signs_IJ)
            found[rows] -= weights_I * slopes_IJ.sum(dim=1)
            found += weights_I @ slopes_IJ
        return found, None


def _pairs(preds: Tensor, targets: Tensor) -> Iterator[tuple[slice, Tensor, Tensor]]:
    """Yield (rows I, signs s of y_i - y_j, leads s (p_i - p_j)) of some rows with all N, in the same two buffers."""
    num_items = len(preds)
    num_rows = max(1, min(num_items, MAX_PAIRS // max(1, num_items)))
    buffers = preds.new_empty(2, num_rows, num_items)
    for start in range(0, num_items, num_rows):
        rows = slice(start, start + num_rows)
        signs_IJ, leads_IJ = buffers[:, : len(preds[rows])]
        torch.sub(targets[rows, None], targets, out=signs_IJ).sign_()
        torch.sub(preds[rows, None], preds, out=leads_IJ).mul_(signs_IJ)
        yield rows, signs_IJ, leads_IJ
