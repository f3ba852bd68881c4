"""How a model is trained: strategies (what trains), the loop (how), schedules, EMA, checkpoints, callbacks.

Names are imported on first use, so that settings and catalogs are readable without torch.
"""

from __future__ import annotations

from molfun.lazy_names import lazy

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
__getattr__, __dir__ = lazy(__name__, _HOMES)
