"""Runs over each other on screen: which ones, how they are shown, and their curves. Scores are `compare_scores`'."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from molfun.errors import MolfunError
from molfun.runs.advice import schedule
from molfun.runs.comparison import SEED, differing_settings, name_groups, value_title
from molfun.runs.cross_validation import arms_of
from molfun.runs.history import summarise
from molfun.runs.notes import tags_of
from molfun.runs.spec import RunSpec
from molfun.runs.status import run_status
from molfun.runs.store import RunFolder
from molfun.ui import compare_charts, panels, shell, text, theme
from molfun.ui.compare_charts import AXES, Curves
from molfun.ui.live_chart import draw_live_chart

MAX_RUNS = 56  # as many as there are looks of a line
BUT_SEED = "but_seed"  # groups runs that are alike but for the seed
BUT_FOLD = "but_fold"  # groups runs that are alike but for the seed and the rows that they test
BUT = {BUT_SEED: "All but the seed", BUT_FOLD: "All but fold and seed"}


@dataclass(frozen=True)
class View:
    """How curves are shown."""

    axis: str
    metric: str
    smoothing: float
    log_scale: bool
    is_clipped: bool
    group_by: str = ""


@dataclass(frozen=True)
class Chosen:
    """One run that is compared."""

    folder: RunFolder
    title: str
    color: str
    dash: str
    row: Mapping[str, Any]


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
        format_func=lambda run_id: f"{known[run_id].title} · {run_id[-4:]}", placeholder="Choose two or more",
        help="Ticked rows of the page Runs can be compared too.",
    )  # fmt: skip
    return chosen_of(known, ids)


def chosen_of(known: Mapping[str, RunFolder], ids: Sequence[str]) -> list[Chosen]:
    """Return runs as they are shown; a run keeps its look whatever is beside it: its number among all runs decides."""
    folders = [known[run_id] for run_id in ids]
    places = {run_id: place for place, run_id in enumerate(sorted(known))}  # of runs of versions without numbers
    places |= {folder.id: number for folder in folders if (number := folder.read_state().get("number")) is not None}
    titles = distinct_titles(folders)
    return [
        Chosen(folder, title, *compare_charts.look(places[folder.id]), summarise(folder))
        for folder, title in zip(folders, titles, strict=True)
    ]


def distinct_titles(folders: Sequence[RunFolder]) -> list[str]:
    """Return what runs are called beside each other: without what all share, with an id where they are alike."""
    titles = short_titles([folder.title for folder in folders])
    return [
        title if titles.count(title) == 1 else f"{title} ({folder.id[-4:]})"
        for title, folder in zip(titles, folders, strict=True)
    ]


def short_titles(titles: Sequence[str]) -> list[str]:
    """Return titles without the words between commas that all of them have.

    >>> short_titles(["GB1, LoRA, ESM-2 8 M", "GB1, Full, ESM-2 8 M"]), short_titles(["GB1, LoRA", "GB1, LoRA"])
    (['LoRA', 'Full'], ['GB1, LoRA', 'GB1, LoRA'])
    """
    parts = [title.split(", ") for title in titles]
    common = set(parts[0]).intersection(*parts) if len(parts) > 1 else set()
    kept = [", ".join(part for part in own if part not in common) for own in parts]
    return kept if all(kept) else list(titles)


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
            "smoothing": f"{smoothing:g}" if smoothing != panels.USUAL_SMOOTHING else None,
            "log": "1" if log_scale else None, "clip": "1" if is_clipped else None, "group": group_by,
        }
    )  # fmt: skip
    return View(axis, str(metric), smoothing, log_scale, is_clipped, group_by or "")


def common_metrics(chosen: Sequence[Chosen]) -> list[str]:
    """Return the validation columns that any of the runs has, the task's metric first."""
    found: dict[str, None] = {}
    for one in chosen:
        found.setdefault(f"val_{one.row['metric']}" if one.row["metric"] else "val_loss")
        _, epochs = panels.read_curves(one.folder)
        found |= dict.fromkeys(str(name) for name in epochs.columns if str(name).startswith("val_"))
    return [name for name in found if name != "val_"] or ["val_loss"]


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
    for key, (alt, build) in _figures(runs, chosen, view).items():
        with st.container(border=True):
            draw_live_chart(
                _whatever_is_looked_at(build), key=f"compare.{key}", stamp=stamp, alt=alt,
                revision=f"{revision} {view.metric}" if key == "validation" else revision,
            )  # fmt: skip


