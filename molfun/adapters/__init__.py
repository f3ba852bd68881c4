"""Backbones behind one contract. `catalog` lists them without torch; `base` is the contract, then one file a family."""

from __future__ import annotations

from molfun.lazy_names import lazy

_HOMES = {
    "BaseAdapter": "base",
    "MODELS": "catalog",
    "ModelCard": "card",
    "find_model": "catalog",
}
__all__ = sorted(_HOMES)
__getattr__, __dir__ = lazy(__name__, _HOMES)
