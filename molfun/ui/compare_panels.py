"""Runs over each other on screen: which ones, how they are shown, and their curves. Scores are `compare_scores`'."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import plotly.graph_objects as go
import streamlit as st

from molfun.runs.notes import tags_of
from molfun.runs.status import run_status
from molfun.runs.store import RunFolder
from molfun.ui import panels, shell, text, theme
from molfun.ui.compare_charts import AXES
from molfun.ui.compared import BUT, Chosen, View, chosen_of, curves_of, figures_of
from molfun.ui.live_chart import draw_live_chart
from molfun.ui.run_curves import USUAL_SMOOTHING

MAX_RUNS = 56  # as many as there are looks of a line


def known_runs() -> dict[str, RunFolder]:
    """Return all runs, by id, the newest first; those that wait too, whose curves are still to come."""
    return {folder.id: folder for folder in shell.store().list()}


def told_runs(known: Mapping[str, RunFolder]) -> list[str]:
    """Return the runs that the address names, one by one or by a tag, and that are there."""
    if shell.query("tag") and not shell.query("runs"):
        return [run_id for run_id in reversed(list(known)) if shell.query("tag") in tags_of(known[run_id])][:MAX_RUNS]
    return [run_id for run_id in dict.fromkeys(shell.query("runs").split(",")) if run_id in known][:MAX_RUNS]


def draw_choice(known: Mapping[str, RunFolder]) -> list[Chosen]:
    """Draw which runs are compared; they stand in the address."""
    ids = st.multiselect(
        "Runs", list(known), default=told_runs(known), key="compare.runs", max_selections=MAX_RUNS,
        format_func=lambda run_id: shell.run_line(known[run_id]), placeholder="Choose two or more",
        help="Ticked rows of the page Runs can be compared too.",
    )  # fmt: skip
    return chosen_of(known, ids)


def draw_view(metrics: Sequence[str], settings: Sequence[str]) -> View:
    """Draw how curves are shown; what differs from the usual stands in the address.

    Args:
        metrics: Validation columns to choose from, the usual one first.
        settings: By which runs can be grouped.
    """
    axes, told_axis, told_metric = list(AXES), shell.query("x"), shell.query("metric")
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        axis = st.segmented_control(
            "Along", axes, default=told_axis if told_axis in axes else "step", required=True, key="compare.axis",
            format_func=AXES.__getitem__, help="Rows seen is fair where batch sizes differ.",
        )  # fmt: skip
        metric = st.selectbox(
            "Validation metric", list(metrics), index=list(metrics).index(told_metric) if told_metric in metrics else 0,
            key=f"compare.metric.{'|'.join(metrics)}", format_func=text.metric_title, width=220,
        )  # fmt: skip
        smoothing = st.slider(
            "Smoothing", 0.0, 0.99, panels.told_smoothing(), 0.01, key="compare.smoothing", width=200,
            help="Weight of the moving average over the training loss; it is free of the bias of its first steps.",
        )  # fmt: skip
        told_group = shell.query("group")
        group_by = st.selectbox(
            "Group by", list(settings), index=list(settings).index(told_group) if told_group in settings else None,
            key=f"compare.group.{'|'.join(settings)}", placeholder="Nothing", width=220, disabled=not settings,
            format_func=lambda name: BUT.get(name, name),
            help="Draws the mean and the range of runs that have the same value: seeds of one strategy, for example.",
        )  # fmt: skip
        log_scale = st.toggle("Log scale", value=shell.query("log") == "1", key="compare.log")
        is_clipped = st.toggle(
            "Clip outliers", value=shell.query("clip") == "1", key="compare.clip",
            help="The highest percent of the training losses may leave the chart.",
        )  # fmt: skip
    shell.keep_in_address(
        {
            "x": axis if axis != "step" else None, "metric": metric if metric != metrics[0] else None,
            "smoothing": f"{smoothing:g}" if smoothing != USUAL_SMOOTHING else None,
            "log": "1" if log_scale else None, "clip": "1" if is_clipped else None, "group": group_by,
        }
    )  # fmt: skip
    return View(axis, str(metric), smoothing, log_scale, is_clipped, group_by or "")


def draw_curves(chosen: Sequence[Chosen], view: View) -> None:
    """Draw the curves, refreshing while one of the runs is at work."""
    is_over = all(run_status(one.folder).is_over for one in chosen)
    st.fragment(_curves, run_every=None if is_over else panels.REFRESH_SECONDS)(chosen, view)


def _curves(chosen: Sequence[Chosen], view: View) -> None:
    runs = [curves_of(one) for one in chosen]
    draw_states(chosen)
    revision = f"{view.axis} {view.log_scale} {view.is_clipped} {view.group_by}"
    stamp = (
        view,
        *((run.id, run.title, run.color, run.steps.version, len(run.steps), len(run.epochs)) for run in runs),
    )
    for key, (alt, build) in figures_of(runs, chosen, view).items():
        with st.container(border=True):
            draw_live_chart(
                _whatever_is_looked_at(build), key=f"compare.{key}", stamp=stamp, alt=alt,
                revision=f"{revision} {view.metric}" if key == "validation" else revision,
            )  # fmt: skip


def _whatever_is_looked_at(build: Callable[[], go.Figure]) -> Callable[[Sequence[float]], go.Figure]:
    """Return how a figure is built that has no detail to add to a stretch."""
    return lambda within: build()


def draw_states(chosen: Sequence[Chosen]) -> None:
    """Draw the state of every run in its colour's order, each a link; draw the page anew once one has ended."""
    found = {one.folder.id: run_status(one.folder) for one in chosen}
    key = "compare.over." + "|".join(found)
    over = sorted(run_id for run_id, status in found.items() if status.is_over)
    if st.session_state.setdefault(key, over) != over:
        st.session_state[key] = over
        st.rerun()  # there may be a score now
    if len(over) == len(chosen):
        return
    with st.container(horizontal=True, gap="medium"):
        for one in chosen:
            status = found[one.folder.id]
            percent = "" if status.progress is None or status.is_over else f" · {status.progress:.0%}"
            st.page_link(
                shell.LIVE, label=f"{shell.plain(one.title)}{percent}", query_params={"run": one.folder.id},
                icon=theme.status_look(shell.shown_state(status)).icon,
            )  # fmt: skip
