"""The backbones by name. Readable without torch."""

from __future__ import annotations

from molfun.adapters.card import ModelCard
from molfun.adapters.folding_models import FOLDING_MODELS
from molfun.adapters.installed import Catalog
from molfun.adapters.language_models import LANGUAGE_MODELS
from molfun.errors import ModelError, nearest

__all__ = ["MODELS", "ModelCard", "check_pretrained", "find_model"]

MODELS = Catalog({card.name: card for card in (*LANGUAGE_MODELS, *FOLDING_MODELS)})


def find_model(name: str) -> ModelCard:
    """Return the card of a backbone.

    Raises:
        ModelError: No model has that name (the nearest known one is given), or its package is broken.
    """
    if name not in MODELS:
        raise ModelError(f"No model is named {name!r}{nearest(name, MODELS) or '; `molfun models` lists them.'}")
    return MODELS[name]


def check_pretrained(card: ModelCard, weights: str) -> None:
    """Hold that there are pretrained weights where they are asked for.

    Raises:
        ModelError: Nobody ever trained this model.
    """
    if weights == "pretrained" and not card.weights:
        raise ModelError(
            f"{card.title} has no pretrained weights; set model.weights to random, or to a folder that you trained."
        )
