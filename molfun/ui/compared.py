"""Runs that are compared: what they are called, how they are grouped, and the figures of their curves. No streamlit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import plotly.graph_objects as go

from molfun.errors import MolfunError
from molfun.runs.advice import schedule
from molfun.runs.comparison import SEED, differing_settings, name_groups, value_title
from molfun.runs.cross_validation import arms_of
from molfun.runs.history import summarise
from molfun.runs.spec import RunSpec
from molfun.runs.store import RunFolder
from molfun.ui import compare_charts, text
from molfun.ui.compare_charts import Curves
from molfun.ui.run_curves import read_curves

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


def common_metrics(chosen: Sequence[Chosen]) -> list[str]:
    """Return the validation columns that any of the runs has, the task's metric first."""
    found: dict[str, None] = {}
    for one in chosen:
        found.setdefault(f"val_{one.row['metric']}" if one.row["metric"] else "val_loss")
        _, epochs = read_curves(one.folder)
        found |= dict.fromkeys(str(name) for name in epochs.columns if str(name).startswith("val_"))
    return [name for name in found if name != "val_"] or ["val_loss"]


def figures_of(
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
    figures = figures_of([curves_of(one) for one in chosen], chosen, view)
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


def curves_of(one: Chosen) -> Curves:
    """Return what is drawn of a run."""
    steps, epochs = read_curves(one.folder)
    return Curves(one.folder.id, one.title, steps, epochs, rows_a_step(one.folder), one.color, one.dash)


def rows_a_step(folder: RunFolder) -> int:
    """Return how many training rows make one optimiser step, 1 where that is not known."""
    try:
        spec = folder.spec
    except MolfunError:
        return 1
    rows = folder.read_state().get("num_train") or spec.training.batch_size
    return schedule(spec, int(rows)).effective_batch
