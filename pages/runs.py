"""Runs: the queue of this machine, and every run with its state, scores and curve; a click on a name opens it."""

from __future__ import annotations

import streamlit as st

from molfun.runs.history import list_runs
from molfun.ui import import_panel, queue_panels, run_dialogs, run_table, shell, start, text, theme

shell.page_title("Runs", "Every run with its state, scores and validation curve. A click on a name opens it.")
shell.draw_said()
run_dialogs.draw_deleted()
queue_panels.draw_queue()
import_panel.draw_unsent()
runs = list_runs(shell.home())
if runs.empty:
    st.info(
        "There is no run yet. A run trains one model with one strategy on one dataset and keeps everything "
        "in its own folder: settings, curves, weights, test predictions.",
        icon=":material/lightbulb:",
    )
    start.draw_example_starts(key="runs.start")
    import_panel.draw_import()
    st.stop()

with st.container(horizontal=True, vertical_alignment="bottom"):
    search = st.text_input(
        "Search",
        placeholder="Name, strategy, model, data, notes",
        width=300,
        help="Keeps runs in which the words occur.",
    )
    tags = sorted({tag for known in runs["tags"] for tag in known})
    shown_tags = st.multiselect("Tags", tags, width=240, help="Keeps runs that have all of these.") if tags else []
    shown_states = st.pills(
        "State",
        sorted(runs["status"].unique()),
        selection_mode="multi",
        help="Keeps runs in these states; none keeps all.",
        format_func=lambda status: theme.status_look(status).word,
    )
shown = run_table.matching(runs, search, shown_states, shown_tags)
chosen = run_table.draw_runs(shown, key="runs.table", is_choice=True)
if chosen:
    run_table.draw_actions(chosen, key="runs")
st.caption(f"{len(shown):,} of {text.plural(len(runs), 'run')} · tick rows to tag or delete them together")
st.page_link(shell.NEW_RUN, label="New run", icon=":material/add_circle:")
import_panel.draw_import()
