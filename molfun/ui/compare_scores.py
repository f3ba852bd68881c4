"""Scores of runs beside each other on screen: with uncertainty, against a baseline run, against what they cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from molfun.data.exports import to_csv
from molfun.runs.comparison import differing_settings
from molfun.ui import compare_charts, shell, text
from molfun.ui.compared import Chosen, View, groups_of, specs_of
from molfun.ui.compared_scores import COSTS, FORMATS, INTERVALS, conclusion, score_bars, scores_table, trade_off
from molfun.ui.live_chart import CONFIG

FEWEST_LINES = 3


def draw_scores(chosen: Sequence[Chosen], view: View) -> None:
    """Draw the test scores with their intervals, differences to a baseline run, and the trade-off against cost."""
    metrics = {str(one.row["metric"]) for one in chosen if np.isfinite(one.row["test"])}
    if not metrics:
        st.caption("None of these runs has a test score yet.")
        return
    if len(metrics) > 1:
        st.warning("These runs are judged by different metrics, so their scores cannot be compared.")
    baseline = draw_baseline(chosen)
    table = scores_table(chosen, baseline)
    _draw_table(table, [one.folder.id for one in chosen])
    st.caption(f"Best validation: of the epoch whose weights were kept. {INTERVALS}")
    draw_groups(chosen, view.group_by)
    if sentence := conclusion(chosen):
        st.markdown(sentence)
    if len(metrics) == 1:
        _draw_pictures(chosen, metrics.pop())
    st.download_button(
        "Download the table", to_csv(table), file_name="comparison.csv", mime="text/csv",
        icon=":material/download:", on_click="ignore",
    )  # fmt: skip


def _draw_table(table: pd.DataFrame, ids: Sequence[str]) -> None:
    """Draw the scores, and what can be done with the rows that are ticked."""
    event: Any = st.dataframe(
        table.style.format(FORMATS, na_rep="–"), hide_index=True, placeholder="–", on_select="rerun",
        selection_mode="multi-row", key=f"compare.scores.{'|'.join(ids)}",
        alt="Test scores, differences and costs of the runs",
    )  # fmt: skip
    ticked = [ids[row] for row in event["selection"]["rows"]]
    if not ticked:
        return
    others = [run_id for run_id in ids if run_id not in ticked]
    with st.container(horizontal=True):
        for label, kept in (("Only the ticked", ticked), ("Without the ticked", others)):
            st.button(
                label, key=f"compare.{label}", disabled=not kept or not others, on_click=_keep, args=(kept,),
                icon=":material/filter_alt:" if kept is ticked else ":material/filter_alt_off:",
            )  # fmt: skip


def _keep(ids: Sequence[str]) -> None:
    st.session_state["compare.runs"] = list(ids)


def draw_baseline(chosen: Sequence[Chosen]) -> Chosen | None:
    """Draw the run to which the others are compared; it stands in the address."""
    ids = [one.folder.id for one in chosen]
    told = shell.query("baseline")
    titles = {one.folder.id: one.title for one in chosen}
    picked = st.selectbox(
        "Baseline", ids, index=ids.index(told) if told in ids else None, format_func=titles.__getitem__,
        key=f"compare.baseline.{'|'.join(ids)}", placeholder="None", width=420,
        help="The table then tells how much better or worse the others are, and whether that is more than chance.",
    )  # fmt: skip
    shell.keep_in_address({"baseline": picked})
    return next((one for one in chosen if one.folder.id == picked), None)


def _draw_pictures(chosen: Sequence[Chosen], metric: str) -> None:
    left, right = st.columns(2)
    with left, st.container(border=True, height="stretch"):
        figure = score_bars(chosen, metric)
        st.plotly_chart(figure, key="compare.scores", config=CONFIG, alt="Test score of every run with its interval")
    with right, st.container(border=True, height="stretch"):
        told = shell.query("against")
        against = st.segmented_control(
            "Against", list(COSTS), default=told if told in COSTS else "trainable", required=True,
            key="compare.against", format_func=COSTS.__getitem__,
            help="Ringed runs are not beaten: no other one scores higher and costs no more.",
        )  # fmt: skip
        shell.keep_in_address({"against": against if against != "trainable" else None})
        alt = "Test score of every run against its cost"
        st.plotly_chart(trade_off(chosen, metric, against), key=f"compare.{against}", config=CONFIG, alt=alt)
    scores = {one.title: float(one.row["test"]) for one in chosen if np.isfinite(one.row["test"])}
    settings = differing_settings(specs_of(chosen))
    if len(scores) >= FEWEST_LINES and not settings.empty:
        with st.expander("Settings and score, a line a run", icon=":material/stacked_line_chart:"):
            figure = compare_charts.parallel_figure(settings, scores, metric=text.metric_inline(metric))
            alt = "One line a run through its settings to its test score"
            st.plotly_chart(figure, key="compare.parallel", config=CONFIG, alt=alt)


def draw_groups(chosen: Sequence[Chosen], setting: str) -> None:
    """Draw the mean test score of every group and its spread over its runs; nothing where runs are not grouped."""
    groups = groups_of(chosen, setting)
    if not groups:
        return
    scores = pd.DataFrame(
        [{"Group": groups[one.folder.id], "Test": one.row["test"]} for one in chosen if np.isfinite(one.row["test"])]
    )
    if scores.empty:
        return
    grouped = scores.groupby("Group", sort=False)["Test"]
    table = grouped.agg(Runs="count", Mean="mean", Spread="std", Lowest="min", Highest="max").reset_index()
    st.dataframe(
        table.style.format(dict.fromkeys(("Mean", "Spread", "Lowest", "Highest"), "{:.3f}"), na_rep="–"),
        hide_index=True, width="content", alt="Test scores by group", placeholder="–",
    )  # fmt: skip
    st.caption(
        "Spread: the standard deviation over the runs of a group; one run has none. Over seeds it tells what chance in "
        "training does (the order of rows, new weights, dropout) on this one split; over folds it tells what the "
        "choice of rows does as well."
    )


def draw_settings(chosen: Sequence[Chosen]) -> None:
    """Draw the settings in which the runs differ."""
    specs = specs_of(chosen)
    table = differing_settings(specs)
    for title in (one.title for one in chosen if one.title not in specs):
        st.caption(f"The settings of {shell.plain(title)} cannot be read.")
    if table.empty:
        st.caption("These runs have the same settings.")
        return
    st.dataframe(table, alt="Settings in which the runs differ")
