"""Home: what is running, recent runs, and where to start."""

from __future__ import annotations

import streamlit as st

from molfun.data.dataset import list_datasets
from molfun.runs.history import list_runs
from molfun.runs.status import RunStatus
from molfun.ui import first_steps, run_table, shell, start, text, theme

RECENT, MAX_OPEN = 8, 5
REFRESH_SECONDS = 5

shell.page_title("Molfun", "Fine-tune protein models on your own measurements, and watch it happen.")


def draw_progress(title: str, status: RunStatus) -> None:
    """Draw how far a run is, or that it waits."""
    state = shell.shown_state(status)
    word = "" if state == "running" else f" · {theme.status_look(state).word.lower()}"
    if state == "queued":
        st.markdown(f":small[{title}{word}]")
    else:
        st.progress(status.progress or 0.0, text=f"{title}{word}")


def draw_open() -> None:
    """List the runs that are at work or wait, with their progress; refreshes while there are any."""
    runs = shell.open_runs()
    if len(runs) != st.session_state.get("home.num_open"):
        st.session_state["home.num_open"] = len(runs)
        st.rerun()
    for folder, status in runs[:MAX_OPEN]:
        with st.container(border=True):
            left, right = st.columns([4, 1], vertical_alignment="center")
            with left:
                draw_progress(shell.plain(folder.title), status)
            with right:
                st.page_link(shell.LIVE, label="Watch", icon=":material/show_chart:", query_params={"run": folder.id})
    if len(runs) > MAX_OPEN:
        st.page_link(shell.RUNS, label=f"{len(runs) - MAX_OPEN} more in the queue", icon=":material/list_alt:")


first_steps.draw_on_home()

num_open = st.session_state["home.num_open"] = len(shell.open_runs())
if num_open:
    st.subheader("Running now", anchor=False)
    st.fragment(draw_open, run_every=REFRESH_SECONDS)()

runs = list_runs(shell.home())
if len(runs):
    st.subheader("Recent runs", anchor=False)
    run_table.draw_runs(runs.head(RECENT), key="home.runs")
    with st.container(horizontal=True):
        st.page_link(shell.NEW_RUN, label="New run", icon=":material/add_circle:")
        st.page_link(shell.RUNS, label=f"All {text.plural(len(runs), 'run')}", icon=":material/list_alt:")

st.subheader("Start here" if runs.empty else "Examples", anchor=False)
st.markdown(":gray[Real, small data sets. One click saves the data and opens a run that only needs Start.]")
start.draw_example_starts(key="home.example")
st.page_link(shell.DATA, label="Or bring your own table", icon=":material/upload_file:")
num_saved = len(list_datasets(shell.datasets_root()))
if num_saved:
    st.caption(f"{text.plural(num_saved, 'dataset')} saved · everything lies in {shell.plain(str(shell.home()))}")
