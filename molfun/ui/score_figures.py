"""Pictures of how good predictions are: groups, residuals, lengths, thresholds, calibration. Data in, Figure out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

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


def length_figure(predictions: pd.DataFrame, lengths: Sequence[int]) -> go.Figure:
    """Draw how far off predictions are against the length of the sequence; beyond 3,000 rows an even sample is shown.

    Args:
        predictions: `row`, `target`, `prediction`, numbers.
        lengths: Residues of each row, of all chains.
    """
    rows = predictions[["row", "target", "prediction"]].apply(pd.to_numeric, errors="coerce").assign(length=lengths)
    rows = rows.dropna()
    shown = rows.iloc[:: max(1, -(-len(rows) // MAX_DOTS))]
    figure = empty_figure("How far off, by length", "Residues", "Distance from true", height=320)
    figure.add_scatter(
        x=shown["length"], y=(shown["prediction"] - shown["target"]).abs(), mode="markers", name="Test rows",
        marker={"color": theme.BLUE, "size": 6, "opacity": 0.55}, customdata=shown["row"],
        hovertemplate="row %{customdata}<br>%{x:,} residues<br>off by %{y:.4g}<extra></extra>",
    )  # fmt: skip
    figure.update_layout(hovermode="closest", showlegend=False)
    return figure


def wrong_figure(residues: pd.DataFrame, lengths: Sequence[int]) -> go.Figure:
    """Draw the share of wrong residues of each protein against its length; beyond 3,000 an even sample is shown.

    Args:
        residues: `row`, `residues`, `right`, `wrong_share` of `residue_accuracy`.
        lengths: Residues of each row, of all chains.
    """
    rows = residues.assign(length=list(lengths)).dropna(subset=["wrong_share"])
    shown = rows.iloc[:: max(1, -(-len(rows) // MAX_DOTS))]
    figure = empty_figure("Wrong residues, by length", "Residues", "Wrong", height=320)
    figure.add_scatter(
        x=shown["length"], y=shown["wrong_share"], mode="markers", name="Test rows",
        marker={"color": theme.BLUE, "size": 6, "opacity": 0.55}, customdata=shown["row"],
        hovertemplate="row %{customdata}<br>%{x:,} residues<br>%{y:.0%} wrong<extra></extra>",
    )  # fmt: skip
    figure.update_yaxes(tickformat=".0%", rangemode="tozero")
    figure.update_layout(hovermode="closest", showlegend=False)
    return figure


def roc_figure(curves: Mapping[str, pd.DataFrame]) -> go.Figure:
    """Draw the receiver operating characteristic of each class; the diagonal is chance.

    Args:
        curves: By class name, as `threshold_curves` returns them.
    """
    figure = empty_figure("ROC", "Share of other rows that are chosen", "Share of the class that is found", height=360)
    figure.add_scatter(
        x=[0, 1], y=[0, 1], mode="lines", name="Chance", hoverinfo="skip",
        line={"color": theme.GREY, "dash": "dash", "width": 1.5},
    )  # fmt: skip
    _add_thresholds(figure, curves, "false_positive_rate", "recall")
    return figure


def precision_figure(curves: Mapping[str, pd.DataFrame]) -> go.Figure:
    """Draw the precision of each class against its recall; arguments as in `roc_figure`."""
    figure = empty_figure("Precision and recall", "Share of the class that is found", "Share of right ones", height=360)
    _add_thresholds(figure, curves, "recall", "precision")
    return figure


def _add_thresholds(figure: go.Figure, curves: Mapping[str, pd.DataFrame], x: str, y: str) -> None:
    for place, (name, curve) in enumerate(list(curves.items())[: len(theme.SERIES)]):
        known = curve[curve[y].notna()]
        shown = known.iloc[np.unique(np.linspace(0, len(known) - 1, MAX_DOTS).astype(int))]
        figure.add_scatter(
            x=shown[x], y=shown[y], mode="lines", name=name,
            line={"color": theme.SERIES[place], "width": 2, "shape": "hv" if x == "false_positive_rate" else "linear"},
            customdata=shown["threshold"],
            hovertemplate="%{x:.0%}, %{y:.0%}, chosen from %{customdata:.3g} on<extra></extra>",
        )  # fmt: skip
    figure.update_xaxes(range=[0, 1.02], tickformat=".0%")
    figure.update_yaxes(range=[0, 1.02], tickformat=".0%")
    figure.update_layout(hovermode="closest", showlegend=True)


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
