"""What a run that ended has to show: test score beside baselines, predictions, checkpoints, settings, next steps."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from molfun.data.dataset import Dataset, load_dataset
from molfun.data.exports import to_csv
from molfun.data.parquet import read_parquet
from molfun.errors import DataError, MolfunError
from molfun.runs.resampling import Interval, difference_interval, score_interval
from molfun.runs.store import RunFolder
from molfun.ui import outcomes, score_panels, shell, text
from molfun.ui.live_chart import CONFIG


def draw_results(folder: RunFolder) -> None:
    """Draw scores, baselines and predictions of a run, as far as they were written."""
    scoreboard = folder.read_scoreboard()
    if not scoreboard.get("test"):
        st.info("There is no test score: the run ended before its best weights were scored.", icon=":material/info:")
        return
    st.subheader("Result", anchor=False)
    certainty = certainty_of(folder, scoreboard)
    st.markdown(verdict(scoreboard, certainty.ahead))
    left, right = st.columns(2)
    with left, st.container(border=True, height="stretch"):
        _draw_scores(scoreboard, certainty)
    with right, st.container(border=True, height="stretch"):
        _draw_predictions(folder)
    st.dataframe(
        outcomes.scores_table(scoreboard).style.format("{:.3f}", na_rep="–"),
        alt="Test scores of the run and of baselines",
        placeholder="–",
    )
    score_panels.draw_scores(folder, dataset_of(folder), read_predictions(folder))
    if st.button("Predict with it", icon=":material/online_prediction:", help="New sequences, or a mutation scan."):
        st.switch_page(shell.PREDICT, query_params={"run": folder.id})


@dataclass(frozen=True)
class Certainty:
    """How sure scores on test rows are.

    Attributes:
        scores: Of the run (named "run") and of baselines, by name.
        ahead: How much higher the run scores than the best baseline; None where this cannot be told.
    """

    scores: dict[str, Interval]
    ahead: Interval | None


def certainty_of(folder: RunFolder, scoreboard: Mapping[str, Any]) -> Certainty:
    """Return intervals of the primary score of a run and of its baselines, as far as their predictions are there."""
    own, others = read_predictions(folder), _read_table(folder, "baselines.parquet", {"row", "target"})
    if own is None:
        return Certainty({}, None)
    stamp = (folder.predictions / "test.parquet").stat().st_mtime_ns
    best = _best_baseline(scoreboard) or ""
    return _certainty(f"{folder.id}-{stamp}", own, others, str(scoreboard.get("primary", "")), best, others is not None)


@st.cache_data(max_entries=32, show_spinner="Scoring resampled rows")
def _certainty(
    stamp: str, _own: pd.DataFrame, _others: pd.DataFrame | None, metric: str, best: str, has_others: bool
) -> Certainty:
    tables = {"run": _own}
    if _others is not None:
        names = [name for name in text.BASELINES if name in _others]
        tables |= {name: _others[["row", "target"]].assign(prediction=_others[name]) for name in names}
    try:
        found = {name: score_interval(table, metric) for name, table in tables.items()}
        ahead = difference_interval(_own, tables[best], metric) if best in tables else None
    except (TypeError, ValueError):  # somebody else's tables, of the right names and with other contents
        return Certainty({}, None)
    return Certainty({name: interval for name, interval in found.items() if interval is not None}, ahead)


def verdict(scoreboard: Mapping[str, Any], ahead: Interval | None = None) -> str:
    """Return the result in a sentence or two: the test score, and whether a simple baseline is as good.

    Args:
        scoreboard: As the run wrote it.
        ahead: How much higher the run scores than the best baseline.
    """
    primary = str(scoreboard.get("primary", ""))
    score = scoreboard["test"]["metrics"].get(primary)
    rows = text.count(scoreboard["test"].get("rows"))
    metric = shell.plain(text.metric_title(primary))
    said = f"**{metric} {text.number(score)}** on {rows} test rows that training never saw."
    best = _best_baseline(scoreboard)
    if best is None or not _is_number(score):
        return said
    title, reached = shell.plain(text.baseline_title(best).lower()), scoreboard["baselines"][best][primary]
    if reached >= score:
        said = f"{said} The baseline “{title}” is as good or better ({text.number(reached)})."
    else:
        said = f"{said} The best simple baseline, “{title}”, reaches {text.number(reached)}."
    if ahead is None:
        return said
    between = f"95 % interval {ahead.low:+.3f} to {ahead.high:+.3f}"
    if ahead.is_clear:
        return f"{said} The difference, {ahead.value:+.3f}, is clear on these rows ({between})."
    return f"{said} These rows do not settle which of the two is better ({ahead.value:+.3f}, {between})."


def _best_baseline(scoreboard: Mapping[str, Any]) -> str | None:
    """Return the baseline with the highest primary score, None where none has any."""
    primary = str(scoreboard.get("primary", ""))
    known = {name: values.get(primary) for name, values in (scoreboard.get("baselines") or {}).items()}
    return max((name for name in known if _is_number(known[name])), key=lambda name: float(known[name]), default=None)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value)


def _draw_scores(scoreboard: Mapping[str, Any], certainty: Certainty) -> None:
    primary, metrics = str(scoreboard.get("primary", "")), scoreboard["test"]["metrics"]
    figure = outcomes.scores_figure(
        primary, metrics.get(primary), scoreboard.get("baselines") or {}, weights=str(scoreboard.get("weights", "")),
        intervals={name: (found.low, found.high) for name, found in certainty.scores.items()},
    )  # fmt: skip
    st.plotly_chart(figure, key="result.scores", config=CONFIG, alt="Test score of this run beside simple baselines")
    if certainty.scores:
        st.caption("Whiskers are 95 % intervals over resampled test rows.")
    if scoreboard.get("weights") == "random":
        st.caption("Random weights: the true architecture, untrained. A control, not a result.")


def _draw_predictions(folder: RunFolder) -> None:
    predictions = read_predictions(folder)
    if predictions is None:
        st.caption("No predictions were written.")
        return
    dataset = dataset_of(folder)
    if dataset is not None and dataset.task == "regression":
        event = st.plotly_chart(
            outcomes.predicted_figure(predictions), key="result.dots", config=CONFIG, on_select="rerun",
            selection_mode="points",
        )  # fmt: skip
        score_panels.draw_chosen_row(event, dataset, predictions)
    elif dataset is not None and dataset.task == "classification":
        table = outcomes.confusion_table(predictions, dataset.classes)
        st.plotly_chart(outcomes.confusion_figure(table), key="result.confusion", config=CONFIG)
    st.download_button(
        "Download test predictions",
        to_csv(predictions),
        file_name=f"{folder.id}-test.csv",
        mime="text/csv",
        icon=":material/download:",
        on_click="ignore",
        help="CSV: row of your table, true value, prediction.",
    )


def read_predictions(folder: RunFolder) -> pd.DataFrame | None:
    """Return the predictions on the test rows, None where there are none that can be read."""
    return _read_table(folder, "test.parquet", {"row", "target", "prediction"})


def _read_table(folder: RunFolder, name: str, needed: set[str]) -> pd.DataFrame | None:
    path = folder.predictions / name
    if folder.predictions.is_symlink() or path.is_symlink() or not path.is_file():
        return None
    try:
        table = read_parquet(path, path.name)
    except DataError:
        return None
    return table if needed <= set(table) else None


def dataset_of(folder: RunFolder) -> Dataset | None:
    """Return the data of a run, None where they were removed."""
    try:
        return load_dataset(shell.datasets_root(), folder.spec.data.dataset)
    except MolfunError:
        return None


def draw_next_steps(folder: RunFolder) -> None:
    """Offer what people do after a run."""
    with st.container(horizontal=True):
        if folder.spec.model.weights != "random" and st.button(
            "Run the random-weights control",
            icon=":material/science:",
            help="The same run from the untrained architecture: shows what pretraining adds.",
        ):
            st.switch_page(shell.NEW_RUN, query_params={"from": folder.id, "weights": "random"})


def draw_files(folder: RunFolder) -> None:
    """Show settings, what trained, checkpoints and where everything lies."""
    settings, checkpoints, environment = st.tabs(["Settings", "Checkpoints", "Environment"])
    with settings:
        st.code(folder.spec.to_yaml(), language="yaml")
        st.download_button(
            "Download spec.yaml",
            folder.spec.to_yaml(),
            file_name="spec.yaml",
            icon=":material/download:",
            on_click="ignore",
            help="Repeat the run with: molfun fit spec.yaml",
        )
    with checkpoints:
        rows = checkpoint_rows(folder)
        if rows.empty:
            st.caption("No checkpoint was written.")
        else:
            st.dataframe(rows, hide_index=True, width="content")
            st.caption(f"In {folder.checkpoints}")
    with environment:
        st.json(folder.read_environment(), expanded=True)


def checkpoint_rows(folder: RunFolder) -> pd.DataFrame:
    """Return name, epoch, step, weights, time and size of every checkpoint, the oldest first.

    A run at work replaces them meanwhile: what is gone when it is looked at is left out.
    """
    rows: list[dict[str, Any]] = []
    for name, about in folder.read_checkpoints().items():
        with suppress(OSError):
            path = folder.checkpoints / name
            rows.append({
                "Checkpoint": name, "Epoch": about.get("epoch"), "Step": about.get("step"),
                "Weights": {"ema": "averaged", "raw": "raw"}.get(str(about.get("weights")), ""),
                "Written": path.stat().st_mtime, "Size": f"{_size(path) / 1e6:,.1f} MB",
            })  # fmt: skip
    rows.sort(key=lambda row: float(row["Written"]))
    return pd.DataFrame([{**row, "Written": text.moment(row["Written"])} for row in rows])


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
