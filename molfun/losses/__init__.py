"""Losses by task: predictions and targets of the rows or residues that count in, one value an item out."""

from __future__ import annotations

from molfun.lazy_names import lazy

_HOMES = {
    "LossCard": "catalog",
    "build_loss": "catalog",
    "find_loss": "catalog",
}
__all__ = sorted(_HOMES)
__getattr__, __dir__ = lazy(__name__, _HOMES)