def _whatever_is_looked_at(build: Callable[[], go.Figure]) -> Callable[[Sequence[float]], go.Figure]:
    """Return how a figure is built that has no detail to add to a stretch."""
    return lambda within: build()


def _figures(
    runs: Sequence[Curves], chosen: Sequence[Chosen], view: View
) -> dict[str, tuple[str, Callable[[], go.Figure]]]:
    """Return what each figure of the curves shows, and how it is built."""
    groups = groups_of(chosen, view.group_by)
    common: dict[str, Any] = {"axis": view.axis, "log_scale": view.log_scale, "groups": groups}
    validation = partial(compare_charts.validation_figure, runs, view.metric, **common)
    training = partial(
        compare_charts.training_figure, runs, smoothing=view.smoothing, is_clipped=view.is_clipped, **common
    )
    return {
        "validation": (f"{text.metric_title(view.metric)} of every run on the validation rows", validation),
        "training": ("Training loss of every run, smoothed", training),
    }


def curve_figures(chosen: Sequence[Chosen], view: View) -> dict[str, go.Figure]:
    """Return the figures of the curves by what they show."""
    figures = _figures([curves_of(one) for one in chosen], chosen, view)
    return {alt: build() for alt, build in figures.values()}


def specs_of(chosen: Sequence[Chosen]) -> dict[str, RunSpec]:
    """Return the settings of runs by title; those that cannot be read are left out."""
    specs = {}
    for one in chosen:
        with suppress(MolfunError):
            specs[one.title] = one.folder.spec
    return specs


def group_names(chosen: Sequence[Chosen]) -> list[str]:
    """Return by what runs can be grouped: settings of which some runs have the same value, and all but the seed."""
    table = differing_settings(specs_of(chosen))
    names = [str(name) for name, values in table.iterrows() if len(set(values)) < len(values)]
    others = table.drop(index=SEED, errors="ignore")
    has_repeats = SEED in table.index and len(others) > 0 and bool(others.T.duplicated().any())
    folds = [BUT_FOLD] if arms_of([one.folder for one in chosen]) else []
    return [*folds, *([BUT_SEED] if has_repeats else []), *names]


def groups_of(chosen: Sequence[Chosen], setting: str) -> dict[str, str] | None:
    """Return the group of every run by its id, None where they are not grouped."""
    table = differing_settings(specs_of(chosen))
    if setting == BUT_SEED:
        named = name_groups(table.drop(index=SEED, errors="ignore"))
        return {one.folder.id: named.get(one.title, "alike") for one in chosen}
    if setting == BUT_FOLD:
        arms = arms_of([one.folder for one in chosen])
        return {one.folder.id: arms.get(one.folder.id, one.title) for one in chosen} if arms else None
    if setting not in table.index:
        return None
    values = table.loc[setting].to_dict()
    return {one.folder.id: value_title(setting, str(values.get(one.title, ""))) for one in chosen}


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


def curves_of(one: Chosen) -> Curves:
    """Return what is drawn of a run."""
    steps, epochs = panels.read_curves(one.folder)
    return Curves(one.folder.id, one.title, steps, epochs, rows_a_step(one.folder), one.color, one.dash)


def rows_a_step(folder: RunFolder) -> int:
    """Return how many training rows make one optimiser step, 1 where that is not known."""
    try:
        spec = folder.spec
    except MolfunError:
        return 1
    rows = folder.read_state().get("num_train") or spec.training.batch_size
    return schedule(spec, int(rows)).effective_batch
