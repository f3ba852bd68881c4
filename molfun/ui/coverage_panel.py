"""Whether the intervals of a run keep what they promise, as a part of its scoreboard."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from molfun.data.dataset import Dataset
from molfun.data.settings import ONE_VALUE_A_ROW
from molfun.runs.certainty import read_validation
from molfun.runs.store import RunFolder
from molfun.ui import shell, text


def draw_coverage(folder: RunFolder, stamp: str, predictions: pd.DataFrame, dataset: Dataset) -> None:
    """Draw how many test rows lie inside intervals that were learned from the validation rows.

    Args:
        folder: The run.
        stamp: Differs for other predictions.
        predictions: On its test rows.
        dataset: Its data.
    """
    if dataset.task not in ONE_VALUE_A_ROW:
        return
    st.markdown("**Do its intervals keep what they promise?**")
    validation = read_validation(folder)
    if validation is None:
        st.caption(
            "There are no predictions of the validation rows, from which intervals are learned: the data have none, or "
            "the run is from an older version."
        )
        return
    written = (folder.predictions / "val.parquet").stat().st_mtime_ns
    table = _coverage(f"{stamp}-{written}", validation, predictions, dataset.task)
    if table is None:
        st.caption("The predictions of the validation rows do not fit those of the test rows.")
        return
    from molfun.evaluation.coverage import verdict  # noqa: PLC0415  scipy must not delay the first view

    if said := verdict(table, len(validation)):
        st.markdown(said)
    made, problems = table[table["problem"] == ""], table.loc[table["problem"] != "", "problem"].drop_duplicates()
    # Where none could be made, what the least promise lacks says it for all.
    for problem in problems if len(made) else problems[:1]:
        st.caption(f":material/info: {shell.sentence(str(problem))}")
    if len(made):
        st.dataframe(
            shown_table(made, dataset.task), hide_index=True, width="content", alt="Promised and reached coverage"
        )
        st.caption(
            "Inside: test rows whose true value lies in the interval, with the 95 % interval of that share. Expected: "
            "where test rows are like validation rows, all of these shares lie so in 95 of 100 cases; few validation "
            "rows make it wide. The best epoch was chosen on the validation rows, which makes intervals a little too "
            "narrow."
        )


def shown_table(table: pd.DataFrame, task: str) -> pd.DataFrame:
    """Return promised and reached coverage as people read them."""
    size = "Width" if task == "regression" else "Classes in a set"
    return pd.DataFrame({
        "Promised": table["coverage"].map("{:.0%}".format),
        "Inside": [
            f"{row.inside / row.rows:.1%} ({row.inside:,} of {row.rows:,})" for row in table.itertuples()
        ],
        "95 % interval": _shares(table["low"], table["high"]),
        "Expected": _shares(table["least"], table["most"]),
        size: table["size"].map(text.number if task == "regression" else "{:.2f}".format),
    })  # fmt: skip


def _shares(low: pd.Series, high: pd.Series) -> list[str]:
    return [f"{a:.1%} to {b:.1%}" for a, b in zip(low, high, strict=True)]


@st.cache_data(max_entries=32, show_spinner="Counting rows inside intervals")
def _coverage(stamp: str, _validation: pd.DataFrame, _test: pd.DataFrame, task: str) -> pd.DataFrame | None:
    from molfun.evaluation.coverage import coverage_table  # noqa: PLC0415

    try:
        return coverage_table(_validation, _test, task)  # type: ignore[arg-type]
    except (KeyError, TypeError, ValueError):  # somebody else's tables, of the right names and with other contents
        return None
