"""Gradient checkpointing of any block, for models without a mechanism of their own that follows frozen inputs."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

PLAIN = "_class_without_checkpointing"


def set_checkpointing(blocks: Iterable[nn.Module], *, enabled: bool) -> None:
    """Let blocks in training mode compute again in the backward pass, or no longer.

    They change their class to one that does, and back: names of parameters, copies and hooks stay as they are, which a
    wrapper would not allow.
    """
    for block in blocks:
        plain: Any = getattr(type(block), PLAIN, type(block))
        block.__class__ = _checkpointed(plain) if enabled else plain


@cache
def _checkpointed(plain: type[nn.Module]) -> type[nn.Module]:
    def forward(self: nn.Module, *args: Any, **kwargs: Any) -> Any:
        if not (self.training and torch.is_grad_enabled()):
            return plain.forward(self, *args, **kwargs)
        # The reentrant form leaves everything behind a frozen prefix without gradients.
        return checkpoint(plain.forward, self, *args, use_reentrant=False, **kwargs)

    return type(f"Checkpointed{plain.__name__}", (plain,), {"forward": forward, PLAIN: plain})
