"""The pairs of a mutation scan: an overview of all two positions, and the 20 x 20 grid of the one that is opened."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import partial
from typing import Any

import streamlit as st

from molfun.data.effects import strongest_pairs
from molfun.ui import shell
from molfun.ui.pair_chart import TITLES, overview_figure, pair_figure
from molfun.ui.scan_chart import reach_of
from molfun.ui.scan_result import Scan, chart_config

COLOURS = {"change": "Change", "epistasis": "Epistasis"}


def draw_pairs(scan: Scan) -> None:
    """Draw the overview of all pairs of positions, and the one that is opened."""
    st.markdown("**Pairs**")
    positions = scan.pairs[["first", "second"]].drop_duplicates().itertuples(index=False)
    known = {f"{first}-{second}": (int(first), int(second)) for first, second in positions}
    beyond = reach_of(scan.pairs["epistasis"])
    if len(known) > 1:
        _draw_overview(scan, beyond, known)
    if st.session_state.get("scan.pair") not in known:
        asked = shell.query("pair")
        st.session_state["scan.pair"] = asked if asked in known else next(iter(known))
    left, right = st.columns(2)
    with left:
        pair = st.selectbox(
            "Positions", list(known), key="scan.pair", format_func=lambda name: " and ".join(map(str, known[name]))
        )
    with right:
        by = st.segmented_control(
            "Colours", list(COLOURS), default="change", required=True, format_func=COLOURS.__getitem__, key="scan.by"
        ) or "change"  # fmt: skip
    shell.keep_in_address({"pair": pair})
    figure = pair_figure(
        scan.pairs, scan.effects, *known[pair], what=scan.what, by=by, reach=scan.reach if by == "change" else beyond
    )
    st.plotly_chart(
        figure,
        key="scan.pair_grid",
        config=chart_config(f"{scan.name}-{pair}"),
        alt=f"Pairs of substitutions at {pair}",
    )
    st.caption(
        "Epistasis is what a pair does beyond the sum of its halves: its change minus both changes alone; 0 means that "
        "they are independent. The scale of changes is that of the grid above."
    )


def _draw_overview(scan: Scan, beyond: float, known: Mapping[str, tuple[int, int]]) -> None:
    by = st.segmented_control(
        "Overview", list(TITLES), default="highest", required=True, format_func=TITLES.__getitem__, key="scan.overview"
    ) or "highest"  # fmt: skip
    strongest = strongest_pairs(scan.pairs, by)
    figure = overview_figure(strongest, by, what=scan.what, reach=beyond if by == "epistasis" else scan.reach)
    st.plotly_chart(
        figure, key="scan.pairs", config=chart_config(f"{scan.name}-pairs"), selection_mode="points",
        on_select=partial(_open_chosen, set(known)), alt=f"{TITLES[by]} of {len(known)} pairs of positions",
    )  # fmt: skip
    st.caption("A click on a field opens its 20 × 20 substitutions.")


def _open_chosen(known: Collection[str]) -> None:
    """Open the pair of the field that was clicked."""
    pair = chosen_pair(st.session_state.get("scan.pairs"))
    if pair in known:
        st.session_state["scan.pair"] = pair


def chosen_pair(told: Any) -> str | None:
    """Return the pair of the last field that was chosen, e.g. "24-39", None where there is none.

    Args:
        told: What a chart with a choice of points reports; both positions come first in a field's own data, which the
            browser sends as a list or by number.
    """
    try:
        data = told["selection"]["points"][-1]["customdata"]
        first, second = list(data.values() if isinstance(data, Mapping) else data)[:2]
        return f"{int(first)}-{int(second)}"
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):
        return None
