"""From settings to a strategy."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from molfun.errors import SettingError, nearest
from molfun.training.base import FinetuneStrategy
from molfun.training.catalog import STRATEGIES


def build_strategy(settings: Mapping[str, Any]) -> FinetuneStrategy:
    """Build a strategy from plain values that name its `kind`.

    Raises:
        SettingError: The kind is unknown, or a setting is unknown or out of its bounds.
    """
    values = dict(settings)
    kind = str(values.pop("kind", ""))
    if kind not in STRATEGIES:
        raise SettingError(
            f"No strategy is named {kind!r}{nearest(kind, STRATEGIES) or f'; known: {list(STRATEGIES)}.'}"
        )
    module, _, name = STRATEGIES[kind].implementation.partition(":")
    strategy: FinetuneStrategy = getattr(import_module(module), name)(**values)
    return strategy
