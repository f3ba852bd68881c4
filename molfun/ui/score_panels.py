"""The scoreboard of a run: every metric with its interval, where it is right and where wrong, the largest errors."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from molfun.data.dataset import Dataset, load_dataset
from molfun.data.leaks import BANDS, find_leaks
from molfun.data.settings import PRIMARY_METRIC
from molfun.errors import DataError
from molfun.runs.store import RunFolder
from molfun.ui import shell, text, theme
from molfun.ui.live_chart import CONFIG
from molfun.ui.score_figures import (
    calibration_figure,
    group_figure,
    length_figure,
    precision_figure,
    residual_figure,
    roc_figure,
)

NUM_ERRORS = 50
MAX_CURVES = len(theme.SERIES)
GROUPINGS = {"identity": "By identity to training", "length": "By length", "class": "By class"}
NUM_LENGTHS = 4


def draw_scores(folder: RunFolder, dataset: Dataset | None, predictions: pd.DataFrame | None) -> None:
    """Draw the scoreboard, folded; it is computed when it is opened.

    Args:
        folder: The run.
        dataset: Its data, None where they were removed.
        predictions: On its test rows, None where there are none.
    """
    if dataset is None or predictions is None or predictions.empty:
        return
    box = st.expander("Every metric, and where the model is right or wrong", on_change="rerun", key="scores.open")
    if not box.open:
        return
    with box:
        stamp = f"{folder.id}-{(folder.predictions / 'test.parquet').stat().st_mtime_ns}"
        _draw_metrics(stamp, predictions, dataset)
        _draw_groups(stamp, predictions, dataset)
        _draw_pictures(predictions, dataset)
        _draw_errors(predictions, dataset)


def _draw_metrics(stamp: str, predictions: pd.DataFrame, dataset: Dataset) -> None:
    table = _scores(stamp, predictions, dataset.task, dataset.classes)
    shown = pd.DataFrame({
        "Metric": [text.metric_title(name) for name in table.index],
        "Value": table["value"].map(_number), "95 % interval": [
            f"{_number(low)} to {_number(high)}" if np.isfinite(low) else "–"
            for low, high in zip(table["low"], table["high"], strict=True)
        ],
        "Better is": table["better"].to_numpy(),
    })  # fmt: skip
    st.dataframe(shown, hide_index=True, width="content", alt="Test scores with intervals")
    st.caption("Intervals are over resampled test rows; they know nothing of other seeds or other splits.")


def _number(value: float) -> str:
    return f"{value:.3f}" if np.isfinite(value) else "–"


def _draw_groups(stamp: str, predictions: pd.DataFrame, dataset: Dataset) -> None:
    known = [name for name in GROUPINGS if name != "class" or dataset.task == "classification"]
    chosen = st.segmented_control(
        "Where is it right?", known, default=known[0], required=True, format_func=GROUPINGS.__getitem__,
        key="scores.grouping",
    )  # fmt: skip
    with shell.sentences():
        groups = _groups(stamp, dataset.id, chosen or known[0], predictions["row"])
    metric = "accuracy" if chosen == "class" else PRIMARY_METRIC[dataset.task]
    table = _group_scores(stamp, predictions, groups, dataset.task, dataset.classes, metric)
    if table["value"].notna().any():
        st.plotly_chart(group_figure(table, metric), key="scores.groups", config=CONFIG, alt="Scores of groups of rows")
    few = table[table["value"].isna() & (table["rows"] > 0)]
    if len(few):
        listed = ", ".join(f"{shell.plain(str(name))} ({rows})" for name, rows in zip(few["group"], few["rows"],
                                                                                     strict=True))  # fmt: skip
        st.caption(f"Too few rows, or no different values, for a score: {listed}")


def _draw_pictures(predictions: pd.DataFrame, dataset: Dataset) -> None:
    if dataset.task == "regression":
        _draw_residuals(predictions, dataset)
    names = [f"p_{name}" for name in dataset.classes]
    if dataset.task == "classification" and set(names) <= set(predictions.columns):
        known = predictions[predictions["target"].isin(dataset.classes)]
        place = {name: i for i, name in enumerate(dataset.classes)}
        _draw_thresholds(known["target"].map(place).to_numpy(), known[names].to_numpy(dtype=float), dataset.classes)


def _draw_residuals(predictions: pd.DataFrame, dataset: Dataset) -> None:
    """Draw errors by true value and by length; a click on a dot shows its row."""
    rows = dataset.frame.drop_duplicates("row").set_index("row").reindex(predictions["row"])
    chains = [f"chain_{i}" for i in range(1, dataset.num_chains + 1)]
    lengths = sum((rows[name].fillna("").str.len() for name in chains), start=pd.Series(0, index=rows.index)).to_numpy()
    figures = {"residuals": residual_figure(predictions)}
    if len(np.unique(lengths)) > 1:
        figures["lengths"] = length_figure(predictions, lengths.tolist())
    for name, figure in figures.items():
        event = st.plotly_chart(figure, key=f"scores.{name}", config=CONFIG, on_select="rerun", selection_mode="points")
        draw_chosen_row(event, dataset, predictions)


def _draw_thresholds(targets: np.ndarray, shares: np.ndarray, classes: tuple[str, ...]) -> None:
    from molfun.evaluation.scoreboard import calibration_table, threshold_curves  # noqa: PLC0415  not before asked for

    curves = {classes[i]: curve for i, curve in threshold_curves(targets, shares).items()}
    if curves:
        left, right = st.columns(2)
        left.plotly_chart(roc_figure(curves), key="scores.roc", config=CONFIG)
        right.plotly_chart(precision_figure(curves), key="scores.precision", config=CONFIG)
        if len(curves) > MAX_CURVES:
            st.caption(f"The first {MAX_CURVES} of {len(curves)} classes are drawn.")
    st.plotly_chart(calibration_figure(calibration_table(targets, shares)), key="scores.calibration", config=CONFIG)


def draw_chosen_row(event: Any, dataset: Dataset, predictions: pd.DataFrame) -> None:
    """Show sequence, error and nearest training row of the dot that was clicked.

    Args:
        event: What a chart with a choice of points returned; its dots carry the row as custom data.
        dataset: The data of the run.
        predictions: `row`, `target`, `prediction`, numbers.
    """
    row = _chosen_row(event)
    found = predictions[predictions["row"] == row]
    own = dataset.frame[dataset.frame["row"] == row]
    if row is None or found.empty or own.empty:
        return
    target, prediction = (float(found.iloc[0][name]) for name in ("target", "prediction"))
    with shell.sentences():
        nearest = _nearest(dataset.id).set_index("row").reindex([row]).iloc[0]
    said = f"**Row {row}**: true {target:.4g}, predicted {prediction:.4g}, off by {prediction - target:+.4g}."
    near = nearest["nearest"]
    if pd.notna(near):
        said += f" The nearest training row is {int(near)}, with {nearest['identity']:.1%} identity."
    st.markdown(said)
    for i in range(1, dataset.num_chains + 1):
        st.code(str(own.iloc[0][f"chain_{i}"]), language=None, wrap_lines=True)
        if pd.notna(near):
            other = dataset.frame[dataset.frame["row"] == int(near)]
            st.caption(f"Row {int(near)}" + (f", chain {i}" if dataset.num_chains > 1 else ""))
            st.code(str(other.iloc[0][f"chain_{i}"]), language=None, wrap_lines=True)


def _chosen_row(event: Any) -> int | None:
    """Return the row of the last dot that was chosen, None where there is none."""
    try:
        data = event["selection"]["points"][-1]["customdata"]
        return int(data[0] if isinstance(data, list | tuple) else data)
    except (KeyError, IndexError, TypeError, ValueError):
        return None


def _draw_errors(predictions: pd.DataFrame, dataset: Dataset) -> None:
    """List the rows that are furthest off, with their sequences and the nearest training row."""
    if dataset.task == "per_residue":
        return
    with shell.sentences():
        nearest = _nearest(dataset.id)
    rows = dataset.frame.set_index("row")
    table = predictions.merge(nearest, on="row", how="left")
    if dataset.task == "regression":
        table["off"] = pd.to_numeric(table["prediction"]) - pd.to_numeric(table["target"])
        table = table.sort_values("off", key=lambda off: -off.abs())
    else:
        table = table[table["target"] != table["prediction"]]
    shown = table.head(NUM_ERRORS)
    st.markdown("**Largest errors**" if dataset.task == "regression" else "**Wrong rows**")
    st.dataframe(
        pd.DataFrame({
            "Row": shown["row"], "True": shown["target"], "Predicted": shown["prediction"],
            "Nearest training row": shown["nearest"], "Identity": (100 * shown["identity"]).round(1),
            "Sequence": [rows.loc[row, "chain_1"] if row in rows.index else "" for row in shown["row"]],
        }), hide_index=True, height=280, alt="Rows that are furthest off",
    )  # fmt: skip


@st.cache_data(max_entries=32, show_spinner="Scoring resampled rows")
def _scores(stamp: str, _predictions: pd.DataFrame, task: str, classes: tuple[str, ...]) -> pd.DataFrame:
    from molfun.evaluation.scoreboard import score_table  # noqa: PLC0415

    return score_table(_predictions, task, classes)


@st.cache_data(max_entries=64, show_spinner="Scoring groups of rows")
def _group_scores(
    stamp: str, _predictions: pd.DataFrame, groups: list[str], task: str, classes: tuple[str, ...], metric: str
) -> pd.DataFrame:
    from molfun.evaluation.scoreboard import score_groups  # noqa: PLC0415

    found = score_groups(_predictions, groups, task, classes, metric=metric)
    return found.sort_values("group", key=lambda names: names.map(_place), kind="stable", ignore_index=True)


def _place(name: Any) -> tuple[float, str]:
    """Return where a group stands among others: bands from alike to unlike, lengths from short to long."""
    bands = [band for _, band in BANDS]
    if name in bands:
        return float(bands.index(name)), ""
    first = str(name).replace(",", "").split(" ")[0]
    return (float(first), "") if first.isdigit() else (float("inf"), str(name))


@st.cache_data(max_entries=64, show_spinner="Comparing test rows with training rows")
def _groups(stamp: str, dataset_id: str, kind: str, rows: pd.Series) -> list[str]:
    """Return the group of each test row.

    Raises:
        DataError: The data are gone, or cannot be compared.
    """
    dataset = load_dataset(shell.datasets_root(), dataset_id)
    own = dataset.frame.drop_duplicates("row").set_index("row").reindex(rows)
    if kind == "class":
        return [dataset.classes[int(i)] if np.isfinite(i) else "?" for i in own["target"].astype(float)]
    if kind == "length":
        return _length_groups(own["chain_1"].fillna("").str.len().to_numpy())
    found = _nearest(dataset_id).set_index("row")["identity"].reindex(rows).fillna(0.0)
    return [next(name for lower, name in BANDS if identity >= lower) for identity in found]


def _length_groups(lengths: np.ndarray) -> list[str]:
    """Return quarters of the lengths, e.g. "50 to 80 residues"."""
    edges = np.unique(np.quantile(lengths, np.linspace(0, 1, NUM_LENGTHS + 1)).astype(int))
    if len(edges) < 2:
        return [f"{edges[0]:,} residues"] * len(lengths)
    place = np.clip(np.searchsorted(edges, lengths, side="right") - 1, 0, len(edges) - 2)
    names = [f"{low:,} to {high:,} residues" for low, high in pairwise(edges.tolist())]
    return [names[i] for i in place]


@st.cache_data(max_entries=16, show_spinner="Comparing test rows with training rows")
def _nearest(dataset_id: str) -> pd.DataFrame:
    """Return `row`, `identity` and `nearest` (the row of the file) of the test rows that were compared."""
    dataset = load_dataset(shell.datasets_root(), dataset_id)
    frame = dataset.frame.reset_index(drop=True)
    chains = [frame[f"chain_{i}"].tolist() for i in range(1, dataset.num_chains + 1)]
    try:
        report = find_leaks(chains, frame["split"].tolist())
    except DataError:
        return pd.DataFrame({"row": [], "identity": [], "nearest": []})
    numbers = frame["row"].to_numpy()
    found = report.nearest
    near = [numbers[place] if place >= 0 else None for place in found["nearest"]]
    return pd.DataFrame({"row": numbers[found["row"]], "identity": found["identity"].to_numpy(),
                         "nearest": pd.Series(near, dtype="Int64")})  # fmt: skip
