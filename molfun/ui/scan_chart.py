"""The picture of a mutation scan: 20 residues by the positions of a protein."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from molfun.ui import theme
from molfun.ui.charts import empty_figure

LOW, MIDDLE, HIGH = theme.VERMILION, "#f3f4f6", theme.BLUE
HEIGHT = 520
MAX_MARKED = 1_000


def scan_figure(grid: pd.DataFrame, wild_type: str, own: float, *, what: str) -> go.Figure:
    """Draw the effect of every substitution; the scale is the same in both directions, the wild type is its middle.

    Args:
        grid: float64 [20, length] of `scan_grid`: residues by numbers of positions.
        wild_type: Its sequence, whose residues are marked.
        own: Value of the wild type.
        what: What the values are, e.g. "ddg".
    """
    figure = empty_figure(f"Effect of every substitution on {what}", "Position", "Residue", height=HEIGHT)
    values, numbers = grid.to_numpy(), [int(number) for number in grid.columns]
    reach = float(np.nanmax(np.abs(values))) if np.isfinite(values).any() else 1.0
    words = [
        [f"{wild}{number}{residue}" if wild != residue else f"{wild}{number}, wild type"
         for number, wild in zip(numbers, wild_type, strict=True)]
        for residue in grid.index
    ]  # fmt: skip
    figure.add_heatmap(
        z=values, x=numbers, y=list(grid.index), zmid=0, zmin=-(reach or 1.0), zmax=reach or 1.0,
        colorscale=[[0.0, LOW], [0.5, MIDDLE], [1.0, HIGH]], xgap=1, ygap=1, hoverongaps=False,
        colorbar={"title": {"text": "change", "side": "right"}, "thickness": 12, "outlinewidth": 0},
        text=words, customdata=values + own,
        hovertemplate="%{text}<br>%{customdata:.4g}, change %{z:+.4g}<extra></extra>",
    )  # fmt: skip
    if len(wild_type) <= MAX_MARKED:
        figure.add_scatter(
            x=numbers, y=list(wild_type), mode="markers", name="Wild type", hoverinfo="skip",
            marker={"symbol": "circle", "size": 5, "color": theme.GREY},
        )  # fmt: skip
    figure.update_layout(hovermode="closest", showlegend=False)
    figure.update_yaxes(type="category", showgrid=False, autorange="reversed", categoryarray=list(grid.index))
    figure.update_xaxes(showgrid=False)
    return figure
