"""Runs as a table with a sparkline; choosing a row opens the run."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from molfun.adapters.catalog import MODELS
from molfun.training.catalog import STRATEGIES
from molfun.ui import shell, text, theme

MARKS = {
    "finished": "✓",
    "running": "●",
    "starting": "○",
    "queued": "○",
    "stopping": "◐",
    "stopped": "■",
    "failed": "✕",
    "lost": "✕",
}


def table_of(runs: pd.DataFrame) -> pd.DataFrame:
    """Return runs (`molfun.runs.history.list_runs`) with the words and columns that people read."""
    return pd.DataFrame(
        {
            "Status": [f"{MARKS.get(status, '?')} {theme.status_look(status).word}" for status in runs["status"]],
            "Run": runs["name"],
            "Test": pd.to_numeric(runs["test"], errors="coerce"),
            "Validation": pd.to_numeric(runs["best"], errors="coerce"),
            "Metric": [text.metric_title(str(name)) if name else "" for name in runs["metric"]],
            "Curve": runs["sparkline"],
            "Strategy": [STRATEGIES[kind].title if kind in STRATEGIES else kind for kind in runs["strategy"]],
            "Model": [
                _model_title(name, weights) for name, weights in zip(runs["model"], runs["weights"], strict=True)
            ],
            "Time": [text.duration(minutes * 60) for minutes in pd.to_numeric(runs["minutes"], errors="coerce")],
            "Created": [text.moment(when.timestamp()) for when in runs["created"]],
            "Data": runs["dataset"],
        }
    )


def _model_title(name: str, weights: str) -> str:
    title = MODELS[name].title if name in MODELS else name
    return f"{title}, random weights" if weights == "random" else title


def matching(runs: pd.DataFrame, search: str, states: Sequence[str]) -> pd.DataFrame:
    """Return the runs in one of `states` (all, if none is named) in which every word of `search` occurs."""
    words = search.lower().split()
    texts = runs[["id", "name", "strategy", "model", "dataset"]].astype(str).agg(" ".join, axis=1).str.lower()
    keep = pd.Series(True, index=runs.index) if not states else runs["status"].isin(list(states))
    for word in words:
        keep &= texts.str.contains(word, regex=False)
    return runs[keep].reset_index(drop=True)


def draw_runs(runs: pd.DataFrame, *, key: str) -> None:
    """Draw runs as a table; a chosen row opens its page."""
    event = st.dataframe(
        table_of(runs),
        key=key,
        hide_index=True,
        on_select="rerun",
        selection_mode="single-row",
        alt="Table of runs",
        placeholder="–",
        column_config={
            "Test": st.column_config.NumberColumn(
                format="%.3f", help="The metric on the test rows, with the best weights."
            ),
            "Validation": st.column_config.NumberColumn(
                format="%.3f", help="The metric on the validation rows, in the best epoch."
            ),
            "Curve": st.column_config.LineChartColumn(width="small", help="Validation loss over epochs."),
        },
    )
    rows = event["selection"]["rows"]
    if rows:
        st.switch_page(shell.LIVE, query_params={"run": str(runs.iloc[rows[0]]["id"])})
