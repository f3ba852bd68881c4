"""Scores of runs beside each other: with uncertainty, against a baseline run, against what they cost. No streamlit."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from molfun.data.settings import lower_is_better
from molfun.runs.certainty import read_predictions
from molfun.runs.cross_validation import arms_of
from molfun.runs.resampling import CONFIDENCE, NUM_RESAMPLES, Interval, Resampled, difference_interval, resample
from molfun.runs.store import RunFolder
from molfun.training.catalog import STRATEGIES
from molfun.ui import compare_charts, text
from molfun.ui.compared import Chosen, specs_of
from molfun.ui.run_curves import follow

FORMATS = {
    "Test": "{:.3f}", "Best validation": "{:.3f}", "Trains": "{:,.0f}", "Minutes": "{:.1f}",
    "Peak memory (GB)": "{:,.2f}",
}  # fmt: skip
COSTS = {"trainable": "Parameters that train", "minutes": "Time"}
INTERVALS = (
    f"Intervals: 95 %, from {NUM_RESAMPLES:,} resamples of the test rows; differences are paired, on the "
    "rows that both runs were tested on. They say nothing of other seeds or splits."
)


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
    scored = [one for one in chosen if np.isfinite(one.row["test"])]
    metric = str(scored[0].row["metric"]) if scored else ""
    scored = [one for one in scored if one.row["metric"] == metric]
    if len(scored) < 2 or lower_is_better(metric):
        return ""
    targets = {spec.data.columns.target for spec in specs_of(scored).values() if spec.data.columns is not None}
    if len(targets) > 1:
        named = ", ".join(map(text.plain, sorted(targets)))
        return f"These runs predict different columns ({named}), so their scores cannot be compared."
    first, *others = sorted(scored, key=lambda one: float(one.row["test"]), reverse=True)
    differences = {one.title: difference_of(first, one) for one in others}
    said = f"**{text.plain(first.title)}** scores highest ({text.number(first.row['test'])})"
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
    names = ", ".join(text.plain(title) for title in close)
    return (
        f"{said}: its lead over {names} may be chance. Of these, **{text.plain(cheapest.title)}** trains the "
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
