"""Runs as a table with a sparkline; a click on a run's name opens it, ticked rows can be deleted or tagged together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from molfun.adapters.catalog import MODELS
from molfun.errors import MolfunError
from molfun.runs import notes
from molfun.runs.launchers.catalog import TITLES
from molfun.runs.store import RunFolder
from molfun.training.catalog import STRATEGIES
from molfun.ui import run_dialogs, shell, text, theme

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
NAME_COLUMN = "Run"


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
            "Tags": runs["tags"],
            "Where": [TITLES.get(where, where) for where in runs["where"]],
        }
    )


def _model_title(name: str, weights: str) -> str:
    title = MODELS[name].title if name in MODELS else name
    return f"{title}, random weights" if weights == "random" else title


def matching(runs: pd.DataFrame, search: str, states: Sequence[str], tags: Sequence[str] = ()) -> pd.DataFrame:
    """Return the runs in one of `states` (any, if none is named), with all of `tags` and every word of `search`."""
    words = search.lower().split()
    texts = runs[["id", "name", "strategy", "model", "dataset", "notes"]].astype(str).agg(" ".join, axis=1)
    texts = (texts + " " + runs["tags"].map(" ".join)).str.lower()
    keep = pd.Series(True, index=runs.index) if not states else runs["status"].isin(list(states))
    for word in words:
        keep &= texts.str.contains(word, regex=False)
    keep &= runs["tags"].map(lambda known: set(tags) <= set(known)).astype(bool)
    return runs[keep].reset_index(drop=True)


def draw_runs(runs: pd.DataFrame, *, key: str, is_choice: bool = False) -> list[str]:
    """Draw runs as a table; a click on a name opens the run, at once: a link of the table would open another tab.

    Args:
        runs: As `molfun.runs.history.list_runs` has them.
        key: Prefix of the widgets' keys.
        is_choice: Whether rows can be ticked.

    Returns:
        The ids of the ticked runs.
    """
    ids = [str(run_id) for run_id in runs["id"]]
    # Ticks are row numbers: in a table of other runs they would mean other ones.
    table_key = f"{key}.{hash(tuple(ids)):x}"
    choice: dict[str, Any] = {"on_select": "rerun", "selection_mode": "multi-row"} if is_choice else {}
    event: Any = st.dataframe(
        table_of(runs),
        key=table_key,
        hide_index=True,
        **choice,
        alt="Table of runs",
        placeholder="–",
        column_config=_columns(key),
    )
    clicked = st.session_state.get(f"{key}.open")
    # A click tells a row of the table as it was drawn, and a run may have begun since.
    drawn, st.session_state[f"{key}.ids"] = st.session_state.get(f"{key}.ids", ids), ids
    if clicked and clicked["row"] < len(drawn):
        st.switch_page(shell.LIVE, query_params={"run": drawn[clicked["row"]]})
    return [ids[row] for row in event["selection"]["rows"]] if is_choice else []


def _columns(key: str) -> dict[str, Any]:
    columns = st.column_config
    return {
        NAME_COLUMN: columns.ButtonColumn(
            type="tertiary",
            alignment="left",
            pinned=True,
            width="medium",
            key=f"{key}.open",
            help="A click opens the run.",
        ),
        "Test": columns.NumberColumn(format="%.3f", help="The metric on the test rows, with the best weights."),
        "Validation": columns.NumberColumn(format="%.3f", help="The metric on the validation rows, in the best epoch."),
        "Curve": columns.LineChartColumn(width="small", help="Validation loss over epochs."),
        "Tags": columns.ListColumn(help="Words of yours; change them on a run's page, or for ticked rows below."),
        "Where": columns.TextColumn(help="Where its processes run."),
    }


def draw_actions(chosen: Sequence[str], *, key: str) -> None:
    """Draw what can be done to the ticked runs."""
    folders = [RunFolder(shell.store().root / run_id) for run_id in chosen]
    many = text.plural(len(folders), "run")
    with st.container(horizontal=True, vertical_alignment="bottom", key=f"{key}_actions"):
        if st.button(
            "Open", icon=":material/open_in_new:", disabled=len(folders) != 1, key=f"{key}.open_one",
            help="Opens the run that is ticked." if len(folders) == 1 else "Opens one run; tick a single row.",
        ):  # fmt: skip
            st.switch_page(shell.LIVE, query_params={"run": chosen[0]})
        if st.button(
            "Compare", icon=":material/stacked_line_chart:", disabled=len(folders) < 2, key=f"{key}.compare",
            help=f"Lays the curves of {many} over each other." if len(folders) > 1 else "Tick two rows or more.",
        ):  # fmt: skip
            st.switch_page(shell.COMPARE, query_params={"runs": ",".join(chosen)})
        with st.popover("Tag…", icon=":material/label:", key=f"{key}.tagging", help=f"Gives {many} a tag."):
            _draw_tagging(folders, key=key)
        st.button(
            "Delete…", icon=":material/delete:", key=f"{key}.delete", help=f"Puts {many} into the bin; asks first.",
            on_click=run_dialogs.open_dialog, args=("delete",),
        )  # fmt: skip
    run_dialogs.draw_delete_dialog(folders)


def _draw_tagging(folders: Sequence[RunFolder], *, key: str) -> None:
    field = f"{key}.tag"
    st.multiselect(
        "Tags", notes.all_tags(shell.home()), key=field, accept_new_options=True, help="A new word becomes a new tag.",
        placeholder="Type a word and press Enter",
    )  # fmt: skip
    with st.container(horizontal=True):
        for label, icon, act in (("Add", "add", notes.add_tags), ("Remove", "remove", notes.remove_tags)):
            st.button(
                label, icon=f":material/{icon}:", key=f"{key}.tag.{icon}", on_click=_tag, args=(folders, act, field),
                help=f"{label}s these tags, for {text.plural(len(folders), 'run')}.",
            )  # fmt: skip


def _tag(folders: Sequence[RunFolder], act: Callable[..., object], field: str) -> None:
    tags = list(st.session_state.get(field) or [])
    if not tags:
        shell.say("No tag is chosen; type a word and press Enter first.", icon="label_off")
        return
    try:
        for folder in folders:
            act(folder, tags)
    except MolfunError as error:
        shell.say_problem(error)
        return
    shell.say(f"Tags of {text.plural(len(folders), 'run')} saved.", icon="label")
