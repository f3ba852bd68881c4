"""Curves of a run and its parameters: DataFrame in, plotly Figure out. Figures are data, so streamlit stays outside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from molfun.data.settings import lower_is_better
from molfun.ui import text, theme
from molfun.ui.markers import Marker
from molfun.ui.run_curves import StepCurves, as_curves
from molfun.ui.series import MAX_POINTS, Floats, best_position, column, decimate

HEIGHT = 300
MAX_LEGEND = 6  # more names than this cover the chart; pointing at a curve tells its name too
MAX_MARKERS, MAX_LABELS = 200, 20  # more labels than this cover the curves; more lines are a grey field
LABEL_SPACE, LABEL_ROWS = 0.05, 3  # share of the width that an upright label takes
MAX_CHART_POINTS = 3000  # of all lines of a chart, so that a refresh never sends more than 60 KiB for it
FAR_APART = 20.0  # learning rates whose peaks differ by more than this share a logarithmic axis

MACHINE_LINES: dict[str, tuple[str, str, dict[str, tuple[str, str]]]] = {
    "busy": ("At work", "", {
        "sys/cores": ("Cores", theme.BLUE), "sys/gpu_share": ("GPU, share of the time", theme.VERMILION),
    }),
    "memory": ("Memory", "GB", {
        "sys/memory": ("Process", theme.BLUE), "sys/gpu_memory": ("GPU", theme.VERMILION),
    }),
}  # fmt: skip
MACHINE = frozenset(name for _, _, lines in MACHINE_LINES.values() for name in lines)


def empty_figure(title: str, x_title: str, y_title: str, *, height: int = HEIGHT) -> go.Figure:
    """Return a figure with our margins, legend and axis names, and no data."""
    # At once: every update of a figure costs as much as all of this.
    return go.Figure(
        layout={
            "title": {
                "text": title,
                "x": 0,
                "xanchor": "left",
                "y": 0.98,
                "yanchor": "top",
                "font": {"size": 15, "weight": 600},
                "automargin": False,
            },
            "height": height,
            "margin": {"l": 8, "r": 8, "t": 64, "b": 8},
            "legend": {
                "orientation": "h",
                "x": 0,
                "y": 1.0,
                "xanchor": "left",
                "yanchor": "bottom",
                "title": {"text": ""},
                "traceorder": "normal",
            },
            "hovermode": "x unified",
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": theme.GREY, "activecolor": theme.BLUE},
            "xaxis": {"title": {"text": x_title}, "showgrid": False, "automargin": True, "zeroline": False},
            "yaxis": {"title": {"text": y_title}, "automargin": True, "zeroline": False},
        }
    )


def loss_figure(
    steps: pd.DataFrame | StepCurves,
    epochs: pd.DataFrame,
    *,
    smoothing: float,
    log_scale: bool = False,
    within: Sequence[float] = (),
) -> go.Figure:
    """Draw the training loss, raw and smoothed, and the validation loss at the step where each epoch ended.

    Args:
        steps: One row an optimiser step with `step`, `loss`, `epoch`.
        epochs: One row an epoch with `epoch` and `val_loss` where there is a validation part; `val_loss_raw` beside it
            where averaged weights are validated and the raw ones as well.
        smoothing: Weight of the moving average in [0, 1); 0 hides the smoothed curve.
        log_scale: Draw the loss on a logarithmic axis.
        within: First and last step of a stretch that is drawn in more detail, empty for none.
    """
    figure, curves = empty_figure("Loss", "Step", ""), as_curves(steps)
    raw_style: dict[str, Any] = {"color": theme.TRAIN, "width": 1.2 if smoothing > 0 else 2}
    raw = curves.line("loss", within=within)
    _add_line(figure, *raw, "Training", line=raw_style, opacity=0.55 if smoothing > 0 else 1.0)
    if smoothing > 0:
        smoothed = curves.line("loss", weight=smoothing, within=within)
        _add_line(figure, *smoothed, "Smoothed", line={"color": theme.TRAIN, "width": 2.5})
    at, val, val_raw = _at_steps(curves, epochs), column(epochs, "val_loss"), column(epochs, "val_loss_raw")
    _add_line(figure, at, val, "Validation", line={"color": theme.VALIDATION, "width": 2.5}, marker={"size": 7})
    thin = {"color": theme.VALIDATION, "width": 1.5, "dash": "dash"}
    # The line before it is that of the averaged weights: what averaging gains is shaded.
    gap = {"fill": "tonexty", "fillcolor": theme.VALIDATION_PALE} if np.isfinite(val_raw).any() else {}
    _add_line(figure, at, val_raw, "Validation (raw weights)", line=thin, marker={"size": 4}, **gap)
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


def learning_rate_figure(steps: pd.DataFrame | StepCurves, *, within: Sequence[float] = ()) -> go.Figure:
    """Draw the learning rate of every parameter group (columns `lr/<group>`) over steps."""
    figure, curves = empty_figure("Learning rate of each group", "Step", ""), as_curves(steps)
    names = [name for name in curves.names if name.startswith("lr/")]
    budget = min(MAX_POINTS, MAX_CHART_POINTS // max(1, len(names)))
    lines = [curves.line(name, max_points=budget, within=within) for name in names]
    for index, (name, line) in enumerate(zip(names, lines, strict=True)):
        style = {"color": theme.SERIES[index % len(theme.SERIES)], "width": 2, "dash": "solid" if index < 7 else "dot"}
        _add_line(figure, *line, name.removeprefix("lr/"), line=style, hovertemplate="%{y:.2e}")
    figure.update_yaxes(tickformat=".0e", rangemode="tozero")
    figure.update_layout(showlegend=0 < len(names) <= MAX_LEGEND)
    peaks = [peak for line in lines if (peak := line.y.max(initial=0.0)) > 0]
    if peaks and max(peaks) > FAR_APART * min(peaks):
        figure.update_yaxes(type="log")
    return figure


def gradient_figure(steps: pd.DataFrame | StepCurves, *, bound: float, within: Sequence[float] = ()) -> go.Figure:
    """Draw the norm of the gradient before clipping (column `grad_norm`), and the bound at which it is cut.

    Args:
        steps: One row an optimiser step.
        bound: Largest norm; 0 cuts nothing.
        within: As in `loss_figure`.
    """
    figure = empty_figure("Gradient norm", "Step", "")
    line = as_curves(steps).line("grad_norm", within=within)
    if not len(line.y):
        return _say(figure, "Not recorded")
    _add_line(figure, *line, "Before clipping", line={"color": theme.PINK, "width": 1.5})
    if bound > 0:
        style = {"color": theme.GREY, "width": 1.5, "dash": "dash"}
        ends = line.x[[0, -1]]
        _add_line(figure, ends, np.full(2, bound), f"Cut at {bound:g}", line=style)
    figure.update_yaxes(rangemode="tozero")
    return figure


def speed_figure(steps: pd.DataFrame | StepCurves, *, within: Sequence[float] = ()) -> go.Figure:
    """Draw the tokens a second (column `tokens_per_second`) of every optimiser step."""
    figure = empty_figure("Tokens per second", "Step", "")
    line = as_curves(steps).line("tokens_per_second", within=within)
    if not len(line.y):
        return _say(figure, "Not recorded")
    _add_line(figure, *line, "Tokens per second", line={"color": theme.SKY, "width": 1.5})
    figure.update_yaxes(rangemode="tozero")
    return figure


def machine_figure(steps: pd.DataFrame | StepCurves, what: str, *, within: Sequence[float] = ()) -> go.Figure:
    """Draw what the main process of a run takes of its machine, as it was sampled every few seconds.

    Args:
        steps: With the columns that `molfun.runs.resources` writes.
        what: "busy" (cores and GPU) or "memory".
        within: As in `loss_figure`.
    """
    curves = as_curves(steps)
    title, y_title, lines = MACHINE_LINES[what]
    figure = empty_figure(title, "Step", y_title)
    for name, (label, color) in lines.items():
        line = curves.line(name, within=within)
        _add_line(figure, *line, label, line={"color": color, "width": 2}, connectgaps=True)
    figure.update_yaxes(rangemode="tozero")
    return figure if figure.data else _say(figure, "Not recorded")


def add_markers(figure: go.Figure, markers: Sequence[Marker]) -> go.Figure:
    """Draw what was done to a run as thin dotted lines over the steps; only the newest ones carry their label.

    Args:
        figure: With steps on its x axis; it is changed and returned.
        markers: By step.
    """
    shown, labelled = markers[-MAX_MARKERS:], markers[-MAX_LABELS:]
    line = {"color": theme.GREY, "width": 1, "dash": "dot"}
    place = {"type": "line", "xref": "x", "yref": "paper", "y0": 0, "y1": 1, "line": line, "layer": "below"}
    label = {"xref": "x", "yref": "paper", "xanchor": "right", "yanchor": "top", "textangle": -90}
    style = {"showarrow": False, "opacity": 0.75, "font": {"size": 10}, "borderpad": 1}
    heights = _label_heights([marker.step for marker in labelled], _last_step(figure))
    figure.update_layout(
        shapes=[{**place, "x0": marker.step, "x1": marker.step} for marker in shown],
        annotations=[
            {**label, **style, "x": marker.step, "y": height, "text": marker.label}
            for marker, height in zip(labelled, heights, strict=True)
        ],
    )
    return figure


def _last_step(figure: go.Figure) -> float:
    return max((float(curve.x[-1]) for curve in figure.data if curve.x is not None and len(curve.x)), default=0.0)


def _label_heights(steps: Sequence[int], last_step: float) -> list[float]:
    """Return the upper end of every label, as a share of the height: those too close to each other are staggered."""
    rows: list[int] = []
    for index, step in enumerate(steps):
        is_close = index > 0 and step - steps[index - 1] < LABEL_SPACE * last_step
        rows.append((rows[-1] + 1) % LABEL_ROWS if is_close else 0)
    return [1 - row / LABEL_ROWS for row in rows]


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
    """Add a line, thinned where it is long, float32 to halve what travels; nothing where no sample is finite."""
    x, y = decimate(x, y)
    if len(y) == 0:
        return
    mode = "lines+markers" if "marker" in style or len(y) == 1 else "lines"
    figure.add_scatter(
        x=x.astype(np.float32), y=y.astype(np.float32), mode=mode, name=name, **{"hovertemplate": "%{y:.4g}", **style}
    )


def _epoch_numbers(epochs: pd.DataFrame) -> Floats:
    return column(epochs, "epoch" if "epoch" in epochs.columns else "step")


def _at_steps(steps: StepCurves, epochs: pd.DataFrame) -> Floats:
    """Return the step at which each row of `epochs` ended."""
    ends = _epoch_numbers(epochs)
    found = steps.steps_at(ends)
    return found if np.isfinite(found).any() else ends
