"""Curves of a run and its parameters: DataFrame in, plotly Figure out. Figures are data, so streamlit stays outside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from molfun.data.settings import lower_is_better
from molfun.ui import text, theme
from molfun.ui.series import Floats, best_position, column, decimate, smooth

HEIGHT = 300
MAX_LEGEND = 6  # more names than this cover the chart; pointing at a curve tells its name too
FAR_APART = 20.0  # learning rates whose peaks differ by more than this share a logarithmic axis


def empty_figure(title: str, x_title: str, y_title: str, *, height: int = HEIGHT) -> go.Figure:
    """Return a figure with our margins, legend and axis names, and no data."""
    figure = go.Figure()
    figure.update_layout(
        title={
            "text": title,
            "x": 0,
            "xanchor": "left",
            "y": 0.98,
            "yanchor": "top",
            "font": {"size": 15, "weight": 600},
            "automargin": False,
        },
        height=height,
        margin={"l": 8, "r": 8, "t": 64, "b": 8},
        legend={
            "orientation": "h",
            "x": 0,
            "y": 1.0,
            "xanchor": "left",
            "yanchor": "bottom",
            "title_text": "",
            "traceorder": "normal",
        },
        hovermode="x unified",
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
    )
    figure.update_xaxes(title_text=x_title, showgrid=False, automargin=True, zeroline=False)
    figure.update_yaxes(title_text=y_title, automargin=True, zeroline=False)
    return figure


def loss_figure(steps: pd.DataFrame, epochs: pd.DataFrame, *, smoothing: float, log_scale: bool = False) -> go.Figure:
    """Draw the training loss, raw and smoothed, and the validation loss at the step where each epoch ended.

    Args:
        steps: One row an optimiser step with `step`, `loss`, `epoch`.
        epochs: One row an epoch with `epoch` and `val_loss` where there is a validation part; `val_loss_raw` beside it
            where averaged weights are validated and the raw ones as well.
        smoothing: Weight of the moving average in [0, 1); 0 hides the smoothed curve.
        log_scale: Draw the loss on a logarithmic axis.
    """
    figure = empty_figure("Loss", "Step", "")
    x, loss = column(steps, "step"), column(steps, "loss")
    raw_style: dict[str, Any] = {"color": theme.TRAIN, "width": 1.2 if smoothing > 0 else 2}
    _add_line(figure, x, loss, "Training", line=raw_style, opacity=0.55 if smoothing > 0 else 1.0)
    if smoothing > 0:
        _add_line(figure, x, smooth(loss, smoothing), "Smoothed", line={"color": theme.TRAIN, "width": 2.5})
    at, val, val_raw = _at_steps(steps, epochs), column(epochs, "val_loss"), column(epochs, "val_loss_raw")
    _add_line(figure, at, val, "Validation", line={"color": theme.VALIDATION, "width": 2.5}, marker={"size": 7})
    thin = {"color": theme.VALIDATION, "width": 1.5, "dash": "dash"}
    _add_line(figure, at, val_raw, "Validation (raw weights)", line=thin, marker={"size": 4})
    if log_scale:
        figure.update_yaxes(type="log")
    return figure


def metric_figure(epochs: pd.DataFrame, metric: str, *, monitor: str = "val_loss") -> go.Figure:
    """Draw a validation metric over epochs; the epoch whose weights are kept (best `monitor`) is marked.

    Args:
        epochs: One row an epoch with `epoch`, `val_<metric>` and the column `monitor`.
        metric: Name without `val_`.
        monitor: What the best epoch is chosen by, with `val_`.
    """
    figure = empty_figure(f"Validation: {text.metric_inline(metric)}", "Epoch", "")
    x, y = _epoch_numbers(epochs), column(epochs, f"val_{metric}")
    if not np.isfinite(y).any():
        return _say(figure, "Appears after the first epoch")
    _add_line(figure, x, y, "Each epoch", line={"color": theme.METRIC, "width": 2.5}, marker={"size": 7})
    kept = best_position(column(epochs, monitor), lower_is_better=lower_is_better(monitor))
    if kept is not None:
        star = {"color": theme.METRIC, "size": 15, "symbol": "star", "line": {"color": "white", "width": 1}}
        name = f"Kept: epoch {x[kept]:.0f}, {text.number(y[kept])}"
        figure.add_scatter(x=[x[kept]], y=[y[kept]], mode="markers", name=name, marker=star, hoverinfo="skip")
    figure.update_xaxes(tickformat="d", rangemode="tozero", dtick=1 if len(x) <= 10 else None)
    return figure


def learning_rate_figure(steps: pd.DataFrame) -> go.Figure:
    """Draw the learning rate of every parameter group (columns `lr/<group>`) over steps."""
    figure = empty_figure("Learning rate of each group", "Step", "")
    names = [name for name in steps.columns if str(name).startswith("lr/")]
    for index, name in enumerate(names):
        style = {"color": theme.SERIES[index % len(theme.SERIES)], "width": 2, "dash": "solid" if index < 7 else "dot"}
        _add_line(figure, column(steps, "step"), column(steps, name), str(name).removeprefix("lr/"), line=style)
    figure.update_yaxes(tickformat=".0e", rangemode="tozero")
    figure.update_layout(showlegend=0 < len(names) <= MAX_LEGEND)
    peaks = [peak for name in names if (peak := np.nanmax(column(steps, name), initial=0.0)) > 0]
    if peaks and max(peaks) > FAR_APART * min(peaks):
        figure.update_yaxes(type="log")
    return figure


def collapse_blocks(parts: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Join neighbouring trunk blocks that train the same share of their parameters into one part, e.g. "Blocks 1-6".

    Args:
        parts: Dicts with `name`, `total`, `trainable`, `lr`; blocks are named `block_<number>`.

    Returns:
        Dicts with `title`, `total`, `trainable`, `rates` (lowest and highest learning rate, empty where none trains).
    """
    joined: list[dict[str, Any]] = []
    for part in parts:
        rates = [] if part.get("lr") is None else [float(part["lr"])]
        own = {
            "title": text.part_title(part["name"]),
            "total": part["total"],
            "trainable": part["trainable"],
            "rates": rates,
        }
        last = joined[-1] if joined else None
        is_block = str(part["name"]).startswith("block_")
        if last and is_block and last["is_block"] and last["share"] == _share(own):
            last["numbers"].append(str(part["name"]).removeprefix("block_"))
            last["title"] = f"Blocks {last['numbers'][0]}–{last['numbers'][-1]}"
            last["total"], last["trainable"] = last["total"] + own["total"], last["trainable"] + own["trainable"]
            last["rates"] = sorted({*last["rates"], *rates})
        else:
            number = str(part["name"]).removeprefix("block_")
            joined.append({**own, "is_block": is_block, "share": _share(own), "numbers": [number]})
    return joined


