"""Panels that refresh themselves while a run is alive: its state, its curves, its log."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from molfun.data.settings import PRIMARY_METRIC, lower_is_better
from molfun.errors import MolfunError
from molfun.runs.spec import RunSpec
from molfun.runs.status import RunStatus, run_status
from molfun.runs.store import RunFolder
from molfun.tracking.reader import MetricsReader
from molfun.ui import charts, shell, text
from molfun.ui.live_chart import draw_live_chart
from molfun.ui.series import best_position, column

REFRESH_SECONDS = 2
LOG_BYTES = 16_384


@dataclass(frozen=True)
class View:
    """How curves are shown; chosen outside the refreshing panel, so that a refresh never resets it."""

    smoothing: float
    log_scale: bool


@st.cache_resource(max_entries=64, show_spinner=False)
def metrics_reader(path: Path) -> MetricsReader:
    """Return the one reader of a metrics file in this process; every tab shares it, so new bytes are read once."""
    return MetricsReader(path)


def read_curves(folder: RunFolder) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return (steps, epochs) of a run, up to date."""
    reader = metrics_reader(folder.metrics_path)
    reader.poll()
    return reader.steps, reader.epochs


def interval(status: RunStatus) -> float | None:
    """Return seconds between refreshes, None for a run that will not change."""
    return REFRESH_SECONDS if status.alive else None


def draw_state(folder: RunFolder, status: RunStatus) -> None:
    """Draw badge, cause, progress and numbers, refreshing; when the run ends, the whole page is drawn anew."""
    st.fragment(_state, run_every=interval(status))(folder, status.alive)


def _state(folder: RunFolder, was_alive: bool) -> None:
    status = run_status(folder)
    if was_alive and not status.alive:
        st.rerun()
    state = folder.read_state()
    with st.container(horizontal=True, vertical_alignment="center"):
        shell.status_badge(status.status)
        st.markdown(f":gray[{_since(status)}]")
    if status.cause:
        show = st.error if status.status in ("failed", "lost") else st.info
        show(status.cause, icon=":material/error:" if status.status in ("failed", "lost") else ":material/info:")
    st.progress(_progress(status), text=_progress_text(status, state))
    _draw_numbers(folder, state)


def _progress(status: RunStatus) -> float:
    if status.status == "finished":
        return 1.0
    return min(1.0, max(0.0, status.progress or 0.0))


def _progress_text(status: RunStatus, state: dict[str, object]) -> str:
    if status.status in ("queued", "starting"):
        return "Loading the model and the data"
    step, total = state.get("step"), state.get("total_steps")
    if not isinstance(step, (int, float)) or not isinstance(total, (int, float)):
        return ""
    left = "" if status.seconds_left is None or not status.alive else f" · {text.duration(status.seconds_left)} left"
    return f"Step {step:,.0f} of {total:,.0f}{left}"


def _since(status: RunStatus) -> str:
    if status.started is None:
        return ""
    if status.ended is not None:
        return f"{text.moment(status.started)} · took {text.duration(status.ended - status.started)}"
    return f"started {text.ago(status.started)}"


def _draw_numbers(folder: RunFolder, state: dict[str, object]) -> None:
    steps, epochs = read_curves(folder)
    metric, monitor = judged_by(folder)
    kept = kept_epoch(epochs, monitor)
    score = text.number(kept.get(f"val_{metric}"))
    numbers = [
        ("Epoch", f"{_whole(state.get('epoch'))} / {_whole(state.get('epochs'))}", "Passes over the training rows."),
        ("Training loss", text.number(_last(steps, "loss")), "Of the last step."),
        ("Validation loss", text.number(kept.get("val_loss")), kept_note(monitor)),
        (
            text.metric_title(metric).removesuffix(" correlation"),
            score,
            "On the validation rows, with the weights that are kept.",
        ),
        ("Tokens per second", _throughput(steps), "Residues and special tokens, over the last 20 steps."),
    ]
    with st.container(horizontal=True, gap="small"):
        for label, value, note in numbers:
            st.metric(label, value, help=note, width=148)


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


def judged_by(folder: RunFolder) -> tuple[str, str]:
    """Return the metric by which people judge the task of a run, and what the run chooses its best epoch by.

    Those of a run whose spec cannot be read are "spearman" and "val_loss".
    """
    try:
        spec = folder.spec
    except MolfunError:
        spec = RunSpec()
    task = spec.data.columns.task if spec.data.columns else "regression"
    return PRIMARY_METRIC[task], spec.strategy.monitor


def draw_curves(folder: RunFolder, status: RunStatus, view: View) -> None:
    """Draw the curves, refreshing."""
    st.fragment(_curves, run_every=interval(status))(folder, view)


def _curves(folder: RunFolder, view: View) -> None:
    steps, epochs = read_curves(folder)
    if steps.empty:
        with st.container(border=True, height=220, horizontal_alignment="center", vertical_alignment="center"):
            st.markdown(":gray[:material/show_chart: Curves appear with the first step.]", width="content")
        return
    figure = charts.loss_figure(steps, epochs, smoothing=view.smoothing, log_scale=view.log_scale)
    with st.container(border=True):
        _draw(figure, folder, "loss", "Training and validation loss over steps", view)
    left, right = st.columns(2)
    with left, st.container(border=True):
        metric, monitor = judged_by(folder)
        figure = charts.metric_figure(epochs, metric, monitor=monitor)
        _draw(figure, folder, "metric", f"Validation {metric} over epochs", view)
    with right, st.container(border=True):
        figure = charts.learning_rate_figure(steps)
        _draw(figure, folder, "lr", "Learning rate of each group over steps", view)


def _draw(figure: go.Figure, folder: RunFolder, name: str, alt: str, view: View) -> None:
    # A change of the axis must not keep the zoom of the other one.
    draw_live_chart(figure, key=f"live.{name}", revision=f"{folder.id} {view.log_scale}", alt=alt)


def draw_log(folder: RunFolder, status: RunStatus) -> None:
    """Draw the end of the log, refreshing."""
    st.fragment(_log, run_every=interval(status))(folder)


def _log(folder: RunFolder) -> None:
    tail = folder.log_tail(LOG_BYTES)
    with st.container(key="log_tail"):
        st.code(tail or "The log is empty so far.", language=None, wrap_lines=True)


def _whole(value: object) -> str:
    return f"{value:,.0f}" if isinstance(value, (int, float)) else "–"


def _last(frame: pd.DataFrame, name: str) -> float | None:
    return None if frame.empty or name not in frame.columns else float(frame[name].iloc[-1])


def _throughput(steps: pd.DataFrame) -> str:
    if "tokens_per_second" not in steps.columns or steps.empty:
        return "–"
    return text.short_count(float(steps["tokens_per_second"].tail(20).mean()))
