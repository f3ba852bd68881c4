"""How good a trained model is: predictions of a part of the data, their scores, and simple baselines beside them."""

from __future__ import annotations

from molfun.lazy_names import lazy

_HOMES = {
    "Ensemble": "uncertainty",
    "Predictor": "predictor",
    "export_model": "export",
}
__all__ = sorted(_HOMES)
__getattr__, __dir__ = lazy(__name__, _HOMES)
