"""Pictures of a cross-validation: single folds and the pooled score. Data in, Figure out."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from molfun.runs.cross_validation import Arm
from molfun.ui import text, theme
from molfun.ui.charts import empty_figure

ROW_HEIGHT = 48


def folds_figure(table: pd.DataFrame, arms: Mapping[str, Arm], *, metric: str) -> go.Figure:
    """Draw the score of every fold as a dot and the pooled score with its 95 % interval as a bar.

    Args:
        table: As `runs.pooled.pooled_table` returns it; rows without any score are left out.
        arms: What the table's rows are made of, by title.
        metric: Its name.
    """
    shown = table[(table["folds"] > 0) & (table["mean"].notna() | table["pooled"].notna())]
    title = f"Test {text.metric_inline(metric)}: folds, and pooled"
    figure = empty_figure(title, "", "", height=ROW_HEIGHT * len(shown) + 110)
    figure.add_bar(
        x=shown["pooled"], y=shown["title"], orientation="h", name="Pooled",
        marker={"color": [theme.FROZEN if is_baseline else theme.BLUE for is_baseline in shown["is_baseline"]]},
        error_x={"type": "data", "symmetric": False, "thickness": 1.5, "color": theme.WHISKER,
                 "array": shown["high"] - shown["pooled"], "arrayminus": shown["pooled"] - shown["low"]},
        customdata=shown[["low", "high", "rows"]].to_numpy(),
        hovertemplate="pooled %{x:.3f} (%{customdata[0]:.3f} to %{customdata[1]:.3f}), %{customdata[2]:,} rows"
                      "<extra></extra>",
    )  # fmt: skip
    names = [(title, place, score) for title in shown["title"] for place, score in arms[title].scores.items()
             if np.isfinite(score)]  # fmt: skip
    figure.add_scatter(
        x=[score for *_, score in names], y=[title for title, *_ in names], mode="markers", name="One fold",
        marker={"color": theme.VERMILION, "size": 8, "opacity": 0.75},
        customdata=[[place[2], place[0], place[1]] for _, place, _ in names],
        hovertemplate="fold %{customdata[0]}, split seed %{customdata[1]}, seed %{customdata[2]}: %{x:.3f}"
                      "<extra></extra>",
    )  # fmt: skip
    figure.update_layout(hovermode="closest", bargap=0.45)
    figure.update_yaxes(type="category", autorange="reversed", showgrid=False)
    return figure
