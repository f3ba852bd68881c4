"""A chart that keeps zoom and hidden curves while its data grow. Streamlit's own is built anew at every refresh."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from molfun.ui.server import plotly_url

CONFIG = {
    "displaylogo": False, "modeBarButtonsToRemove": ["select2d", "lasso2d", "autoScale2d"],
    "toImageButtonOptions": {"format": "svg", "filename": "molfun"},
}  # fmt: skip
QUIET = {"displaylogo": False, "displayModeBar": False}  # of small charts, which nobody takes away
MAX_FIGURES, MAX_CHARACTERS = 200, 50_000_000  # curves have 60 KiB at most, structures a thousand and more


@lru_cache(maxsize=1)
def _script() -> str:
    return Path(__file__).with_suffix(".js").read_text(encoding="utf-8")


def draw_live_chart(
    build: Callable[[Sequence[float]], go.Figure], *, key: str, stamp: Hashable, revision: str, alt: str
) -> None:
    """Draw a figure in place; one that nothing has changed in is neither built nor sent nor drawn again.

    Args:
        build: Returns the figure, with a height in its layout, given the first and last x of the stretch that is looked
            at, empty where all of it is.
        key: The chart's identity on the page.
        stamp: Tells what the figure is built of; the same one gives the same figure.
        revision: Zoom and hidden curves are kept for as long as this stays the same.
        alt: Said by screen readers.
    """
    within = _stretch(key, revision)
    figure, height = _FIGURES.of((key, stamp, revision, within), lambda: _in_json(build(within), revision))
    data: dict[str, Any] = {
        "figure": figure, "url": plotly_url(), "config": CONFIG, "alt": alt, "revision": revision,
    }  # fmt: skip
    chart = st.components.v2.component("molfun_live_chart", js=_script(), isolate_styles=False)
    chart(key=key, data=data, height=height, default={"stretch": None}, on_stretch_change=_do_nothing)


def _do_nothing() -> None:
    """Let the browser's report start a refresh, which draws the stretch in more detail."""


def _stretch(key: str, revision: str) -> tuple[float, ...]:
    """Return what the browser says it looks at: first and last x, empty for everything."""
    told = st.session_state.get(key)
    stretch = told.get("stretch") if isinstance(told, Mapping) else None
    if not isinstance(stretch, Mapping) or stretch.get("revision") != revision:
        return ()
    ends = (stretch.get("first"), stretch.get("last"))
    numbers = tuple(float(end) for end in ends if isinstance(end, int | float) and math.isfinite(end))
    return numbers if len(numbers) == 2 and numbers[0] < numbers[1] else ()


def _in_json(figure: go.Figure, revision: str) -> tuple[str, int]:
    # plotly's own template carries colours of its own; the page's colours are put in by the script.
    figure.update_layout(uirevision=revision, template="none")
    return figure.to_json(), int(figure.layout.height)


class _Figures:
    """Figures as they were sent, of which every tab and every refresh that asks for the same gets the same."""

    def __init__(self, most: int, most_characters: int) -> None:
        self.most, self.most_characters = most, most_characters
        self._lock = Lock()
        self._known: OrderedDict[Hashable, tuple[str, int]] = OrderedDict()

    def of(self, stamp: Hashable, build: Callable[[], tuple[str, int]]) -> tuple[str, int]:
        with self._lock:
            found = self._known.get(stamp)
        if found is None:
            found = build()
        with self._lock:
            self._known[stamp] = found
            self._known.move_to_end(stamp)
            while len(self._known) > self.most or (len(self._known) > 1 and self._size() > self.most_characters):
                self._known.popitem(last=False)
        return found

    def _size(self) -> int:
        return sum(len(figure) for figure, _ in self._known.values())


_FIGURES = _Figures(MAX_FIGURES, MAX_CHARACTERS)
