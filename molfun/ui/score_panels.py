"""The scoreboard of a run: every metric with its interval, where it is right and where wrong, the largest errors."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from molfun.data.dataset import Dataset, load_dataset
from molfun.data.leaks import BANDS
from molfun.data.settings import PRIMARY_METRIC
from molfun.runs.resampling import Interval
from molfun.runs.store import RunFolder
from molfun.ui import shell, text, theme
from molfun.ui.coverage_panel import draw_coverage
from molfun.ui.live_chart import CONFIG
from molfun.ui.row_panels import draw_chosen_row, draw_row, nearest_rows
from molfun.ui.score_figures import (
    calibration_figure,
    group_figure,
    length_figure,
    precision_figure,
    residual_figure,
    roc_figure,
    wrong_figure,
)

NUM_ERRORS = 50
MAX_CURVES = len(theme.SERIES)
TOP_SHARES = (0.01, 0.05, 0.1, 0.2)
GROUPINGS = {"identity": "By identity to training", "length": "By length", "class": "By class"}
NUM_LENGTHS = 4


def draw_scores(
    folder: RunFolder, dataset: Dataset | None, predictions: pd.DataFrame | None, interval: Interval | None = None
) -> None:
    """Draw the scoreboard, folded; it is computed when it is opened.

    Args:
        folder: The run.
        dataset: Its data, None where they were removed.
        predictions: On its test rows, None where there are none.
        interval: Of the metric by which the task is judged, as it is drawn beside the baselines.
    """
    if dataset is None or predictions is None or predictions.empty:
        return
    box = st.expander("Every metric, and where the model is right or wrong", on_change="rerun", key="scores.open")
    if not box.open:
        return
    with box:
        stamp = f"{folder.id}-{(folder.predictions / 'test.parquet').stat().st_mtime_ns}"
        _draw_metrics(stamp, predictions, dataset, interval)
        _draw_groups(stamp, predictions, dataset)
        draw_coverage(folder, stamp, predictions, dataset)
        if dataset.task != "structure":  # whose targets are listed by themselves
            _draw_pictures(predictions, dataset)
            _draw_errors(predictions, dataset)


def _draw_metrics(stamp: str, predictions: pd.DataFrame, dataset: Dataset, interval: Interval | None) -> None:
    top_share = _choose_top_share() if dataset.task == "regression" else TOP_SHARES[2]
    table = _scores(stamp, predictions, dataset.task, dataset.classes, top_share)
    if interval is not None:
        table.loc[PRIMARY_METRIC[dataset.task], ["low", "high"]] = interval.low, interval.high
    titles = {"enrichment": f"Enrichment of the top {100 * top_share:g} %"}
    shown = pd.DataFrame({
        "Metric": [titles.get(name) or text.metric_title(name) for name in table.index],
        "Value": table["value"].map(_number), "95 % interval": [
            f"{_number(low)} to {_number(high)}" if np.isfinite(low) else "–"
            for low, high in zip(table["low"], table["high"], strict=True)
        ],
        "Better is": table["better"].to_numpy(),
    })  # fmt: skip
    st.dataframe(shown, hide_index=True, width="content", alt="Test scores with intervals")
    what = "proteins with all of their residues" if dataset.task == "per_residue" else "test rows"
    st.caption(f"Intervals are over resampled {what}; they know nothing of other seeds or other splits.")


def _choose_top_share() -> float:
    chosen = st.segmented_control(
        "Best rows", TOP_SHARES, default=TOP_SHARES[2], required=True, key="scores.top",
        format_func=lambda share: f"Top {100 * share:g} %",
        help="The enrichment tells how many more of the truly best rows are among the best predicted than by chance.",
    )  # fmt: skip
    return float(chosen or TOP_SHARES[2])


def _number(value: float) -> str:
    return f"{value:.3f}" if np.isfinite(value) else "–"


def _draw_groups(stamp: str, predictions: pd.DataFrame, dataset: Dataset) -> None:
    known = [name for name in GROUPINGS if name != "class" or dataset.task in ("classification", "per_residue")]
    chosen = st.segmented_control(
        "Where is it right?", known, default=known[0], required=True, format_func=GROUPINGS.__getitem__,
        key="scores.grouping",
    )  # fmt: skip
    if chosen == "class":
        metric, table = "recall", _class_scores(stamp, predictions, dataset.task, dataset.classes)
    else:
        with shell.sentences():
            groups = _groups(stamp, dataset.id, chosen or known[0], predictions["row"])
        metric = PRIMARY_METRIC[dataset.task]
        table = _group_scores(stamp, predictions, groups, dataset.task, dataset.classes, metric)
    if table["value"].notna().any():
        st.plotly_chart(group_figure(table, metric), key="scores.groups", config=CONFIG, alt="Scores of groups of rows")
    few = table[table["value"].isna() & (table["rows"] > 0)]
    if len(few):
        listed = ", ".join(f"{shell.plain(str(name))} ({rows})" for name, rows in zip(few["group"], few["rows"],
                                                                                     strict=True))  # fmt: skip
        st.caption(f"Too few rows, or no different values, for a score: {listed}")
    if chosen == "class":
        names = {"group": "Class", "rows": "Residues" if dataset.task == "per_residue" else "Rows", "value": "Recall",
                 "precision": "Precision", "f1": "F1"}  # fmt: skip
        shown = table[list(names)].rename(columns=names)
        st.dataframe(shown.style.format(precision=3, na_rep="–"), hide_index=True, width="content", placeholder="–")


def _draw_pictures(predictions: pd.DataFrame, dataset: Dataset) -> None:
    if dataset.task == "regression":
        _draw_residuals(predictions, dataset)
        return
    if dataset.task == "per_residue":
        _draw_wrong_shares(predictions, dataset)
    flat, names = one_class_a_row(predictions, dataset), [f"p_{name}" for name in dataset.classes]
    if set(names) <= set(flat.columns):
        known = flat[flat["target"].isin(dataset.classes)]
        place = {name: i for i, name in enumerate(dataset.classes)}
        _draw_thresholds(known["target"].map(place).to_numpy(), known[names].to_numpy(dtype=float), dataset.classes)


def one_class_a_row(predictions: pd.DataFrame, dataset: Dataset) -> pd.DataFrame:
    """Return predictions with one class a row: as they are, or a row for every residue that has a label."""
    from molfun.evaluation.residues import flatten_residues  # noqa: PLC0415  not before asked for

    return flatten_residues(predictions, dataset.classes) if dataset.task == "per_residue" else predictions


def _lengths(numbers: pd.Series, dataset: Dataset) -> list[int]:
    """Return the residues of some rows, of all chains."""
    rows = dataset.frame.drop_duplicates("row").set_index("row").reindex(numbers)
    chains = [rows[f"chain_{i}"].fillna("").str.len() for i in range(1, dataset.num_chains + 1)]
    return [int(length) for length in sum(chains, start=pd.Series(0, index=rows.index))]


def _draw_wrong_shares(predictions: pd.DataFrame, dataset: Dataset) -> None:
    """Draw the share of wrong residues of each protein by its length; a click on a dot shows its row."""
    from molfun.evaluation.residues import residue_accuracy  # noqa: PLC0415  not before asked for

    figure = wrong_figure(residue_accuracy(predictions), _lengths(predictions["row"], dataset))
    event = st.plotly_chart(figure, key="scores.wrong", config=CONFIG, on_select="rerun", selection_mode="points")
    draw_chosen_row(event, dataset, predictions)


def _draw_residuals(predictions: pd.DataFrame, dataset: Dataset) -> None:
    """Draw errors by true value and by length; a click on a dot shows its row."""
    lengths = _lengths(predictions["row"], dataset)
    figures = {"residuals": residual_figure(predictions)}
    if len(np.unique(lengths)) > 1:
        figures["lengths"] = length_figure(predictions, lengths)
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


def _draw_errors(predictions: pd.DataFrame, dataset: Dataset) -> None:
    """List the rows that are furthest off, with their sequences and the nearest training row; a chosen one is shown."""
    with shell.sentences():
        nearest = nearest_rows(dataset.id)
    rows, table = dataset.frame.set_index("row"), _by_error(predictions, dataset).merge(nearest, on="row", how="left")
    shown = table.head(NUM_ERRORS)
    titles = {"regression": "Largest errors", "classification": "Wrong rows, the surest first",
              "per_residue": "Proteins with most wrong residues"}  # fmt: skip
    st.markdown(f"**{titles[dataset.task]}**")
    chosen = st.dataframe(
        pd.DataFrame({
            "Row": shown["row"], **{name: shown[name] for name in ("True", "Predicted", "Wrong") if name in shown},
            "Nearest training row": shown["nearest"],
            "Identity (%)": (100 * shown["identity"].where(shown["nearest"].notna())).round(1),
            "Sequence": [rows.loc[row, "chain_1"] if row in rows.index else "" for row in shown["row"]],
        }), hide_index=True, height=280, alt="Rows that are furthest off", key="scores.errors", on_select="rerun",
        selection_mode="single-row", placeholder="–",
    )  # fmt: skip
    st.caption("Choose a row to look at it. No nearest row: less than 40 % identity to any training row.")
    for place in chosen["selection"]["rows"][:1]:
        draw_row(int(shown["row"].iloc[place]), dataset, predictions)


def _by_error(predictions: pd.DataFrame, dataset: Dataset) -> pd.DataFrame:
    """Return test rows with what is wrong in them, the worst first: `row`, and `True`, `Predicted` or `Wrong`."""
    table = predictions.rename(columns={"target": "True", "prediction": "Predicted"})
    if dataset.task == "regression":
        off = pd.to_numeric(table["Predicted"]) - pd.to_numeric(table["True"])
        return table.loc[off.abs().sort_values(ascending=False).index]
    if dataset.task == "classification":
        names, wrong = [f"p_{name}" for name in dataset.classes], table[table["True"] != table["Predicted"]]
        if not set(names) <= set(table.columns):
            return wrong
        return wrong.loc[wrong[names].max(axis=1).sort_values(ascending=False).index]
    from molfun.evaluation.residues import residue_accuracy  # noqa: PLC0415  not before asked for

    found = residue_accuracy(predictions).sort_values("wrong_share", ascending=False, kind="stable")
    said = [f"{num - right:,} of {num:,}" for num, right in zip(found["residues"], found["right"], strict=True)]
    return found.assign(Wrong=said)[["row", "Wrong"]]


@st.cache_data(max_entries=32, show_spinner="Scoring resampled rows")
def _scores(
    stamp: str, _predictions: pd.DataFrame, task: str, classes: tuple[str, ...], top_share: float
) -> pd.DataFrame:
    from molfun.evaluation.scoreboard import score_table  # noqa: PLC0415

    return score_table(_predictions, task, classes, top_share=top_share)


@st.cache_data(max_entries=32, show_spinner="Scoring classes")
def _class_scores(stamp: str, _predictions: pd.DataFrame, task: str, classes: tuple[str, ...]) -> pd.DataFrame:
    from molfun.evaluation.class_scores import score_classes  # noqa: PLC0415

    return score_classes(_predictions, task, classes)


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
    if kind == "length":
        return _length_groups(np.array(_lengths(rows, dataset)))
    found = nearest_rows(dataset_id).set_index("row")["identity"].reindex(rows).fillna(0.0)
    return [next(name for lower, name in BANDS if identity >= lower) for identity in found]


def _length_groups(lengths: np.ndarray) -> list[str]:
    """Return quarters of the lengths, e.g. "50 to 80 residues"."""
    edges = np.unique(np.quantile(lengths, np.linspace(0, 1, NUM_LENGTHS + 1)).astype(int))
    if len(edges) < 2:
        return [f"{edges[0]:,} residues"] * len(lengths)
    place = np.clip(np.searchsorted(edges, lengths, side="right") - 1, 0, len(edges) - 2)
    names = [f"{low:,} to {high:,} residues" for low, high in pairwise(edges.tolist())]
    return [names[i] for i in place]
