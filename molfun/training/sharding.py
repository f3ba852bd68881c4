"""Tensors of which each process may hold a part (FSDP2): putting together, cutting out, changing the own part.

For ordinary tensors every function here is the identity, so that callers have no special case.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor, distribute_tensor


def whole(tensor: Tensor) -> Tensor:
    """Return all of a tensor of which each process may hold a part; every process must ask at the same time."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def share_like(value: Tensor, other: Tensor) -> Tensor:
    """Return this process's part of a whole tensor, shared out as `other` is."""
    if not isinstance(other, DTensor):
        return value
    # Every process holds the whole value, so each cuts out its part and nothing is sent.
    return distribute_tensor(value.to(other.device), other.device_mesh, other.placements, src_data_rank=None)


def own_part(tensor: Tensor) -> Tensor:
    """Return the part of a tensor that this process holds; changing it in place changes the tensor."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def clip_norm(parameters: Sequence[nn.Parameter], limit: float) -> Tensor:
    """Scale gradients down to a total norm of `limit` (0: leave them); return the norm before, [], over all parts."""
    norm = torch.nn.utils.clip_grad_norm_(parameters, limit or float("inf"))
    return whole(norm)
