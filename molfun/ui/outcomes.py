"""Pictures of what a finished run predicts: predicted against true, confusion, scores beside baselines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from molfun.evaluation.trend import density, trend
from molfun.ui import text, theme
from molfun.ui.charts import empty_figure

MAX_DOTS = 3000


def predicted_figure(predictions: pd.DataFrame) -> go.Figure:
    """Draw predicted against true values with the diagonal of perfect prediction and the line through the dots.

    Dots are darker where they are crowded; the line is least squares, its band the 95 % interval over resampled rows.

    Args:
        predictions: `row` (row of the table), `target`, `prediction`; beyond 3,000 rows an even sample is shown, of
            which crowding and line know all.
    """
    rows = predictions[["row", "target", "prediction"]].apply(pd.to_numeric, errors="coerce").dropna()
    targets, preds = rows["target"].to_numpy(dtype=float), rows["prediction"].to_numpy(dtype=float)
    rows = rows.assign(density=density(targets, preds))
    shown = rows.iloc[:: max(1, -(-len(rows) // MAX_DOTS))]
    figure = empty_figure("Predicted against true value", "True value", "Predicted value", height=400)
    if len(shown) == 0:
        return figure
    ends = [float(shown[["target", "prediction"]].min().min()), float(shown[["target", "prediction"]].max().max())]
    figure.add_scatter(
        x=ends,
        y=ends,
        mode="lines",
        line={"color": theme.GREY, "dash": "dash", "width": 1.5},
        name="Perfect",
        hoverinfo="skip",
    )
    figure.add_scatter(
        x=shown["target"],
        y=shown["prediction"],
        mode="markers",
        name="Test rows",
        marker={"color": shown["density"], "cmin": 0, "cmax": 1, "colorscale": [list(stop) for stop in theme.DENSITY],
                "size": 7, "opacity": 0.75},
        customdata=shown["row"],
        hovertemplate="row %{customdata}<br>true %{x:.4g}<br>predicted %{y:.4g}<extra></extra>",
    )  # fmt: skip
    _add_trend(figure, trend(targets, preds))
    figure.update_layout(hovermode="closest")
    return figure


def _add_trend(figure: go.Figure, line: pd.DataFrame) -> None:
    if line.empty:
        return
    figure.add_scatter(
        x=[*line["target"], *line["target"][::-1]], y=[*line["high"], *line["low"][::-1]], mode="lines", fill="toself",
        fillcolor=theme.TREND_PALE, line={"width": 0}, name="95 % interval", hoverinfo="skip",
    )  # fmt: skip
    figure.add_scatter(
        x=line["target"], y=line["value"], mode="lines", name="Trend", line={"color": theme.TREND, "width": 1.5},
        customdata=line[["low", "high"]].to_numpy(),
        hovertemplate="trend at %{x:.4g}: %{y:.4g} (%{customdata[0]:.4g} to %{customdata[1]:.4g})<extra></extra>",
    )  # fmt: skip


def confusion_figure(table: pd.DataFrame, *, what: str = "rows") -> go.Figure:
    """Draw a confusion table with the share of each true class in colour and the count in each field.

    Args:
        table: Counts, true classes as index, predicted classes as columns (`confusion_table`).
        what: That is counted.
    """
    counts = table.to_numpy(dtype=float)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    height = max(320, 44 * len(table) + 130)
    figure = empty_figure("Predicted against true class", "Predicted", "True", height=height)
    words = None if len(table) > 25 else table.to_numpy()
    figure.add_heatmap(
        z=shares,
        x=list(table.columns),
        y=list(table.index),
        zmin=0,
        zmax=1,
        colorscale=[list(stop) for stop in theme.HEAT],
        showscale=False,
        text=words,
        texttemplate=None if words is None else "%{text}",
        xgap=2,
        ygap=2,
        customdata=counts,
        hovertemplate="true %{y}<br>predicted %{x}<br>%{customdata:,.0f} " + what + ", %{z:.0%}<extra></extra>",
    )
    figure.update_xaxes(type="category")
    figure.update_yaxes(type="category", autorange="reversed", showgrid=False)
    figure.update_layout(hovermode="closest")
    return figure


def confusion_table(predictions: pd.DataFrame, classes: Sequence[str]) -> pd.DataFrame:
    """Count test rows by true (index) and predicted (columns) class, every class present.

    Args:
        predictions: `target` and `prediction` as class indices or class names.
        classes: Class names by index.
    """
    names = [str(name) for name in classes]
    true, predicted = (_class_labels(predictions[name], names) for name in ("target", "prediction"))
    table = pd.crosstab(true, predicted).reindex(index=names, columns=names, fill_value=0)
    table.index.name, table.columns.name = "true", "predicted"
    return table


def scores_figure(
    primary: str,
    score: float | None,
    baselines: Mapping[str, Mapping[str, Any]],
    *,
    weights: str,
    intervals: Mapping[str, tuple[float, float]] | None = None,
) -> go.Figure:
    """Draw the test score of the run beside those of simple baselines.

    Args:
        primary: Metric; greater is better.
        score: Of the run.
        baselines: Metrics of each baseline on the same test rows.
        weights: "pretrained", "random" or a folder; random is said in the label.
        intervals: Lower and upper end of the score of the run ("run") and of baselines, drawn as whiskers.
    """
    ends = intervals or {}
    own = "This run (random weights)" if weights == "random" else "This run"
    bars = [(own, score, theme.BLUE, ends.get("run"))]
    bars += [(text.baseline_title(name), values.get(primary), theme.FROZEN, ends.get(name))
             for name, values in baselines.items()]  # fmt: skip
    known = [
        (name, float(value), color, end or (float(value), float(value)))
        for name, value, color, end in bars
        if value is not None and np.isfinite(value)
    ]
    values = [value for _, value, _, _ in known]
    figure = empty_figure(f"Test {text.metric_inline(primary)}", "", "", height=44 * len(known) + 100)
    figure.add_bar(
        y=[name for name, *_ in known],
        x=values,
        orientation="h",
        marker_color=[color for _, _, color, _ in known],
        error_x={
            "type": "data", "symmetric": False, "thickness": 1.5, "width": 4, "color": theme.WHISKER,
            "array": [max(0.0, high - value) for _, value, _, (_, high) in known],
            "arrayminus": [max(0.0, value - low) for _, value, _, (low, _) in known],
            "visible": bool(ends),
        },
        hoverinfo="skip",
    )  # fmt: skip
    figure.add_scatter(
        y=[name for name, *_ in known],
        x=[max(0.0, value, high) for _, value, _, (_, high) in known],
        mode="text", text=[f" {value:.3f}" for value in values], textposition="middle right", cliponaxis=False,
        hoverinfo="skip", showlegend=False,
    )  # fmt: skip
    figure.update_layout(margin={"l": 8, "r": 48, "t": 40, "b": 8}, bargap=0.4, hovermode=False, showlegend=False)
    least = min([0.0, *values, *(low for *_, (low, _) in known)])
    figure.update_xaxes(range=[least, 1.0], showgrid=True)
    figure.update_yaxes(autorange="reversed", showgrid=False)
    return figure


def scores_table(scoreboard: Mapping[str, Any]) -> pd.DataFrame:
    """Return every test metric (columns) of the run and of each baseline (rows)."""
    rows = {"This run": dict((scoreboard.get("test") or {}).get("metrics") or {})}
    rows |= {text.baseline_title(name): dict(values) for name, values in (scoreboard.get("baselines") or {}).items()}
    table = pd.DataFrame.from_dict(rows, orient="index")
    return table.rename(columns=text.metric_title)


def _class_labels(column: pd.Series, names: Sequence[str]) -> pd.Series:
    numbers = pd.to_numeric(column, errors="coerce")
    if numbers.notna().all() and not column.astype(str).isin(names).all():
        return numbers.astype(int).map(lambda index: names[index] if 0 <= index < len(names) else str(index))
    return column.astype(str)
