"""Cross-validations on screen: what folds make together, on the page Compare."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from molfun.data.exports import to_csv
from molfun.data.saved import read_facts
from molfun.data.settings import ONE_VALUE_A_ROW
from molfun.errors import MolfunError
from molfun.evaluation.names import baseline_title
from molfun.runs.cross_validation import CrossValidation, find_cross_validations
from molfun.runs.pooled import Pooled, find_pooled, lead, meaning, missing, pooled_table
from molfun.runs.resampling import Interval
from molfun.runs.status import run_status
from molfun.runs.store import RunFolder
from molfun.ui import outcomes, shell, text
from molfun.ui.fold_charts import folds_figure
from molfun.ui.live_chart import CONFIG

FEWEST = 2  # runs that are called a cross-validation


def draw_folds(folders: Sequence[RunFolder]) -> None:
    """Draw what the cross-validations among some runs have made."""
    found = [one for one in find_cross_validations(folders) if len(one.runs) >= FEWEST]
    for number, cross in enumerate(found):
        st.subheader("Cross-validation" if len(found) == 1 else f"Cross-validation {number + 1}", anchor=False)
        _draw_cross(cross, f"folds.{number}")


def _draw_cross(cross: CrossValidation, key: str) -> None:
    result = _pooled(_stamp(cross), cross)
    for sentence in missing(result):
        st.warning(shell.sentence(sentence), icon=":material/hourglass_top:")
    if said := lead(result):
        st.markdown(shell.plain(said))
    else:
        st.caption("No fold has a test score yet.")
        return
    table = pooled_table(result)
    arms = {arm.title: arm for arm in result.arms} | {baseline_title(arm.title): arm for arm in result.baselines}
    figure = folds_figure(table, arms, metric=cross.metric)
    alt = "Test score of every fold, and pooled over all rows with its interval, beside simple baselines"
    st.plotly_chart(figure, key=f"{key}.scores", config=CONFIG, alt=alt)
    shown = shown_table(table)
    st.dataframe(shown, hide_index=True, placeholder="–", alt="Scores of folds, and pooled")
    st.caption(shell.plain(meaning(result)))
    _draw_rows(result, key)
    st.download_button(
        "Download the folds' table", to_csv(shown), "cross-validation.csv", "text/csv", icon=":material/download:",
        on_click="ignore", key=f"{key}.table",
    )  # fmt: skip


def shown_table(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table of a cross-validation as people read it; differences only where something can be compared."""
    shown = pd.DataFrame({
        "": table["title"], "Folds": [f"{row.folds} of {row.expected}" for row in table.itertuples()],
        "Mean": table["mean"].map(text.number), "SD": table["sd"].map(text.number),
        "Pooled": table["pooled"].map(text.number),
        "95 % interval": [
            f"{text.number(low)} to {text.number(high)}" if low == low else "–"
            for low, high in zip(table["low"], table["high"], strict=True)
        ],
        "Rows": table["rows"],
    })  # fmt: skip
    for title, name in (("To the best baseline", "to_baseline"), ("To the best", "to_best")):
        if table[name].notna().any():
            shown[title] = table[name].map(_difference)
    return shown


def _difference(found: Interval | None) -> str:
    if found is None:
        return "–"
    return f"{found.value:+.3f} ({found.low:+.3f} to {found.high:+.3f}){'' if found.is_clear else ', may be chance'}"


def _draw_rows(result: Pooled, key: str) -> None:
    """Draw every row as it was predicted by the run that did not train on it."""
    known = {arm.title: arm for arm in result.arms if arm.rounds}
    if result.cross.task not in ONE_VALUE_A_ROW or not known:
        return
    box = st.expander("Every row, predicted by a run that did not train on it", on_change="rerun", key=f"{key}.open")
    if not box.open:
        return
    with box:
        title = st.segmented_control(
            "Strategy", list(known), default=next(iter(known)), required=True, key=f"{key}.arm"
        )
        predicted, *others = known[title or next(iter(known))].rounds
        if others:
            st.caption("The first of the repeats and seeds.")
        _draw_predicted(result, predicted, key)
        st.download_button(
            "Download these predictions", to_csv(predicted), "out-of-fold.csv", "text/csv", key=f"{key}.rows",
            icon=":material/download:", on_click="ignore", help="CSV: row of your table, true value, prediction, fold.",
        )  # fmt: skip


def _draw_predicted(result: Pooled, predicted: pd.DataFrame, key: str) -> None:
    if result.cross.task == "regression":
        st.plotly_chart(outcomes.predicted_figure(predicted), key=f"{key}.dots", config=CONFIG)
    elif classes := _classes(result.cross):
        table = outcomes.confusion_table(predicted, classes)
        st.plotly_chart(outcomes.confusion_figure(table), key=f"{key}.confusion", config=CONFIG)


def _classes(cross: CrossValidation) -> list[str]:
    try:
        return read_facts(shell.datasets_root() / cross.runs[0].folder.spec.data.dataset).classes
    except MolfunError:
        return []


def _stamp(cross: CrossValidation) -> tuple[str, ...]:
    """Return what changes whenever the result of a cross-validation may."""
    return tuple(
        f"{run.folder.id} {run.arm} {run_status(run.folder).status} {_written(run.folder)}" for run in cross.runs
    )


def _written(folder: RunFolder) -> float:
    places = (folder.predictions / "test.parquet", folder.predictions / "baselines.parquet", folder.scoreboard_path)
    return sum(place.stat().st_mtime for place in places if place.is_file())


@st.cache_data(max_entries=16, show_spinner="Pooling the folds")
def _pooled(stamp: tuple[str, ...], _cross: CrossValidation) -> Pooled:
    return find_pooled(_cross)
