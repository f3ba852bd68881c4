"""The picture of a mutation scan: 20 residues by the positions of a protein, CDRs above, the mean effect beneath."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from html import escape
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from molfun.data.effects import Effects, mean_effects
from molfun.data.numbering import Region, region_at
from molfun.errors import printable
from molfun.ui import theme
from molfun.ui.charts import empty_figure

LOW, MIDDLE, HIGH = theme.VERMILION, "#f3f4f6", theme.BLUE
MISSING = "#5d6874"  # far from the middle of the scale, on light and dark ground
HEIGHT = 620
HEAT_DOMAIN, TRACK_DOMAIN = (0.2, 1.0), (0.0, 0.14)
BAND = (1.006, 1.03)  # of the height, above the heat
MANY = 80  # positions beyond which cells get no gaps, which would outshine their colours, and marks are small
MAX_WORDS = 40


def scan_figure(
    effects: Effects, *, what: str, reach: float, notes: Mapping[str, str] | None = None,
    regions: Sequence[Region] = (), first_number: int = 1, changed: Collection[int] | None = None,
) -> go.Figure:  # fmt: skip
    """Draw the effect of every substitution; the scale is the same in both directions, the wild type is its middle.

    Args:
        effects: As `single_effects` returns them.
        what: What the values are, e.g. "ddg".
        reach: The change at both ends of the scale, from `reach_of`.
        notes: More about a mutation, shown when it is pointed at, e.g. {"A24G": "measured 1.2 (test row)"}.
        regions: Of the wild type; its CDRs are marked.
        first_number: Number of the first residue of the whole wild type, to which regions refer.
        changed: Numbers of positions that some training row has changed, None where that is not known.
    """
    numbers = [int(number) for number in effects.grid.columns]
    figure = empty_figure(f"Effect of every substitution on {_shown(what)}", "", "Residue", height=HEIGHT)
    add_heat(
        figure, effects.grid, _words(effects, notes or {}, regions, first_number), reach=reach, own=effects.own,
        title=f"change in {_shown(what)}",
    )  # fmt: skip
    figure.add_scatter(
        x=_places(numbers), y=list(effects.wild_type), mode="markers", name="Wild type", hoverinfo="skip",
        marker={"symbol": "circle", "size": 5 if len(numbers) <= MANY else 3, "color": theme.GREY},
    )  # fmt: skip
    _add_track(figure, effects, changed)
    _mark_regions(figure, numbers, regions, first_number)
    figure.update_layout(hovermode="closest", showlegend=False, bargap=0.1 if len(numbers) <= MANY else 0)
    figure.update_layout(yaxis={"domain": HEAT_DOMAIN, "fixedrange": True}, margin={"t": 78})
    figure.update_xaxes(
        title_text="Position", showgrid=False, anchor="y2", type="category" if _has_gaps(numbers) else "linear",
        range=[_edge(numbers, 0), _edge(numbers, len(numbers) - 1) + 1],
    )  # fmt: skip
    return figure


def reach_of(*changes: pd.DataFrame | pd.Series) -> float:
    """Return the largest change whatever its sign, which is both ends of a scale that several pictures share."""
    sizes = [np.abs(found.to_numpy(dtype=float)).ravel() for found in changes]
    known = np.concatenate([*sizes, np.zeros(1)])
    return float(known[np.isfinite(known)].max()) or 1.0


def add_heat(
    figure: go.Figure, grid: pd.DataFrame, words: Sequence[Sequence[str]], *, reach: float, title: str, own: float = 0.0
) -> None:
    """Add a grid with residues as rows in colours, and what has no value in grey.

    Args:
        figure: It is changed.
        grid: Changes; residues as index.
        words: What is said of each cell when it is pointed at.
        reach: The change at both ends of the scale.
        title: Beside the bar of the scale.
        own: Value of the wild type, for the values that are shown when a cell is pointed at.
    """
    values, x, y = grid.to_numpy(dtype=float), _places(grid.columns), list(grid.index)
    gap = 1 if len(x) <= MANY else 0
    shared: dict[str, Any] = {"x": x, "y": y, "xgap": gap, "ygap": 1, "hoverongaps": False, "text": words}
    if not np.isfinite(values).all():
        figure.add_heatmap(
            z=np.where(np.isfinite(values), np.nan, 0.0), colorscale=[[0, MISSING], [1, MISSING]], showscale=False,
            hovertemplate="%{text}<br>no prediction<extra></extra>", name="missing", **shared,
        )  # fmt: skip
    figure.add_heatmap(
        z=values, zmid=0, zmin=-reach, zmax=reach, colorscale=[[0.0, LOW], [0.5, MIDDLE], [1.0, HIGH]], name="effects",
        colorbar={"title": {"text": title, "side": "right"}, "thickness": 12, "outlinewidth": 0, "len": 0.8,
                  "y": 1, "yanchor": "top"},
        customdata=values + own, hovertemplate="%{text}<br>%{customdata:.7~g}, change %{z:+.7~g}<extra></extra>",
        **shared,
    )  # fmt: skip
    figure.update_yaxes(type="category", showgrid=False, range=[len(y) - 0.5, -0.5], categoryarray=y, dtick=1)


def _words(effects: Effects, notes: Mapping[str, str], regions: Sequence[Region], first_number: int) -> list[list[str]]:
    places = [(int(number), wild) for number, wild in zip(effects.grid.columns, effects.wild_type, strict=True)]
    names = {number: region_at(regions, number - first_number) for number, _ in places}

    def said(number: int, wild: str, residue: str) -> str:
        name = f"{wild}{number}{residue}"
        first = f"{wild}{number}, wild type" if wild == residue else name
        return "<br>".join(filter(None, (first, names[number], notes.get(name))))

    return [[said(number, wild, residue) for number, wild in places] for residue in effects.grid.index]


def _add_track(figure: go.Figure, effects: Effects, changed: Collection[int] | None) -> None:
    """Add the mean effect of each position as bars; those that no training row has changed are hatched."""
    means, numbers = mean_effects(effects), [int(number) for number in effects.grid.columns]
    is_known = [changed is None or number in changed for number in numbers]
    words = [
        f"{wild}{number}" + ("" if known else ", which no training row has changed")
        for number, wild, known in zip(numbers, effects.wild_type, is_known, strict=True)
    ]
    hatch = {"shape": ["" if known else "/" for known in is_known], "fillmode": "replace", "size": 5, "solidity": 0.45}
    figure.add_bar(
        x=_places(numbers), y=means.to_numpy(), text=words, textposition="none", yaxis="y2", name="Mean effect",
        marker={"color": [HIGH if mean > 0 else LOW for mean in means], "pattern": hatch, "line": {"width": 0}},
        hovertemplate="%{text}<br>mean change %{y:+.7~g}<extra></extra>",
    )  # fmt: skip
    figure.update_layout(yaxis2={
        "domain": TRACK_DOMAIN, "title": {"text": "Mean"}, "showgrid": False, "zeroline": True, "fixedrange": True,
        "zerolinecolor": theme.GREY, "nticks": 3, "automargin": True,
    })  # fmt: skip


def _mark_regions(figure: go.Figure, numbers: Sequence[int], regions: Sequence[Region], first_number: int) -> None:
    """Shade the CDRs above the heat, with their names, and frame their columns."""
    for region in (region for region in regions if region.is_cdr):
        inside = [i for i, number in enumerate(numbers) if region.first <= number - first_number <= region.last]
        if not inside:
            continue
        ends = {"x0": _edge(numbers, inside[0]), "x1": _edge(numbers, inside[-1]) + 1}
        band = {"type": "rect", "yref": "paper", "line": {"color": theme.REGION, "width": 2}, **ends}
        figure.add_shape(**band, y0=BAND[0], y1=BAND[1], fillcolor=theme.REGION)
        figure.add_shape(**band, y0=HEAT_DOMAIN[0], y1=BAND[0])
        figure.add_annotation(
            text=region.name, x=(ends["x0"] + ends["x1"]) / 2, y=BAND[1], yref="paper", yanchor="bottom",
            showarrow=False, font={"size": 11},
        )  # fmt: skip


def _has_gaps(numbers: Sequence[int]) -> bool:
    return bool(numbers) and numbers[-1] - numbers[0] + 1 != len(numbers)


def _places(names: Sequence[Any]) -> list[Any]:
    """Return columns as a picture's x: residues and numbers with gaps between them as words, others as numbers."""
    if all(isinstance(name, str) for name in names):
        return list(names)
    numbers = [int(name) for name in names]
    return [str(number) for number in numbers] if _has_gaps(numbers) else numbers


def _edge(numbers: Sequence[int], place: int) -> float:
    """Return the left edge of a column: words stand at 0, 1, 2, ..., numbers where they say."""
    return (place if _has_gaps(numbers) else numbers[place]) - 0.5


def _shown(what: str) -> str:
    return escape(printable(what, MAX_WORDS))
