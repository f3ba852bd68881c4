"""Pictures of pairs of substitutions: one pair of positions as a grid, and all pairs of positions as an overview."""

from __future__ import annotations

from html import escape

import pandas as pd
import plotly.graph_objects as go

from molfun.data.effects import Effects, pair_grid
from molfun.errors import printable
from molfun.ui import theme
from molfun.ui.charts import empty_figure
from molfun.ui.scan_chart import HIGH, LOW, MIDDLE, add_heat

HEIGHT = 560
WIDTH = 100  # pixels that names and the scale take beside an overview's cells
MAX_CELL = 56
MAX_WORDS = 40
TITLES = {"highest": "Highest pair", "lowest": "Lowest pair", "epistasis": "Strongest epistasis"}


def pair_figure(
    pairs: pd.DataFrame, effects: Effects, first: int, second: int, *, what: str, by: str, reach: float
) -> go.Figure:
    """Draw the 20 x 20 substitutions at two positions; those of one position alone are among them.

    Args:
        pairs: As `pair_effects` returns them.
        effects: Of the single substitutions.
        first: Number of one position, drawn downwards.
        second: Number of the other, drawn to the right.
        what: What the values are, e.g. "ddg".
        by: "change" or "epistasis": what the colours are.
        reach: The value at both ends of the scale.
    """
    wild = {number: effects.wild_type[effects.grid.columns.get_loc(number)] for number in (first, second)}
    grids = {name: pair_grid(pairs, effects, first, second, name) for name in ("change", "epistasis")}
    changes, beyond = grids["change"], grids["epistasis"]
    words = [
        [_said(wild, {first: one, second: other}, effects.own, changes.loc[one, other], beyond.loc[one, other])
         for other in changes.columns]
        for one in changes.index
    ]  # fmt: skip
    named = escape(printable(what, MAX_WORDS))
    figure = empty_figure(
        f"{wild[first]}{first} and {wild[second]}{second} together", f"Residue at {second}", f"Residue at {first}",
        height=HEIGHT,
    )  # fmt: skip
    add_heat(figure, grids[by], words, reach=reach, title=f"{by} in {named}")
    figure.update_traces(hovertemplate="%{text}<extra></extra>", selector={"type": "heatmap"})
    figure.add_scatter(
        x=[wild[second]], y=[wild[first]], mode="markers", name="Wild type", hoverinfo="skip",
        marker={"symbol": "circle", "size": 7, "color": theme.GREY},
    )  # fmt: skip
    figure.update_xaxes(
        type="category", showgrid=False, categoryarray=list(changes.columns), dtick=1, range=[-0.5, 19.5]
    )
    figure.update_layout(hovermode="closest", showlegend=False)
    return figure


def _said(wild: dict[int, str], new: dict[int, str], own: float, change: float, epistasis: float) -> str:
    mutations = [f"{wild[number]}{number}{residue}" for number, residue in new.items() if wild[number] != residue]
    first = ":".join(mutations) or "wild type"
    if len(mutations) < 2:
        return f"{first}<br>{own + change:.7g}, change {change:+.7g}"
    return f"{first}<br>{own + change:.7g}, change {change:+.7g}<br>epistasis {epistasis:+.7g}"


def overview_figure(strongest: pd.DataFrame, by: str, *, what: str, reach: float) -> go.Figure:
    """Draw the substitutions that stand out at each pair of positions; every cell is a mark that can be chosen.

    Args:
        strongest: As `strongest_pairs` returns them.
        by: "highest", "lowest" or "epistasis".
        what: What the values are, e.g. "ddg".
        reach: The value at both ends of the scale.
    """
    name = "epistasis" if by == "epistasis" else "change"
    numbers = sorted({*strongest["first"], *strongest["second"]})
    size = min(MAX_CELL, (HEIGHT - WIDTH) // max(1, len(numbers) - 1))
    title = f"{TITLES[by]} of each two positions"
    figure = empty_figure(title, "", "", height=min(HEIGHT, size * (len(numbers) - 1) + WIDTH + 30))
    figure.add_scatter(
        x=strongest["second"].astype(str), y=strongest["first"].astype(str), mode="markers", text=strongest["mutation"],
        customdata=strongest[["first", "second", "value", "change", "epistasis"]].to_numpy(),
        marker={"symbol": "square", "size": max(6, size - 4), "color": strongest[name], "cmin": -reach, "cmax": reach,
                "colorscale": [[0.0, LOW], [0.5, MIDDLE], [1.0, HIGH]],
                "line": {"width": 1, "color": theme.GREY},
                "colorbar": {"title": {"text": f"{name} in {escape(printable(what, MAX_WORDS))}", "side": "right"},
                             "thickness": 12, "outlinewidth": 0}},
        unselected={"marker": {"opacity": 1}},
        hovertemplate="%{text}<br>%{customdata[2]:.7~g}, change %{customdata[3]:+.7~g}<br>"
        "epistasis %{customdata[4]:+.7~g}<extra></extra>",
    )  # fmt: skip
    names = [str(number) for number in numbers]
    ends = {"type": "category", "showgrid": False, "categoryorder": "array"}
    figure.update_xaxes(**ends, categoryarray=names[1:], range=[-0.5, len(names) - 1.5])
    figure.update_yaxes(**ends, categoryarray=names[:-1], range=[len(names) - 1.5, -0.5])
    figure.update_layout(hovermode="closest", showlegend=False)
    return figure
