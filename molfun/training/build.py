"""From settings to a strategy."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from molfun.training.base import FinetuneStrategy
from molfun.training.catalog import find_strategy


def build_strategy(settings: Mapping[str, Any]) -> FinetuneStrategy:
    """Build a strategy from plain values that name its `kind`.

    Raises:
        SettingError: The kind is unknown, or a setting is unknown or out of its bounds.
    """
    values = dict(settings)
    card = find_strategy(str(values.pop("kind", "")))
    module, _, name = card.implementation.partition(":")
    strategy: FinetuneStrategy = getattr(import_module(module), name)(**values)
    return strategy
