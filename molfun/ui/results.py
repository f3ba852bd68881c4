"""What a run that ended has to show: test score beside baselines, predictions, checkpoints, settings, next steps."""

from __future__ import annotations

import math
from contextlib import suppress
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from molfun.data.dataset import Dataset, load_dataset
from molfun.data.exports import to_csv
from molfun.data.parquet import read_parquet
from molfun.errors import DataError, MolfunError
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
    st.markdown(verdict(scoreboard))
    left, right = st.columns(2)
    with left, st.container(border=True, height="stretch"):
        _draw_scores(scoreboard)
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


def verdict(scoreboard: dict[str, Any]) -> str:
    """Return the result in one sentence: the test score, and whether a simple baseline is as good."""
    primary = str(scoreboard.get("primary", ""))
    score = scoreboard["test"]["metrics"].get(primary)
    rows = text.count(scoreboard["test"].get("rows"))
    metric = shell.plain(text.metric_title(primary))
    said = f"**{metric} {text.number(score)}** on {rows} test rows that training never saw."
    known = {name: values.get(primary) for name, values in (scoreboard.get("baselines") or {}).items()}
    best = max((name for name in known if _is_number(known[name])), key=lambda name: known[name], default=None)
    if best is None or not _is_number(score):
        return said
    title = shell.plain(text.baseline_title(best).lower())
    if known[best] >= score:
        return f"{said} The baseline “{title}” is as good or better ({text.number(known[best])})."
    return f"{said} The best simple baseline, “{title}”, reaches {text.number(known[best])}."


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value)


def _draw_scores(scoreboard: dict[str, Any]) -> None:
    primary, metrics = str(scoreboard.get("primary", "")), scoreboard["test"]["metrics"]
    figure = outcomes.scores_figure(
        primary, metrics.get(primary), scoreboard.get("baselines") or {}, weights=str(scoreboard.get("weights", ""))
    )
    st.plotly_chart(figure, key="result.scores", config=CONFIG, alt="Test score of this run beside simple baselines")
    if scoreboard.get("weights") == "random":
        st.caption("Random weights: the true architecture, untrained. A control, not a result.")


def _draw_predictions(folder: RunFolder) -> None:
    predictions = read_predictions(folder)
    if predictions is None:
        st.caption("No predictions were written.")
        return
    dataset = dataset_of(folder)
    if dataset is not None and dataset.task == "regression":
        st.plotly_chart(outcomes.predicted_figure(predictions), key="result.dots", config=CONFIG)
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
    path = folder.predictions / "test.parquet"
    if folder.predictions.is_symlink() or path.is_symlink() or not path.is_file():
        return None
    try:
        predictions = read_parquet(path, path.name)
    except DataError:
        return None
    return predictions if {"row", "target", "prediction"} <= set(predictions) else None


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
