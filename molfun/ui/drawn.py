"""Figures that were built before: a page runs anew at every click, and most of its charts are then the same."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, is_dataclass
from typing import Any

import plotly.graph_objects as go
import streamlit as st
from pydantic import BaseModel

MAX_FIGURES = 64


def drawn(build: Callable[..., go.Figure], *values: Any, **settings: Any) -> go.Figure:
    """Return `build(*values, **settings)`, from memory where it was built from equal values before.

    Args:
        build: A pure function of plain values; the figure that it returned must not be changed.
        *values: What JSON can hold, settings or dataclasses.
        **settings: The same, by name.
    """
    key = json.dumps([build.__module__, build.__qualname__, values, settings], default=_plain)
    return _kept(key, lambda: build(*values, **settings))


@st.cache_resource(max_entries=MAX_FIGURES, show_spinner=False)
def _kept(key: str, _build: Callable[[], go.Figure]) -> go.Figure:
    return _build()


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    raise TypeError(f"A figure of {type(value).__name__} cannot be kept; expected plain values.")
