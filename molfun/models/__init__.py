"""A backbone and a head as one model, LoRA injection, and the count of what trains. Knows nothing of training."""

from __future__ import annotations

from molfun.lazy_names import lazy

_HOMES = {
    "ModelSettings": "settings",
    "MolfunStructureModel": "structure",
    "build_model": "build",
}
__all__ = sorted(_HOMES)
__getattr__, __dir__ = lazy(__name__, _HOMES)
