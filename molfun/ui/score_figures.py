"""Pictures of how good predictions are: scores of groups, residuals, calibration. DataFrame in, plotly Figure out."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from molfun.ui import text, theme
from molfun.ui.charts import empty_figure

MAX_DOTS = 3_000


def group_figure(groups: pd.DataFrame, metric: str) -> go.Figure:
    """Draw the score of each group of test rows with its 95 % interval.

    Args:
        groups: `group`, `rows`, `value`, `low`, `high` of `score_groups`; groups without a score are left out.
        metric: Its name.
    """
    known = groups[groups["value"].notna()]
    figure = empty_figure(f"{text.metric_title(metric)} by group", "", "", height=44 * len(known) + 110)
    figure.add_scatter(
        x=known["value"], y=known["group"], mode="markers", name="Score",
        marker={"color": theme.BLUE, "size": 9},
        error_x={"type": "data", "symmetric": False, "array": known["high"] - known["value"],
                 "arrayminus": known["value"] - known["low"], "color": theme.BLUE, "thickness": 1.5},
        customdata=known[["rows", "low", "high"]].to_numpy(),
        hovertemplate="%{y}: %{x:.3f} (%{customdata[1]:.3f} to %{customdata[2]:.3f}), %{customdata[0]:,} rows"
                      "<extra></extra>",
    )  # fmt: skip
    figure.update_layout(showlegend=False, hovermode="closest")
    figure.update_xaxes(showgrid=True)
    figure.update_yaxes(type="category", autorange="reversed", showgrid=False)
    return figure


def residual_figure(predictions: pd.DataFrame) -> go.Figure:
    """Draw how far off predictions are against the true value; beyond 3,000 rows an even sample is shown.

    Args:
        predictions: `row`, `target`, `prediction`, numbers.
    """
    rows = predictions[["row", "target", "prediction"]].apply(pd.to_numeric, errors="coerce").dropna()
    shown = rows.iloc[:: max(1, -(-len(rows) // MAX_DOTS))]
    figure = empty_figure("How far off, by true value", "True value", "Predicted minus true", height=320)
    figure.add_hline(y=0, line={"color": theme.GREY, "dash": "dash", "width": 1.5})
    figure.add_scatter(
        x=shown["target"], y=shown["prediction"] - shown["target"], mode="markers", name="Test rows",
        marker={"color": theme.BLUE, "size": 6, "opacity": 0.55}, customdata=shown["row"],
        hovertemplate="row %{customdata}<br>true %{x:.4g}<br>off by %{y:+.4g}<extra></extra>",
    )  # fmt: skip
    figure.update_layout(hovermode="closest", showlegend=False)
    return figure


def calibration_figure(table: pd.DataFrame) -> go.Figure:
    """Draw how often the predicted class is right against how sure the model is; the diagonal is perfect.

    Args:
        table: `confidence`, `accuracy`, `rows` of `calibration_table`.
    """
    figure = empty_figure("How sure, and how often right", "Probability of the predicted class", "Right", height=320)
    figure.add_scatter(
        x=[0, 1], y=[0, 1], mode="lines", name="Perfect", hoverinfo="skip",
        line={"color": theme.GREY, "dash": "dash", "width": 1.5},
    )  # fmt: skip
    sizes = 8 + 16 * np.sqrt(table["rows"] / max(1, table["rows"].max()))
    figure.add_scatter(
        x=table["confidence"], y=table["accuracy"], mode="markers+lines", name="Test rows",
        marker={"color": theme.BLUE, "size": sizes}, line={"color": theme.BLUE, "width": 1}, customdata=table["rows"],
        hovertemplate="%{x:.0%} sure, %{y:.0%} right, %{customdata:,} rows<extra></extra>",
    )  # fmt: skip
    figure.update_layout(hovermode="closest", showlegend=False)
    return figure
