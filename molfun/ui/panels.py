"""Panels that refresh themselves until a run is over: its curves and its log. Its state is `state_panel`'s."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import partial

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from molfun.data.settings import lower_is_better
from molfun.errors import MolfunError
from molfun.runs.alerts import Alert, find_alerts
from molfun.runs.status import RunStatus
from molfun.runs.store import RunFolder
from molfun.ui import charts, shell, text
from molfun.ui.live_chart import draw_live_chart
from molfun.ui.markers import Marker, read_markers
from molfun.ui.run_curves import USUAL_SMOOTHING, follow, judged_by, read_curves
from molfun.ui.series import best_position, column

REFRESH_SECONDS = 2
LOG_BYTES = 16_384


@dataclass(frozen=True)
class View:
    """How curves are shown; chosen outside the refreshing panel, so that a refresh never resets it."""

    smoothing: float
    log_scale: bool


def told_smoothing() -> float:
    """Return the smoothing that the address tells, 0.8 without one."""
    try:
        told = float(shell.query("smoothing"))
    except ValueError:
        return USUAL_SMOOTHING
    return min(max(told, 0.0), 0.99) if math.isfinite(told) else USUAL_SMOOTHING


def interval(status: RunStatus) -> float | None:
    """Return seconds between refreshes, None for a run that will not change."""
    return None if status.is_over else REFRESH_SECONDS


def kept_epoch(epochs: pd.DataFrame, monitor: str) -> dict[str, float]:
    """Return the row of the epoch whose weights are kept, with the best `monitor`; empty before there is one."""
    kept = best_position(column(epochs, monitor), lower_is_better=lower_is_better(monitor))
    return {} if kept is None else {str(name): float(value) for name, value in epochs.iloc[kept].items()}


def kept_note(monitor: str) -> str:
    """Return which epoch's weights are kept, in words."""
    if monitor == "val_loss":
        return "The lowest so far; the weights of its epoch are kept."
    which = "lowest" if lower_is_better(monitor) else "highest"
    return f"Of the epoch with the {which} {text.metric_inline(monitor)} so far, whose weights are kept."


def draw_curves(folder: RunFolder, status: RunStatus, view: View) -> None:
    """Draw the curves, refreshing."""
    st.fragment(_curves, run_every=interval(status))(folder, view)


def _curves(folder: RunFolder, view: View) -> None:
    steps, epochs = read_curves(folder)
    if not len(steps):
        with st.container(border=True, height=220, horizontal_alignment="center", vertical_alignment="center"):
            st.markdown(":gray[:material/show_chart: Curves appear with the first step.]", width="content")
        return
    alerts = read_alerts(folder, epochs)
    draw_alerts(folder, alerts)
    markers = sorted([*read_markers(folder), *(Marker(alert.step, alert.kind) for alert in alerts if alert.step)],
                     key=lambda marker: marker.step)  # fmt: skip
    stamp = (steps.version, len(steps))
    bound, (metric, monitor) = _gradient_bound(folder), judged_by(folder)
    draw = partial(_draw, folder, view)
    with st.container(border=True):
        draw(
            "loss", "Training and validation loss over steps", (*stamp, len(epochs), *markers, view.smoothing),
            lambda within: charts.add_markers(
                charts.loss_figure(steps, epochs, smoothing=view.smoothing, log_scale=view.log_scale, within=within),
                markers,
            ),
        )  # fmt: skip
    left, right = st.columns(2)
    with left, st.container(border=True):
        draw(
            "metric", f"Validation {metric} over epochs", (*stamp[:1], len(epochs), metric, monitor),
            lambda within: charts.metric_figure(epochs, metric, monitor=monitor),
        )  # fmt: skip
    with right, st.container(border=True):
        draw(
            "lr", "Learning rate of each group over steps", (*stamp, *markers),
            lambda within: charts.add_markers(charts.learning_rate_figure(steps, within=within), markers),
        )  # fmt: skip
    left, right = st.columns(2)
    with left, st.container(border=True):
        draw(
            "gradient", "Norm of the gradient over steps, with the bound at which it is cut", (*stamp, bound),
            lambda within: charts.gradient_figure(steps, bound=bound, within=within),
        )  # fmt: skip
    with right, st.container(border=True):
        draw("speed", "Tokens a second over steps", stamp, lambda within: charts.speed_figure(steps, within=within))
    if not charts.MACHINE.isdisjoint(steps.names):
        left, right = st.columns(2)
        with left, st.container(border=True):
            draw(
                "busy", "Cores and GPU at work over steps", stamp,
                lambda within: charts.machine_figure(steps, "busy", within=within),
            )  # fmt: skip
        with right, st.container(border=True):
            draw(
                "memory", "Memory in use over steps", stamp,
                lambda within: charts.machine_figure(steps, "memory", within=within),
            )  # fmt: skip


def _gradient_bound(folder: RunFolder) -> float:
    try:
        return folder.spec.strategy.grad_clip
    except MolfunError:
        return 0.0


def read_alerts(folder: RunFolder, epochs: pd.DataFrame) -> list[Alert]:
    """Return what the curves of a run say; nothing where its settings cannot be read."""
    curves, _ = follow(folder.metrics_path)
    try:
        return curves.judge(partial(find_alerts, spec=folder.spec), epochs)
    except MolfunError:
        return []


def draw_alerts(folder: RunFolder, alerts: Sequence[Alert]) -> None:
    """Say what the curves say, each with a new run that has the cure."""
    for alert in alerts:
        st.warning(shell.sentence(alert.sentence), icon=":material/troubleshoot:")
        if alert.changes:
            st.page_link(
                shell.NEW_RUN, label="New run with the fix", icon=":material/build:",
                query_params={"from": folder.id, **{f"set.{path}": value for path, value in alert.changes.items()}},
            )  # fmt: skip


def _draw(
    folder: RunFolder, view: View, name: str, alt: str, stamp: tuple[Hashable, ...],
    build: Callable[[Sequence[float]], go.Figure],
) -> None:  # fmt: skip
    # A change of the axis must not keep the zoom of the other one.
    draw_live_chart(build, key=f"live.{name}", stamp=stamp, revision=f"{folder.id} {view.log_scale}", alt=alt)


def draw_log(folder: RunFolder, status: RunStatus) -> None:
    """Draw the end of the log, refreshing."""
    st.fragment(_log, run_every=interval(status))(folder)


def _log(folder: RunFolder) -> None:
    tail = folder.log_tail(LOG_BYTES)
    with st.container(key="log_tail"):
        st.code(tail or "The log is empty so far.", language=None, wrap_lines=True)
