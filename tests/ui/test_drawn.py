"""A figure is built once for equal values, and anew for others."""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go
import pytest

from molfun.training.settings import HeadOnlySettings
from molfun.ui.drawn import drawn

BUILT: list[Any] = []


def build(values: Any, *, height: int = 300) -> go.Figure:
    BUILT.append(values)
    return go.Figure(layout={"height": height})


def test_a_figure_is_built_once_for_equal_values() -> None:
    BUILT.clear()
    first = drawn(build, {"a": [1, 2]}, height=200)
    assert drawn(build, {"a": [1, 2]}, height=200) is first
    assert first.layout.height == 200
    assert drawn(build, {"a": [1, 2]}) is not first
    assert len(BUILT) == 2


def test_settings_and_the_order_of_names_count() -> None:
    BUILT.clear()
    for value in (HeadOnlySettings(lr=1e-3), HeadOnlySettings(lr=1e-4), {"a": 1, "b": 2}, {"b": 2, "a": 1}):
        drawn(build, value)
        drawn(build, value)
    assert len(BUILT) == 4


def test_what_has_no_plain_values_is_refused() -> None:
    with pytest.raises(TypeError, match="A figure of object cannot be kept; expected plain values"):
        drawn(build, object())
