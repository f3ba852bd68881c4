"""Scores of runs beside each other on screen: with uncertainty, against a baseline run, against what they cost."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from molfun.data.exports import to_csv
from molfun.data.settings import lower_is_better
from molfun.runs.certainty import read_predictions
from molfun.runs.comparison import differing_settings
from molfun.runs.cross_validation import arms_of
from molfun.runs.resampling import CONFIDENCE, NUM_RESAMPLES, Interval, Resampled, difference_interval, resample
from molfun.runs.store import RunFolder
from molfun.training.catalog import STRATEGIES
from molfun.ui import compare_charts, shell, text
from molfun.ui.compare_panels import Chosen, View, groups_of, specs_of
from molfun.ui.live_chart import CONFIG
from molfun.ui.run_curves import follow

FORMATS = {
    "Test": "{:.3f}", "Best validation": "{:.3f}", "Trains": "{:,.0f}", "Minutes": "{:.1f}",
    "Peak memory (GB)": "{:,.2f}",
}  # fmt: skip
FEWEST_LINES = 3
COSTS = {"trainable": "Parameters that train", "minutes": "Time"}


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
    st.caption(
        "Best validation: of the epoch whose weights were kept. Intervals: 95 %, from 2,000 resamples of the test "
        "rows; differences are paired, on the rows that both runs were tested on. They say nothing of other seeds or "
        "splits."
    )
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


def score_bars(chosen: Sequence[Chosen], metric: str) -> go.Figure:
    """Return the test score of every run with its interval as bars."""
    colors = {one.title: one.color for one in chosen}
    scores = {one.title: score for one in chosen if (score := interval_of(one)) is not None}
    return compare_charts.scores_figure(scores, colors, title=f"Test {text.metric_inline(metric)}")


def trade_off(chosen: Sequence[Chosen], metric: str, against: str) -> go.Figure:
    """Return the test score of every run against what it cost."""
    colors = {one.title: one.color for one in chosen}
    costs = pd.DataFrame([{"title": one.title, "test": one.row["test"], **cost_of(one)} for one in chosen])
    return compare_charts.tradeoff_figure(costs, colors, metric=metric, against=against)


def cost_of(one: Chosen) -> dict[str, float]:
    """Return {"trainable", "minutes"} of a run, NaN where it is not known."""
    trainable = one.folder.read_parameters().get("trainable")
    return {
        "trainable": float(trainable) if isinstance(trainable, int) else float("nan"),
        "minutes": float(one.row["minutes"]),
    }


def peak_memory(one: Chosen) -> float:
    """Return the most that a run held, in GB: what torch held on the GPU, else its whole process; NaN if unknown."""
    _, reader = follow(one.folder.metrics_path)
    steps = reader.steps
    held = next((steps[name] for name in ("sys/gpu_memory", "sys/memory") if name in steps.columns), None)
    return float("nan") if held is None else float(held.max())


def scores_table(chosen: Sequence[Chosen], baseline: Chosen | None) -> pd.DataFrame:
    """Return one row a run: scores with intervals, difference to the baseline, and what it cost."""
    rows = []
    for one in chosen:
        cost, score = cost_of(one), interval_of(one)
        row = {
            "Run": one.title,
            "Strategy": STRATEGIES[one.row["strategy"]].title if one.row["strategy"] in STRATEGIES else "",
            "Metric": text.metric_title(str(one.row["metric"])) if one.row["metric"] else "",
            "Test": one.row["test"],
            "95 % interval": "" if score is None else f"{text.number(score.low)} to {text.number(score.high)}",
        }
        if baseline is not None:
            row["Difference"] = difference_words(one, baseline)
        rows.append(
            {
                **row, "Best validation": one.row["best"], "Trains": cost["trainable"], "Minutes": cost["minutes"],
                "Peak memory (GB)": peak_memory(one),
            }
        )  # fmt: skip
    return pd.DataFrame(rows)


def difference_words(one: Chosen, baseline: Chosen) -> str:
    """Return how much a run differs from the baseline, and whether that is more than chance, in a few words."""
    if one.folder.id == baseline.folder.id:
        return "baseline"
    if not (stamp(one.folder) and stamp(baseline.folder)):
        return ""
    found = difference_of(one, baseline)
    if found is None:
        return "not comparable"
    sure = "" if found.is_clear else ", may be chance"
    return f"{found.value:+.3f} ({found.low:+.3f} to {found.high:+.3f}){sure}"


def conclusion(chosen: Sequence[Chosen]) -> str:
    """Return which run is best, and how sure that is, in one sentence; empty for fewer than two test scores."""
    metric = str(chosen[0].row["metric"])
    scored = [one for one in chosen if np.isfinite(one.row["test"]) and one.row["metric"] == metric]
    if len(scored) < 2 or lower_is_better(metric):
        return ""
    first, *others = sorted(scored, key=lambda one: float(one.row["test"]), reverse=True)
    differences = {one.title: difference_of(first, one) for one in others}
    said = f"**{shell.plain(first.title)}** scores highest ({text.number(first.row['test'])})"
    share = share_ahead(first, others)
    if share is None and arms_of([one.folder for one in chosen]):
        return "These runs are folds and tested different rows: *Cross-validation* says what they make together."
    if share is None or any(found is None for found in differences.values()):
        return f"{said}; not all of these runs were tested on the same rows, so how sure that is cannot be told."
    said += f", and does so in {share:.0%} of {NUM_RESAMPLES:,} resamples of the test rows"
    if share >= CONFIDENCE:
        return f"{said}: more than chance, on this split and seed."
    # Several leads that are clear one by one may not be so together; then the nearest one is in doubt.
    close = [title for title, found in differences.items() if found is not None and not found.is_clear]
    close = close or [others[0].title]
    cheapest = min(
        [first, *(one for one in others if one.title in close)],
        key=lambda one: np.nan_to_num(cost_of(one)["trainable"], nan=np.inf),
    )
    names = ", ".join(shell.plain(title) for title in close)
    return (
        f"{said}: its lead over {names} may be chance. Of these, **{shell.plain(cheapest.title)}** trains the "
        "fewest parameters. More test rows or more seeds would tell them apart."
    )


def interval_of(one: Chosen) -> Interval | None:
    """Return the test score of a run with its interval."""
    found = resampled(one)
    return None if found is None else found.interval()


def difference_of(one: Chosen, other: Chosen) -> Interval | None:
    """Return how much higher one run scores than another, on the test rows that both have."""
    if one.row["metric"] != other.row["metric"]:
        return None
    pair = resampled(one), resampled(other)
    if pair[0] is not None and pair[1] is not None and pair[0].is_paired(pair[1]):
        return pair[0].minus(pair[1])
    stamps = (stamp(one.folder), stamp(other.folder))
    return _difference_interval(one.folder.path, other.folder.path, stamps, str(one.row["metric"]))


def share_ahead(first: Chosen, others: Sequence[Chosen]) -> float | None:
    """Return in what share of the resamples a run is ahead of all others; None where their test rows differ."""
    own, found = resampled(first), [resampled(one) for one in others]
    paired = [one for one in found if own is not None and one is not None and own.is_paired(one)]
    return own.share_ahead(paired) if own is not None and len(paired) == len(others) else None


def resampled(one: Chosen) -> Resampled | None:
    """Return the test score of a run and of its resamples; worked out once for each file of predictions."""
    return _resampled(one.folder.path, stamp(one.folder), str(one.row["metric"]))


def stamp(folder: RunFolder) -> int:
    """Return when the predictions of a run were written, 0 without any."""
    try:
        return (folder.predictions / "test.parquet").stat().st_mtime_ns
    except OSError:
        return 0


@lru_cache(maxsize=256)
def _resampled(path: Path, written: int, metric: str) -> Resampled | None:
    predictions = read_predictions(RunFolder(path))
    return None if predictions is None else resample(predictions, metric)


@lru_cache(maxsize=512)
def _difference_interval(path: Path, other: Path, written: tuple[int, int], metric: str) -> Interval | None:
    tables = [read_predictions(RunFolder(one)) for one in (path, other)]
    if tables[0] is None or tables[1] is None:
        return None
    return difference_interval(tables[0], tables[1], metric)


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
