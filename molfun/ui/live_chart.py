"""A chart that keeps zoom and hidden curves while its data grow. Streamlit's own is built anew at every refresh."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from molfun.ui.server import plotly_url

CONFIG = {"displaylogo": False, "modeBarButtonsToRemove": ["select2d", "lasso2d", "autoScale2d"]}


@lru_cache(maxsize=1)
def _script() -> str:
    return Path(__file__).with_suffix(".js").read_text(encoding="utf-8")


def draw_live_chart(figure: go.Figure, *, key: str, revision: str, alt: str) -> None:
    """Draw a figure in place.

    Args:
        figure: With a height in its layout.
        key: The chart's identity on the page.
        revision: Zoom and hidden curves are kept for as long as this stays the same.
        alt: Said by screen readers.
    """
    # plotly's own template carries colours of its own; the page's colours are put in by the script.
    figure.update_layout(uirevision=revision, template="none")
    data: dict[str, Any] = {"figure": figure.to_json(), "url": plotly_url(), "config": CONFIG, "alt": alt}
    chart = st.components.v2.component("molfun_live_chart", js=_script(), isolate_styles=False)
    chart(key=key, data=data, height=int(figure.layout.height))
