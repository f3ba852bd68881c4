"""The learning rate of every group over a run that has not begun: the very numbers that training will use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.colors import sample_colorscale

from molfun.runs.advice import Schedule
from molfun.training.curves import lr_at
from molfun.training.settings import StrategySettings
from molfun.ui import theme
from molfun.ui.charts import FAR_APART, MAX_LEGEND, empty_figure

HEIGHT = 240
MAX_POINTS = 300
MAX_EPOCH_TICKS = 4  # more would stand on each other in the narrow card


def schedule_figure(groups: Sequence[Mapping[str, Any]], settings: StrategySettings, steps: Schedule) -> go.Figure:
    """Draw the learning rate of every group over steps, with epochs along the upper edge.

    Args:
        groups: {"name", "lr"}, as `molfun.models.parameters.count_parts` lists them.
        settings: Schedule, warm-up and floor.
        steps: How long the run is.
    """
    figure = empty_figure("", "Step", "", height=HEIGHT)
    x = shown_steps(steps.total_steps, settings.warmup_steps)
    shown = [group for group in groups if group["lr"] > 0]
    for group, color in zip(shown, _colors(shown), strict=True):
        rates = [
            lr_at(
                int(step), peak=group["lr"], total_steps=steps.total_steps, warmup_steps=settings.warmup_steps,
                kind=settings.scheduler, min_lr=settings.min_lr,
            )
            for step in x
        ]  # fmt: skip
        figure.add_scatter(
            x=x, y=rates, mode="lines" if len(x) > 1 else "lines+markers", name=str(group["name"]),
            line={"color": color, "width": 2}, hovertemplate="%{y:.2e}",
        )  # fmt: skip
    figure.update_layout(showlegend=len(shown) <= MAX_LEGEND, margin={"l": 8, "r": 8, "t": 40, "b": 8})
    figure.update_yaxes(tickformat=".0e", rangemode="tozero")
    peaks = [group["lr"] for group in shown]
    if peaks and max(peaks) > FAR_APART * min(peaks):
        figure.update_yaxes(type="log", rangemode="normal")
    _add_epochs(figure, steps)
    return figure


def shown_steps(total_steps: int, warmup_steps: int) -> np.ndarray:
    """Return the steps at which a curve is drawn: all of a short run, else even ones with both ends and the peak."""
    if total_steps <= MAX_POINTS:
        return np.arange(1, total_steps + 1)
    even = np.linspace(1, total_steps, MAX_POINTS).round().astype(int)
    return np.unique([*even, *([warmup_steps] if 0 < warmup_steps <= total_steps else [])])


def _colors(groups: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the colours of the Live page for a few groups; for many, as with layer-wise decay, a scale by order."""
    if len(groups) <= len(theme.SERIES):
        return list(theme.SERIES[: len(groups)])
    return list(sample_colorscale("Plasma", list(np.linspace(0.0, 0.85, len(groups)))))


def _add_epochs(figure: go.Figure, steps: Schedule) -> None:
    """Mark the ends of epochs on the x axis, a few of them."""
    epochs = max(1, steps.total_steps // max(1, steps.steps_per_epoch))
    every = -(-epochs // MAX_EPOCH_TICKS)
    ends = [epoch * steps.steps_per_epoch for epoch in range(every, epochs + 1, every)]
    for end in ends:
        figure.add_vline(end, line={"color": theme.GREY, "width": 1, "dash": "dot"}, opacity=0.6)
    figure.update_xaxes(
        tickvals=ends, range=[0, steps.total_steps * 1.06], tickangle=0,
        ticktext=[f"{end:,}<br>epoch {end // steps.steps_per_epoch:,}" for end in ends],
    )  # fmt: skip
