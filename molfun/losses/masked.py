"""Means over what is known, and full precision: what all losses of structures share."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

import torch
from torch import Tensor

from molfun.types import Folds, Structures

StructureLoss = Callable[..., Tensor]


def masked_mean(values: Tensor, mask: Tensor, num_dims: int = 1) -> Tensor:
    """Return the mean of the last dimensions where a bool mask is True; 0, also as gradient, where it never is."""
    dims = tuple(range(-num_dims, 0))
    total = values.where(mask, 0.0).sum(dim=dims)
    return total / mask.expand_as(values).sum(dim=dims).clamp(min=1)


def in_float32(loss: StructureLoss) -> StructureLoss:
    """Return a loss of (`Folds`, `Structures`) that computes in float32, whatever autocast is on around it.

    Distances of some 0.1 angstrom between positions of some 100 are lost in 16 bits.
    """

    @wraps(loss)
    def full(folds: Folds, structures: Structures, **options: object) -> Tensor:
        with torch.autocast(folds.positions_BRA3.device.type, enabled=False):
            return loss(folds.float(), structures.float(), **options)

    return full
