"""The losses by name, and which task each one serves."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from molfun.errors import SettingError, nearest
from molfun.losses import classification, regression

Loss = Callable[[Tensor, Tensor], Tensor]

LOSSES: dict[str, Loss] = {
    "mse": regression.mse,
    "mae": regression.mae,
    "huber": regression.huber,
    "cross_entropy": classification.cross_entropy,
}


def find_loss(name: str) -> Loss:
    """Return a loss by name.

    Raises:
        SettingError: No loss has that name; the nearest known one is given.
    """
    if name not in LOSSES:
        raise SettingError(f"No loss is named {name!r}{nearest(name, LOSSES) or f'; known are {sorted(LOSSES)}.'}")
    return LOSSES[name]
