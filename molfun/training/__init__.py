"""How a model is trained: strategies (what trains), the loop (how), schedules, EMA, checkpoints, callbacks.

Names are imported on first use, so that settings and catalogs are readable without torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOMES = {
    "FinetuneStrategy": "base",
    "HeadOnlyFinetune": "head_only",
    "LoRAFinetune": "lora",
    "PartialFinetune": "partial",
    "FullFinetune": "full",
    "EMA": "ema",
    "build_scheduler": "schedules",
    "Callback": "callbacks",
}
__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'molfun.training' has no attribute {name!r}")
    return getattr(import_module(f"molfun.training.{_HOMES[name]}"), name)
