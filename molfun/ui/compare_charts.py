"""Curves of several runs over each other, and their scores beside each other: tables in, plotly Figures out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from molfun.runs.resampling import Interval
from molfun.ui import text, theme
from molfun.ui.charts import empty_figure
from molfun.ui.run_curves import StepCurves
from molfun.ui.series import MAX_POINTS, Floats, column, decimate

AXES = {"step": "Step", "epoch": "Epoch", "minutes": "Minutes", "rows": "Rows seen"}
HEIGHT = 380
ROW_HEIGHT = 40
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot", "12px,3px,2px,3px,2px,3px", "2px,8px")
# Share of the smoothed losses at either end that an axis without outliers may leave out.
CLIPPED = 0.01
MAX_PLACES = 500
MAX_CHART_POINTS = 6000  # of all lines of a chart
FEWEST_POINTS = 120  # of a line
MAX_TICK = 24  # characters


@dataclass(frozen=True)
class Curves:
    """What is drawn of one run.

    Attributes:
        id: The run's id.
        title: As in the legend.
        steps: Of every optimiser step: `step`, `loss`, `epoch`, `t`.
        epochs: One row an epoch: `epoch`, `t`, `val_<metric>`.
        rows_a_step: Training rows of one optimiser step.
        color: "#rrggbb".
        dash: Of the line.
    """

    id: str
    title: str
    steps: StepCurves
    epochs: pd.DataFrame
    rows_a_step: int
    color: str
    dash: str = "solid"


def look(position: int) -> tuple[str, str]:
    """Return (colour, dash) of a run by its number among all runs: the same on every page, different for neighbours."""
    num_colors = len(theme.SERIES)
    return theme.SERIES[position % num_colors], DASHES[position // num_colors % len(DASHES)]


def training_figure(
    runs: Sequence[Curves],
    *,
    axis: str,
    smoothing: float,
    log_scale: bool,
    is_clipped: bool,
    groups: Mapping[str, str] | None = None,
) -> go.Figure:
    """Draw the smoothed training loss of every run; smoothing sees every step, whatever is drawn of them.

    Args:
        runs: In the order of the legend.
        axis: "step", "epoch", "minutes" or "rows".
        smoothing: Weight of the moving average in [0, 1).
        log_scale: Draw the loss on a logarithmic axis.
        is_clipped: Let the highest percent of the losses leave the chart.
        groups: Group by run id; each group is drawn as the mean of its runs and their range.
    """
    figure = empty_figure("Training loss", AXES[axis], "", height=HEIGHT)
    budget = min(MAX_POINTS, max(FEWEST_POINTS, MAX_CHART_POINTS // max(1, len(runs))))
    lines = [_training_line(run, axis, smoothing, budget) for run in runs]
    _draw(figure, runs, lines, groups, has_markers=False)
    _scale(figure, [loss for _, loss in lines], log_scale=log_scale, is_clipped=is_clipped)
    return figure


def validation_figure(
    runs: Sequence[Curves], name: str, *, axis: str, log_scale: bool, groups: Mapping[str, str] | None = None
) -> go.Figure:
    """Draw a validation metric of every run at the end of each epoch.

    Args:
        runs: As in `training_figure`.
        name: Column of `epochs`, such as "val_loss" or "val_spearman".
        axis: As there.
        log_scale: As there.
        groups: As there.
    """
    figure = empty_figure(f"Validation: {text.metric_inline(name)}", AXES[axis], "", height=HEIGHT)
    lines = [(_ends(run, axis), column(run.epochs, name)) for run in runs]
    _draw(figure, runs, lines, groups, has_markers=True)
    _scale(figure, [], log_scale=log_scale, is_clipped=False)
    return figure


def _draw(
    figure: go.Figure, runs: Sequence[Curves], lines: Sequence[tuple[Floats, Floats]], groups: Mapping[str, str] | None,
    *, has_markers: bool,
) -> None:  # fmt: skip
    if not groups:
        for run, (x, y) in zip(runs, lines, strict=True):
            _add(figure, x, y, run, has_markers=has_markers)
        return
    titles = list(dict.fromkeys(groups[run.id] for run in runs))
    for place, title in enumerate(titles):
        own = [line for run, line in zip(runs, lines, strict=True) if groups[run.id] == title]
        _add_band(figure, own, title, *look(place))


def _add_band(figure: go.Figure, lines: Sequence[tuple[Floats, Floats]], title: str, color: str, dash: str) -> None:
    """Add the mean of some curves, and what lies between the lowest and the highest of them as a pale band.

    Where one of them ends the mean would jump, so it ends there too.
    """
    x, values = on_one_grid(lines)
    if not len(x):
        return
    if len(values) > 1:
        edge: dict[str, Any] = {
            "mode": "lines", "line": {"width": 0}, "hoverinfo": "skip", "showlegend": False, "legendgroup": title,
        }  # fmt: skip
        figure.add_scatter(x=x, y=values.min(axis=0), **edge)
        figure.add_scatter(x=x, y=values.max(axis=0), fill="tonexty", fillcolor=pale(color), **edge)
    figure.add_scatter(
        x=x, y=values.mean(axis=0), mode="lines" if len(x) > 1 else "lines+markers", legendgroup=title,
        name=f"{title} (mean of {len(values)})" if len(values) > 1 else title,
        line={"color": color, "width": 2.5, "dash": dash}, hovertemplate="%{y:.4g}",
    )  # fmt: skip


def on_one_grid(lines: Sequence[tuple[Floats, Floats]]) -> tuple[Floats, Floats]:
    """Return curves at common places: x float32 [n], y float32 [curves, n], over what all of them cover.

    Places are those of the curves themselves, at most 500; between its own places a curve is straight.
    """
    sound = [(x[there], y[there]) for x, y in lines if (there := np.isfinite(x) & np.isfinite(y)).any()]
    if not sound:
        return np.empty(0), np.empty((0, 0))
    begin, end = max(x[0] for x, _ in sound), min(x[-1] for x, _ in sound)
    places = np.unique(np.concatenate([x[_evenly(len(x))] for x, _ in sound]))
    places = places[(places >= begin) & (places <= end)]
    if len(places) > MAX_PLACES:
        places = places[_evenly(len(places))]
    values = np.array([np.interp(places, x, y) for x, y in sound])
    return places.astype(np.float32), values.astype(np.float32)


def _evenly(size: int) -> Any:
    """Return at most 500 positions of a series, evenly taken."""
    return np.linspace(0, size - 1, min(size, MAX_PLACES)).round().astype(int)


def pale(color: str) -> str:
    """Return a colour "#rrggbb" as a veil that lets the grid through."""
    red, green, blue = bytes.fromhex(color[1:])
    return f"rgba({red}, {green}, {blue}, 0.15)"


def _training_line(run: Curves, axis: str, smoothing: float, max_points: int) -> tuple[Floats, Floats]:
    kept, loss = run.steps.thin("loss", weight=smoothing, max_points=max_points)
    if axis == "minutes":
        return _minutes(run, column(run.steps.frame, "t")[kept]), loss
    along = column(run.steps.frame, "epoch" if axis == "epoch" else "step")[kept]
    return along * run.rows_a_step if axis == "rows" else along, loss


def _ends(run: Curves, axis: str) -> Floats:
    """Return where the ends of epochs stand on an axis; they know no step, so that is read off the steps."""
    if axis == "minutes":
        return _minutes(run, column(run.epochs, "t"))
    epochs = column(run.epochs, "epoch")
    if axis == "epoch":
        return epochs
    steps = run.steps.steps_at(epochs)
    return steps * run.rows_a_step if axis == "rows" else steps


def _minutes(run: Curves, times: Floats) -> Floats:
    begin = column(run.steps.frame, "t")[:1]
    return (times - (begin[0] if len(begin) else np.nan)) / 60.0


def _add(figure: go.Figure, x: Floats, y: Floats, run: Curves, *, has_markers: bool) -> None:
    there = np.isfinite(x)
    x, y = decimate(x[there], y[there])
    if not len(y):
        return
    mode = "lines+markers" if has_markers or len(y) == 1 else "lines"
    figure.add_scatter(
        x=x.astype(np.float32), y=y.astype(np.float32), mode=mode, name=run.title, marker={"size": 5},
        line={"color": run.color, "width": 2, "dash": run.dash}, hovertemplate="%{y:.4g}",
    )  # fmt: skip


def _scale(figure: go.Figure, drawn: Sequence[Floats], *, log_scale: bool, is_clipped: bool) -> None:
    if log_scale:
        figure.update_yaxes(type="log")
    values = np.concatenate([one[np.isfinite(one)] for one in drawn]) if drawn else np.empty(0)
    if log_scale:  # which has no place for others
        values = np.log10(values[values > 0])
    if not is_clipped or not len(values):
        return
    low, high = float(values.min()), float(np.quantile(values, 1 - CLIPPED))
    margin = 0.05 * (high - low)
    if margin > 0 and np.isfinite(margin):
        figure.update_yaxes(range=[low - margin, high + margin])


def scores_figure(scores: Mapping[str, Interval], colors: Mapping[str, str], *, title: str) -> go.Figure:
    """Draw one bar a run with its 95 % interval.

    Args:
        scores: By title, in the order of the bars.
        colors: By title.
        title: Name of the metric.
    """
    figure = empty_figure(title, "", "", height=ROW_HEIGHT * len(scores) + 110)
    for name, score in scores.items():
        reach: dict[str, Any] = {"array": [score.high - score.value], "arrayminus": [score.value - score.low]}
        figure.add_bar(
            x=[score.value], y=[name], orientation="h", marker={"color": colors[name]}, showlegend=False, name=name,
            error_x={"type": "data", "symmetric": False, "thickness": 1.5, **reach},
            hovertext=f"{text.number(score.value)} ({text.number(score.low)} to {text.number(score.high)})",
            hoverinfo="text+y",
        )  # fmt: skip
    figure.update_layout(hovermode="closest", bargap=0.4)
    figure.update_yaxes(type="category", autorange="reversed", showgrid=False)
    return figure


def tradeoff_figure(table: pd.DataFrame, colors: Mapping[str, str], *, metric: str, against: str) -> go.Figure:
    """Draw the test score of every run against what it costs, on a logarithmic axis; the best for its cost are ringed.

    Args:
        table: `title`, `test` and the column `against`.
        colors: By title.
        metric: Name of the metric, for the axis.
        against: "trainable" (parameters) or "minutes".
    """
    axis = {"trainable": "Parameters that train", "minutes": "Minutes"}[against]
    figure = empty_figure("Score against cost", axis, "", height=HEIGHT)
    known = table[np.isfinite(table["test"]) & (table[against] > 0)]
    best = set(pareto(known["test"], known[against]))
    for place, row in known.iterrows():
        ring = {"width": 3 if place in best else 0, "color": theme.GREY}
        figure.add_scatter(
            x=[row[against]], y=[row["test"]], mode="markers+text", name=row["title"], text=[row["title"]],
            textposition="top center", marker={"color": colors[row["title"]], "size": 15, "line": ring},
            hovertemplate="%{x:,.4g}<br>%{y:.4g}", cliponaxis=False,
        )  # fmt: skip
    figure.update_layout(showlegend=False, hovermode="closest")
    figure.update_yaxes(title_text=f"Test {text.metric_inline(metric)}")
    figure.update_xaxes(type="log")
    return figure


def parallel_figure(settings: pd.DataFrame, scores: Mapping[str, float], *, metric: str) -> go.Figure:
    """Draw one line a run through the values of the settings in which the runs differ, to its test score.

    Args:
        settings: One row a setting, one column a run, values as text (`runs.comparison.differing_settings`).
        scores: Test score by run, of at least one run.
        metric: Its name.
    """
    titles = [title for title in settings.columns if np.isfinite(scores.get(title, np.nan))]
    dimensions = [_dimension(str(name), [str(value) for value in row[titles]]) for name, row in settings.iterrows()]
    reached = [scores[title] for title in titles]
    dimensions.append({"label": f"Test {metric}", "values": reached})
    line = {"color": reached, "colorscale": [list(stop) for stop in theme.HEAT], "showscale": False}
    figure = empty_figure("", "", "", height=HEIGHT)
    figure.add_trace(go.Parcoords(dimensions=dimensions, line=line, labelangle=0))
    figure.update_layout(margin={"l": 60, "r": 60, "t": 60, "b": 30})
    return figure


def _dimension(name: str, values: Sequence[str]) -> dict[str, Any]:
    """Return an axis: of numbers where all values are some, else one place for each different value."""
    label = name.rpartition(".")[2].replace("_", " ")
    try:
        return {"label": label, "values": [float(value) for value in values]}
    except ValueError:
        places = {value: place for place, value in enumerate(dict.fromkeys(values))}
    ticks = {"tickvals": list(places.values()), "ticktext": [value[:MAX_TICK] or "none" for value in places]}
    return {"label": label, "values": [places[value] for value in values], **ticks}


def pareto(scores: pd.Series, costs: pd.Series) -> list[Any]:
    """Return the labels of those that no other one beats: none costs no more and scores higher, or less and the same.

    >>> pareto(pd.Series([0.5, 0.6, 0.55]), pd.Series([1, 10, 100]))
    [0, 1]
    """
    kept = []
    for label in scores.index:
        higher = (scores > scores[label]) & (costs <= costs[label])
        cheaper = (scores >= scores[label]) & (costs < costs[label])
        if not (higher | cheaper).any():
            kept.append(label)
    return kept
