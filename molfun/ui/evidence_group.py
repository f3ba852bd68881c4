"""The report of several runs as one HTML file: what they share, where they differ, and each of them in short."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from molfun.errors import SettingError
from molfun.runs.bundle import Evidence
from molfun.runs.comparison import differing_settings
from molfun.runs.disclosure import Disclosure
from molfun.runs.evidence import home_of
from molfun.runs.methods import group_paragraph, own_paragraph, shared_sentences
from molfun.runs.secrets import secret_values
from molfun.runs.spec import RunSpec
from molfun.ui import compared_scores, evidence_figures
from molfun.ui.compared import Chosen, View, chosen_of, common_metrics, curve_figures
from molfun.ui.evidence_page import (
    LEFT_OUT,
    add_figures,
    add_files,
    add_methods,
    add_settings,
    add_summary,
    facts_title,
    footer,
    plain_words,
)
from molfun.ui.html_page import Page
from molfun.ui.run_curves import USUAL_SMOOTHING


def group_page(runs: Sequence[Evidence], view: View | None = None, baseline: str = "") -> str:
    """Return the report of several runs.

    Args:
        runs: Two or more.
        view: How curves are shown; None is over steps, with the usual metric.
        baseline: Id of the run to which the others are compared; "" for none.
    """
    page, chosen = Page(f"Comparison of {len(runs)} runs"), _chosen(runs)
    view = view or View("step", common_metrics(chosen)[0], USUAL_SMOOTHING, log_scale=False, is_clipped=False)
    page.say(plain_words(compared_scores.conclusion(chosen)), kind="lead")
    page.section("Methods")
    add_methods(page, group_methods(runs))
    page.section("Curves")
    add_figures(page, curve_figures(chosen, view))
    page.section("Scores")
    add_figures(page, _score_figures(chosen))
    against = next((one for one in chosen if one.folder.id == baseline), None)
    page.table(_in_words(compared_scores.scores_table(chosen, against)))
    page.say(compared_scores.INTERVALS, kind="note")
    page.section("Settings that differ")
    page.table(_differing(runs).reset_index(names="Setting"))
    page.section("Each run")
    page.say(LEFT_OUT, kind="note")
    shared = shared_sentences([one.facts for one in runs])
    for one in runs:
        _add_run(page, one, shared)
    add_files(page, runs)
    return page.html(footer(runs), secret_values(os.environ))


def _in_words(table: pd.DataFrame) -> pd.DataFrame:
    """Return scores with their numbers as the app shows them."""
    words = {name: [form.format(value) if np.isfinite(value) else "–" for value in table[name]]
             for name, form in compared_scores.FORMATS.items()}  # fmt: skip
    return table.assign(**words)


def group_methods(runs: Sequence[Evidence]) -> str:
    """Return what several runs have in common, and where they differ, as one paragraph."""
    return group_paragraph([one.facts for one in runs], _differing(runs))


def _chosen(runs: Sequence[Evidence]) -> list[Chosen]:
    """Return runs as they are drawn, under titles that may be handed on."""
    folders, disclosure = {one.folder.id: one.folder for one in runs}, Disclosure(home_of(runs[0].folder))
    return [replace(one, title=disclosure.text(one.title)) for one in chosen_of(folders, list(folders))]


def _differing(runs: Sequence[Evidence]) -> pd.DataFrame:
    """Return the settings in which runs differ, as they may be handed on; a run without readable ones is left out."""
    specs = {}
    for one, title in zip(runs, (chosen.title for chosen in _chosen(runs)), strict=True):
        if one.facts["settings"] is not None:
            try:
                specs[title] = RunSpec.parse(one.facts["settings"])
            except SettingError:  # what was left out has no place in a setting of its kind
                specs[title] = one.folder.spec
    return differing_settings(specs)


def _score_figures(chosen: Sequence[Chosen]) -> dict[str, go.Figure]:
    metrics = {str(one.row["metric"]) for one in chosen if np.isfinite(one.row["test"])}
    if len(metrics) != 1:
        return {}
    metric = metrics.pop()
    found = {"Test score of every run with its 95 % interval": compared_scores.score_bars(chosen, metric)}
    for against, cost in compared_scores.COSTS.items():
        alt = f"Test score against {cost[0].lower()}{cost[1:]}"
        found[alt] = compared_scores.trade_off(chosen, metric, against)
    return found


def _add_run(page: Page, evidence: Evidence, shared: Sequence[str]) -> None:
    page.heading(facts_title(evidence.facts))
    add_summary(page, evidence)
    page.say(own_paragraph(evidence.facts, shared))
    page.table(evidence_figures.score_table(evidence.facts))
    page.table(evidence_figures.baseline_table(evidence.facts))
    page.table(evidence_figures.part_table(evidence.facts))
    add_settings(page, evidence)
