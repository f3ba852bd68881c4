"""Pictures of a data set: lengths, target values, classes. DataFrame in, plotly Figure out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from molfun.data.labels import UNKNOWN, residue_labels
from molfun.data.proteins import Protein
from molfun.ui import theme
from molfun.ui.charts import empty_figure

NUM_BINS = 40
FEWEST_LENGTHS = 6
MAX_CLASSES = 30


def length_figure(lengths: pd.Series, *, limit: int | None = None) -> go.Figure:
    """Draw how long sequences are, in residues; a dashed line marks the model's limit where it is near."""
    values = lengths.to_numpy(dtype=float)
    figure = empty_figure("Sequence lengths", "Residues", "Rows", height=260)
    counts, edges = _bins(values, whole=True)
    _add_bars(figure, counts, edges, theme.SKY, "rows")
    if len(values) and np.ptp(values) < FEWEST_LENGTHS:  # an axis of whole numbers, and bars that are no walls
        middle = (values.min() + values.max()) / 2
        figure.update_xaxes(range=[middle - FEWEST_LENGTHS, middle + FEWEST_LENGTHS], tickformat=",d", dtick=2)
    if limit is not None and len(values) and values.max() > 0.8 * limit:
        figure.add_vline(x=limit, line={"color": theme.VERMILION, "dash": "dash"}, annotation_text=f"limit {limit}")
    return figure


def target_figure(rows: pd.DataFrame, *, title: str = "Target values", unit: str = "Value") -> go.Figure:
    """Draw the distribution of a numeric target in each part.

    Args:
        rows: `target` (float) and `split` ("train", "val", "test").
        title: Of the figure.
        unit: Of the target.
    """
    figure = empty_figure(title, unit, "Rows", height=260)
    values = pd.to_numeric(rows["target"], errors="coerce").to_numpy(dtype=float)
    values = values[np.isfinite(values)]
    if len(values) == 0:
        return figure
    edges = np.histogram_bin_edges(values, bins=min(NUM_BINS, max(5, len(values) // 5)))
    for part, color in theme.PARTS.items():
        inside = pd.to_numeric(rows.loc[rows["split"] == part, "target"], errors="coerce").dropna()
        if len(inside):
            counts = np.histogram(inside, bins=edges)[0]
            _add_bars(figure, counts, edges, color, theme.PART_TITLES[part])
    figure.update_layout(barmode="stack", showlegend=True)
    return figure


def class_figure(rows: pd.DataFrame, *, what: str = "Rows") -> go.Figure:
    """Draw how many rows, or residues, each class has in each part.

    Args:
        rows: `target` (class name) and `split`; beyond 30 classes the largest are shown.
        what: That is counted.
    """
    names = rows["target"].astype(str).value_counts().index[:MAX_CLASSES]
    figure = empty_figure(f"{what} of each class", what, "", height=max(200, 34 * len(names) + 110))
    for part, color in theme.PARTS.items():
        counts = rows.loc[rows["split"] == part, "target"].astype(str).value_counts().reindex(names, fill_value=0)
        if counts.sum():
            figure.add_bar(
                y=list(names), x=counts.to_numpy(), name=theme.PART_TITLES[part], orientation="h", marker_color=color
            )
    figure.update_layout(barmode="stack", hovermode="y unified", bargap=0.35)
    figure.update_xaxes(showgrid=True)
    figure.update_yaxes(autorange="reversed", showgrid=False, type="category")
    return figure


def resolved_shares(structures: pd.Series) -> pd.Series:
    """Return the share of residues whose C-alpha is known of each measured structure, NaN where a row has none."""
    shares = [
        sum(chain.num_resolved for chain in cell.chains) / cell.num_residues
        if isinstance(cell, Protein) and cell.num_residues else np.nan
        for cell in structures
    ]  # fmt: skip
    return pd.Series(shares, index=structures.index, dtype=float)


def residue_rows(rows: pd.DataFrame) -> pd.DataFrame:
    """Return `target` (class) and `split` of every residue that has a label.

    Args:
        rows: `target` (labels of a row's residues, in any form that is read) and `split`.
    """
    labels = [residue_labels(cell) or [] for cell in rows["target"]]
    flat = pd.DataFrame({
        "target": [label for row in labels for label in row],
        "split": np.repeat(rows["split"].to_numpy(), [len(row) for row in labels]),
    })  # fmt: skip
    return flat[flat["target"] != UNKNOWN].reset_index(drop=True)


def band_figure(bands: Mapping[str, int]) -> go.Figure:
    """Draw how many test rows lie in each band of identity to the nearest training row, the most alike on top."""
    figure = empty_figure("Identity to the nearest training row", "Test rows", "", height=260)
    figure.add_bar(
        y=list(bands), x=list(bands.values()), orientation="h", marker_color=theme.SKY, name="Test rows",
        text=[f"{count:,}" for count in bands.values()], textposition="auto",
    )  # fmt: skip
    figure.update_layout(showlegend=False, hovermode="closest", bargap=0.35)
    figure.update_yaxes(autorange="reversed", showgrid=False, type="category")
    return figure


def split_table(rows: pd.DataFrame, *, by_class: bool) -> pd.DataFrame:
    """Return rows of each part (columns Training, Validation, Test), one line a class where `by_class`, and their sum.

    Args:
        rows: `target` and `split`.
        by_class: Count each class by itself.
    """
    label = rows["target"].astype(str) if by_class else pd.Series("Rows", index=rows.index)
    table = pd.crosstab(label, rows["split"]).reindex(columns=list(theme.PARTS), fill_value=0)
    if by_class:
        table.loc["All"] = table.sum()
    table = table.rename(columns=theme.PART_TITLES)
    table.index.name = "Class" if by_class else ""
    table.columns.name = None
    return table


def chain_lengths(frame: pd.DataFrame, columns: Sequence[str]) -> pd.Series:
    """Return the residues of each row's longest chain, 0 where a row has no sequence."""
    lengths = [frame[name].astype(str).str.strip().str.len() for name in columns]
    return pd.concat(lengths, axis=1).max(axis=1).fillna(0).astype(int)


def _bins(values: np.ndarray, *, whole: bool) -> tuple[np.ndarray, np.ndarray]:
    if len(values) == 0:
        return np.zeros(0), np.zeros(1)
    low, high = values.min(), values.max()
    if whole and high - low < NUM_BINS:
        edges = np.arange(low - 0.5, high + 1.0)
        return np.histogram(values, bins=edges)
    return np.histogram(values, bins=NUM_BINS)


def _add_bars(figure: go.Figure, counts: np.ndarray, edges: np.ndarray, color: str, name: str) -> None:
    centres, widths = (edges[:-1] + edges[1:]) / 2, np.diff(edges)
    hover = [
        f"{low:,.6g} to {high:,.6g}: {int(n):,}" for low, high, n in zip(edges[:-1], edges[1:], counts, strict=True)
    ]
    figure.add_bar(
        x=centres,
        y=counts,
        width=widths,
        name=name,
        marker={"color": color, "line_width": 0},
        hovertext=hover,
        hoverinfo="text",
    )
    figure.update_layout(bargap=0.04, hovermode="closest", showlegend=False)
