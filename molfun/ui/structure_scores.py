"""How good predicted structures are, target by target: figures and the table. Data in, Figure out."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from molfun.ui import text, theme
from molfun.ui.charts import empty_figure

SCORES: Mapping[str, str] = {"lddt": theme.BLUE, "tm_score": theme.VERMILION, "gdt_ts": theme.GREEN}
NEEDED = {"row", "name", "num_residues", "plddt", "lddt"}
NAMED = 40  # more names than this cannot be read
MAX_DOTS = 3_000


def score_numbers(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of a table of predictions with scores as numbers, none where it has no scores of structures.

    Args:
        predictions: `row`, `name`, `num_residues`, `plddt`, `lddt` and other scores; may be somebody else's.
    """
    if not set(predictions) >= NEEDED:
        return pd.DataFrame()
    scores = [name for name in predictions if name not in ("name", "target")]
    numbers = predictions.assign(**{name: pd.to_numeric(predictions[name], errors="coerce") for name in scores})
    known = numbers[numbers["row"].notna()]
    return known.assign(row=known["row"].astype(int), name=known["name"].astype(str)).drop_duplicates("row")


def confidence_figure(targets: pd.DataFrame) -> go.Figure:
    """Draw the lDDT of each target against the one that the model expects; the diagonal is right.

    Args:
        targets: `row`, `name`, `plddt`, `lddt`, 0 to 1; beyond 3,000 an even sample is shown.
    """
    figure = empty_figure("As good as it thinks?", "Mean pLDDT, as the model expects", "lDDT, as it is", height=400)
    figure.add_scatter(
        x=[0, 1], y=[0, 1], mode="lines", name="Right", hoverinfo="skip",
        line={"color": theme.GREY, "dash": "dash", "width": 1.5},
    )  # fmt: skip
    _add_dots(figure, targets, "plddt", "lddt", "pLDDT %{x:.2f}<br>lDDT %{y:.2f}")
    figure.update_xaxes(range=[0, 1.02])
    figure.update_yaxes(range=[0, 1.02])
    return figure


def size_figure(targets: pd.DataFrame) -> go.Figure:
    """Draw the lDDT of each target against its length; beyond 3,000 an even sample is shown."""
    figure = empty_figure("lDDT by length", "Residues", "lDDT", height=320)
    _add_dots(figure, targets, "num_residues", "lddt", "%{x:,} residues<br>lDDT %{y:.2f}")
    figure.update_xaxes(rangemode="tozero")
    figure.update_yaxes(range=[0, 1.02])
    return figure


def _add_dots(figure: go.Figure, targets: pd.DataFrame, x: str, y: str, said: str) -> None:
    rows = targets[np.isfinite(targets[[x, y]].to_numpy(dtype=float)).all(axis=1)]
    shown = rows.iloc[:: max(1, -(-len(rows) // MAX_DOTS))]
    figure.add_scatter(
        x=shown[x], y=shown[y], mode="markers", name="Test targets", customdata=shown[["row", "name"]].to_numpy(),
        marker={"color": theme.BLUE, "size": 9, "opacity": 0.75},
        hovertemplate=f"%{{customdata[1]}}<br>{said}<extra></extra>",
    )  # fmt: skip
    figure.update_layout(hovermode="closest", showlegend=False)


def target_figure(targets: pd.DataFrame) -> go.Figure:
    """Draw the scores of each target, the best on top.

    Args:
        targets: `row`, `name` and a column a score; those with a score only.
    """
    ranked = targets.sort_values("lddt", ascending=False, kind="stable")
    are_named = len(ranked) <= NAMED
    height = 28 * len(ranked) + 130 if are_named else 420
    figure = empty_figure(
        "Scores of each target", "Score", "" if are_named else "Targets, the best on top", height=height
    )
    places = np.arange(1, len(ranked) + 1)
    for name, color in SCORES.items():
        if name in ranked:
            figure.add_scatter(
                x=ranked[name], y=places, mode="markers", name=text.metric_title(name),
                customdata=ranked[["row", "name"]].to_numpy(), marker={"color": color, "size": 9 if are_named else 5},
                hovertemplate=f"%{{customdata[1]}}<br>{text.metric_title(name)} %{{x:.3f}}<extra></extra>",
            )  # fmt: skip
    figure.update_xaxes(range=[-0.02, 1.02], showgrid=True)
    figure.update_yaxes(range=[len(ranked) + 0.6, 0.4], showgrid=are_named)
    if are_named:
        figure.update_yaxes(tickvals=places, ticktext=[str(name) for name in ranked["name"]])
    else:
        figure.update_yaxes(showticklabels=False)
    figure.update_layout(hovermode="closest")
    return figure


def target_table(targets: pd.DataFrame) -> pd.DataFrame:
    """Return the scores of targets as people read them, the worst first."""
    shown = targets.sort_values("lddt", kind="stable", na_position="first")
    names = {"row": "Row", "name": "Target", "num_residues": "Residues", "lddt": text.metric_title("lddt"),
             "tm_score": text.metric_title("tm_score"), "gdt_ts": text.metric_title("gdt_ts"),
             "rmsd": text.metric_title("rmsd"), "plddt": "Mean pLDDT"}  # fmt: skip
    return shown[[name for name in names if name in shown]].rename(columns=names)