def _share(part: Mapping[str, Any]) -> float:
    return part["trainable"] / part["total"] if part["total"] else 0.0


def breakdown_figure(parts: Sequence[Mapping[str, Any]]) -> go.Figure:
    """Draw trainable and frozen parameters of each part as one bar, on a scale where small parts stay visible.

    Args:
        parts: Parts of `collapse_blocks`, in the order of the forward pass.
    """
    names = [part["title"] for part in parts]
    totals = np.array([float(part["total"]) for part in parts])
    # The square root keeps a head of a thousand beside a trunk of millions in sight; hover tells the numbers.
    length = np.sqrt(totals)
    ratio = np.array([_share(part) for part in parts])
    figure = empty_figure("", "", "", height=34 * max(len(parts), 1) + 50)
    for label, values, color, counts in (
        ("Trains", length * ratio, theme.TRAINABLE, [part["trainable"] for part in parts]),
        ("Frozen", length * (1 - ratio), theme.FROZEN, [part["total"] - part["trainable"] for part in parts]),
    ):
        hover = [f"{text.count(value)} {label.lower()}" for value in counts]
        bar = {"color": color, "opacity": 1.0 if label == "Trains" else 0.45}
        figure.add_bar(y=names, x=values, name=label, orientation="h", marker=bar, hovertext=hover, hoverinfo="text+y")
    figure.update_layout(
        barmode="stack",
        hovermode="closest",
        margin={"l": 8, "r": 8, "t": 30, "b": 4},
        bargap=0.35,
        legend_entrywidth=60,
    )
    figure.update_xaxes(visible=False)
    figure.update_yaxes(autorange="reversed", showgrid=False)
    return figure


def _say(figure: go.Figure, sentence: str) -> go.Figure:
    """Put a sentence where curves would be, and no numbers on the axes."""
    figure.add_annotation(text=sentence, x=0.5, y=0.5, xref="paper", yref="paper", showarrow=False, opacity=0.6)
    figure.update_xaxes(visible=False)
    figure.update_yaxes(visible=False)
    return figure


def _add_line(figure: go.Figure, x: Floats, y: Floats, name: str, **style: Any) -> None:
    """Add a thinned line, float32 to halve what travels to the browser; nothing where no sample is finite."""
    x, y = decimate(x, y)
    if len(y) == 0:
        return
    mode = "lines+markers" if "marker" in style or len(y) == 1 else "lines"
    hover = "%{y:.2e}" if name.startswith(("head", "lora", "trunk", "block", "embed")) else "%{y:.4g}"
    figure.add_scatter(
        x=x.astype(np.float32), y=y.astype(np.float32), mode=mode, name=name, hovertemplate=hover, **style
    )


def _epoch_numbers(epochs: pd.DataFrame) -> Floats:
    return column(epochs, "epoch" if "epoch" in epochs.columns else "step")


def _at_steps(steps: pd.DataFrame, epochs: pd.DataFrame) -> Floats:
    """Return the step at which each row of `epochs` ended."""
    ends = _epoch_numbers(epochs)
    x, progress = column(steps, "step"), column(steps, "epoch")
    known = np.isfinite(x) & np.isfinite(progress)
    if not known.any():
        return ends
    return np.asarray(np.interp(ends, progress[known], x[known]), dtype=np.float64)
