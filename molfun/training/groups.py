"""Parameter groups as strategies give them, and as AdamW takes them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from torch import nn

from molfun.errors import ModelError

ParamGroup = dict[str, Any]


def optimizer_groups(groups: Sequence[ParamGroup], model: nn.Module, weight_decay: float) -> list[ParamGroup]:
    """Return AdamW groups: each group split in two, as biases, norms and embeddings are not decayed.

    Args:
        groups: {"name", "lr", "params"} of a strategy.
        model: The model that the strategy set up.
        weight_decay: For everything else.

    Raises:
        ModelError: The groups leave a trained parameter out, or name one twice.
    """
    kept = _undecayed(model)
    split: list[ParamGroup] = []
    for group in groups:
        parameters = [p for p in group["params"] if p.requires_grad]
        for decays, decay in ((True, weight_decay), (False, 0.0)):
            chosen = [p for p in parameters if (id(p) not in kept) is decays]
            if chosen:
                split.append({"name": group["name"], "lr": group["lr"], "params": chosen, "weight_decay": decay})
    listed = Counter(id(p) for group in split for p in group["params"])
    trained = {name: listed[id(p)] for name, p in model.named_parameters() if p.requires_grad}
    if twice := [name for name, count in trained.items() if count > 1]:
        raise ModelError(
            f"The strategy's param_groups should hold every parameter once, but {len(twice)} are there several times "
            f"({', '.join(twice[:5])}); leave each in one group."
        )
    if left := [name for name, count in trained.items() if not count]:
        raise ModelError(
            f"The strategy's param_groups should hold every parameter that trains, but leaves out {len(left)} "
            f"({', '.join(left[:5])}); add them to a group, or freeze them in _setup_impl."
        )
    return split


def _undecayed(model: nn.Module) -> set[int]:
    """Return ids of parameters that weight decay leaves alone: one-dimensional ones and embedding tables."""
    tables = [p for m in model.modules() if isinstance(m, nn.Embedding) for p in m.parameters(recurse=False)]
    return {id(p) for p in model.parameters() if p.ndim < 2} | {id(p) for p in tables}
