"""The predicted structures of a run's test rows: scores of every target, and the one that is looked at."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from molfun.data.dataset import Dataset
from molfun.runs.store import RunFolder
from molfun.ui import shell, text
from molfun.ui.live_chart import CONFIG
from molfun.ui.row_panels import chosen_row
from molfun.ui.structure_panels import draw_structure, read_view
from molfun.ui.structure_scores import confidence_figure, score_numbers, size_figure, target_figure, target_table

FORMAT = {"Mean pLDDT": "{:.3f}", "Residues": "{:,.0f}"}


def draw_confidence(predictions: pd.DataFrame, *, key: str) -> None:
    """Draw how good targets are against how good the model thinks they are; a click looks at one.

    Args:
        predictions: `row`, `name`, `num_residues`, `plddt`, `lddt` and the other scores of the test rows.
        key: Of the chart.
    """
    targets = score_numbers(predictions)
    if targets.empty:
        st.caption("The table of predictions has no scores of structures.")
        return
    st.plotly_chart(
        confidence_figure(targets), key=key, config=CONFIG, selection_mode="points",
        on_select=lambda: _choose(chosen_row(st.session_state[key])), alt="lDDT against pLDDT of every test target",
    )  # fmt: skip


def draw_targets(folder: RunFolder, dataset: Dataset | None, predictions: pd.DataFrame | None) -> None:
    """Draw the scores of every test target, and the structure of one of them.

    Args:
        folder: The run.
        dataset: Its data, None where they were removed: then there is nothing to superpose with.
        predictions: As in `draw_confidence`, None where there are none.
    """
    targets = pd.DataFrame() if predictions is None else score_numbers(predictions)
    if targets.empty:
        return
    st.subheader("Targets", anchor=False)
    _draw_table(targets)
    _draw_figures(targets)
    row = _draw_choice(targets)
    name = shell.plain(str(targets.loc[targets["row"] == row, "name"].iloc[0]))
    st.markdown(f"**{name}**: {_said(targets[targets['row'] == row].iloc[0])}")
    view = read_view(folder.structure_path(row), "" if dataset is None else dataset.id, row)
    if view is not None:
        draw_structure(view, key="target")


def _draw_table(targets: pd.DataFrame) -> None:
    shown = target_table(targets)
    formats = {name: FORMAT.get(name, "{:.3f}") for name in shown.columns if name not in ("Row", "Target")}

    def choose() -> None:
        places = st.session_state["targets.table"]["selection"]["rows"]
        _choose(int(shown["Row"].iloc[places[0]]) if places else None)

    st.dataframe(
        shown.style.format(formats, na_rep="–"), hide_index=True, key="targets.table", on_select=choose,
        selection_mode="single-row", placeholder="–", alt="Scores of every test target, the worst first",
        height=min(420, 38 + 35 * len(shown) + 2),
    )  # fmt: skip
    st.caption("The worst first. Choose a row to look at it.")


def _draw_figures(targets: pd.DataFrame) -> None:
    figures: dict[str, Any] = {"targets.scores": target_figure(targets)}
    if targets["num_residues"].nunique() > 1 and len(targets) > 2:
        figures["targets.sizes"] = size_figure(targets)
    for place, (key, figure) in zip(st.columns(len(figures)), figures.items(), strict=True):
        place.plotly_chart(
            figure, key=key, config=CONFIG, selection_mode="points",
            on_select=lambda key=key: _choose(chosen_row(st.session_state[key])),
        )  # fmt: skip


def _choose(row: int | None) -> None:
    if row is not None:
        st.session_state["targets.row"] = row


def _draw_choice(targets: pd.DataFrame) -> int:
    """Draw which target is looked at; table and charts set it, too."""
    is_shared = targets["name"].duplicated(keep=False)
    names = {
        int(row): f"{name}, row {row}" if shared else str(name)
        for row, name, shared in zip(targets["row"], targets["name"], is_shared, strict=True)
    }
    if st.session_state.get("targets.row") not in names:
        ranked = targets.sort_values("lddt", kind="stable", na_position="first")
        st.session_state["targets.row"] = int(ranked["row"].iloc[-1])
    return int(st.selectbox("Target to look at", list(names), format_func=names.__getitem__, key="targets.row"))


def _said(target: pd.Series) -> str:
    scores = [f"{text.metric_title(name)} {text.number(target[name])}" for name in ("lddt", "tm_score", "gdt_ts")
              if name in target]  # fmt: skip
    scores += [f"RMSD {text.number(target['rmsd'], 1)} Å"] if "rmsd" in target else []
    return (
        f"{int(target['num_residues']):,} residues · {' · '.join(scores)} · mean pLDDT {text.number(target['plddt'])}"
    )
