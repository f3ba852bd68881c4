"""One test row: its sequence, what is true and what was predicted, how far off that is, its nearest training row."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from molfun.data.dataset import Dataset, load_dataset
from molfun.data.labels import NO_LABEL
from molfun.data.leaks import find_leaks
from molfun.errors import DataError
from molfun.ui import shell


def draw_chosen_row(event: Any, dataset: Dataset, predictions: pd.DataFrame) -> None:
    """Show the row of the dot that was clicked, nothing while none was.

    Args:
        event: What a chart with a choice of points returned; its dots carry the row as custom data.
        dataset: The data of the run.
        predictions: On its test rows.
    """
    row = chosen_row(event)
    if row is not None:
        draw_row(row, dataset, predictions)


def chosen_row(event: Any) -> int | None:
    """Return the row of the last dot that was chosen, None where there is none."""
    try:
        data = event["selection"]["points"][-1]["customdata"]
        return int(data[0] if isinstance(data, list | tuple) else data)
    except (KeyError, IndexError, TypeError, ValueError):
        return None


def draw_row(row: int, dataset: Dataset, predictions: pd.DataFrame) -> None:
    """Show sequence, error and nearest training row of a test row; nothing where it is not known.

    Args:
        row: Row of the file.
        dataset: The data of the run.
        predictions: `row`, `target`, `prediction` of its test rows.
    """
    found, own = predictions[predictions["row"] == row], dataset.frame[dataset.frame["row"] == row]
    if found.empty or own.empty:
        return
    with shell.sentences():
        nearest = nearest_rows(dataset.id).set_index("row").reindex([row]).iloc[0]
    near = nearest["nearest"]
    said = f"**Row {row}**: {_said(found.iloc[0], dataset)}"
    if pd.notna(near):
        said += f" The nearest training row is {int(near)}, with {nearest['identity']:.1%} identity."
    st.markdown(said)
    other = dataset.frame[dataset.frame["row"] == near] if pd.notna(near) else dataset.frame.iloc[:0]
    for i in range(1, dataset.num_chains + 1):
        labels = _under(own.iloc[0], found.iloc[0]) if dataset.task == "per_residue" and i == 1 else []
        is_long = bool(labels)
        st.code("\n".join([str(own.iloc[0][f"chain_{i}"]), *labels]), language=None, wrap_lines=not is_long)
        if len(other):
            st.caption(f"Row {int(near)}" + (f", chain {i}" if dataset.num_chains > 1 else ""))
            st.code(str(other.iloc[0][f"chain_{i}"]), language=None, wrap_lines=not is_long)


def _said(found: pd.Series, dataset: Dataset) -> str:
    if dataset.task == "regression":
        target, prediction = float(found["target"]), float(found["prediction"])
        return f"true {target:.4g}, predicted {prediction:.4g}, off by {prediction - target:+.4g}."
    if dataset.task == "classification":
        share = found.get(f"p_{found['prediction']}")
        sure = f", {float(share):.0%} sure" if share is not None and np.isfinite(float(share)) else ""
        return f"true {shell.plain(str(found['target']))}, predicted {shell.plain(str(found['prediction']))}{sure}."
    pairs = list(zip(found["target"], found["prediction"], strict=False))
    wrong = sum(str(target) != str(prediction) for target, prediction in pairs)
    return f"{wrong:,} of {len(pairs):,} residues with a label are wrong."


def _under(own: pd.Series, found: pd.Series) -> list[str]:
    """Return true labels, predicted ones and marks of wrong ones, one letter a residue; none where they do not fit."""
    from molfun.evaluation.residues import aligned_labels  # noqa: PLC0415  not before a row is asked for

    lines = [aligned_labels(list(found[name]), own["target"], NO_LABEL) for name in ("target", "prediction")]
    if not all(lines):
        return []
    marks = "".join("^" if a != b else " " for a, b in zip(*lines, strict=True))
    return [f"{lines[0]}  true", f"{lines[1]}  predicted", f"{marks}  wrong"]


@st.cache_data(max_entries=16, show_spinner="Comparing test rows with training rows")
def nearest_rows(dataset_id: str) -> pd.DataFrame:
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
