"""What a run that ended has to show: test score beside baselines, predictions, checkpoints, settings, next steps."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from molfun.data.dataset import Dataset, load_dataset
from molfun.data.exports import to_csv
from molfun.errors import MolfunError
from molfun.runs.certainty import (
    Certainty,
    find_certainty,
    read_baselines,
    read_predictions,
)
from molfun.runs.store import RunFolder
from molfun.ui import outcomes, score_panels, shell, text
from molfun.ui.live_chart import CONFIG
from molfun.ui.row_panels import draw_chosen_row
from molfun.ui.verdict import verdict


def draw_results(folder: RunFolder) -> None:
    """Draw scores, baselines and predictions of a run, as far as they were written."""
    scoreboard = folder.read_scoreboard()
    if not scoreboard.get("test"):
        st.info("There is no test score: the run ended before its best weights were scored.", icon=":material/info:")
        return
    st.subheader("Result", anchor=False)
    dataset, predictions = dataset_of(folder), read_predictions(folder)
    certainty = certainty_of(folder, scoreboard, predictions)
    st.markdown(verdict(scoreboard, certainty.ahead))
    left, right = st.columns(2)
    with left, st.container(border=True, height="stretch"):
        _draw_scores(scoreboard, certainty)
    with right, st.container(border=True, height="stretch"):
        _draw_predictions(folder, dataset, predictions)
    st.dataframe(
        outcomes.scores_table(scoreboard).style.format("{:.3f}", na_rep="–"),
        alt="Test scores of the run and of baselines",
        placeholder="–",
    )
    if are_structures(predictions):
        from molfun.ui.structure_results import draw_targets  # noqa: PLC0415  biotite must not delay the first view

        draw_targets(folder, dataset, predictions)
    score_panels.draw_scores(folder, dataset, predictions, certainty.scores.get("run"))
    if st.button("Predict with it", icon=":material/online_prediction:", help="New sequences, or a mutation scan."):
        st.switch_page(shell.PREDICT, query_params={"run": folder.id})


def certainty_of(folder: RunFolder, scoreboard: Mapping[str, Any], own: pd.DataFrame | None) -> Certainty:
    """Return intervals of the primary score of a run and of its baselines, as far as their predictions are there.

    Args:
        folder: The run.
        scoreboard: As it wrote it.
        own: Its predictions of the test rows, None where there are none.
    """
    if own is None:
        return Certainty({}, None)
    others = read_baselines(folder)
    stamp = (folder.predictions / "test.parquet").stat().st_mtime_ns
    return _certainty(f"{folder.id}-{stamp}-{others is not None}", own, others, scoreboard)


@st.cache_data(max_entries=32, show_spinner="Scoring resampled rows")
def _certainty(
    stamp: str, _own: pd.DataFrame, _others: pd.DataFrame | None, _scoreboard: Mapping[str, Any]
) -> Certainty:
    return find_certainty(_own, _others, _scoreboard)


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


def _draw_predictions(folder: RunFolder, dataset: Dataset | None, predictions: pd.DataFrame | None) -> None:
    if predictions is None:
        st.caption("No predictions were written.")
        return
    if dataset is not None and dataset.task == "regression":
        event = st.plotly_chart(
            outcomes.predicted_figure(predictions), key="result.dots", config=CONFIG, on_select="rerun",
            selection_mode="points",
        )  # fmt: skip
        draw_chosen_row(event, dataset, predictions)
    elif are_structures(predictions):
        from molfun.ui.structure_results import draw_confidence  # noqa: PLC0415  biotite must not delay the first view

        draw_confidence(predictions, key="result.confidence")
    elif dataset is not None and dataset.classes:
        table = outcomes.confusion_table(score_panels.one_class_a_row(predictions, dataset), dataset.classes)
        what = "residues" if dataset.task == "per_residue" else "rows"
        st.plotly_chart(outcomes.confusion_figure(table, what=what), key="result.confusion", config=CONFIG)
    st.download_button(
        "Download test predictions",
        to_csv(predictions),
        file_name=f"{folder.id}-test.csv",
        mime="text/csv",
        icon=":material/download:",
        on_click="ignore",
        help="CSV: row of your data, name, scores."
        if are_structures(predictions)
        else "CSV: row of your table, true value, prediction.",
    )


def are_structures(predictions: pd.DataFrame | None) -> bool:
    """Tell whether the predictions of a run are structures, also where its data were removed."""
    return predictions is not None and {"name", "plddt", "lddt"} <= set(predictions)


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
            st.caption(f"In {shell.plain(str(folder.checkpoints))}")
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
