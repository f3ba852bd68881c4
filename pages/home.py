"""Home: what is running, recent runs, and where to start."""

from __future__ import annotations

import streamlit as st

from molfun.data.dataset import list_datasets
from molfun.runs.history import list_runs
from molfun.ui import run_table, shell, start, text

RECENT = 8
REFRESH_SECONDS = 5

shell.page_title("Molfun", "Fine-tune protein models on your own measurements, and watch it happen.")


def draw_alive() -> None:
    """List the runs that are alive with their progress; refreshes while there are any."""
    alive = shell.alive_runs()
    if len(alive) != st.session_state.get("home.num_alive"):
        st.session_state["home.num_alive"] = len(alive)
        st.rerun()
    for folder, progress in alive:
        with st.container(border=True):
            left, right = st.columns([4, 1], vertical_alignment="center")
            with left:
                st.progress(progress or 0.0, text=shell.run_title(folder))
            with right:
                st.page_link(shell.LIVE, label="Watch", icon=":material/show_chart:", query_params={"run": folder.id})


alive = shell.alive_runs()
st.session_state["home.num_alive"] = len(alive)
if alive:
    st.subheader("Running now", anchor=False)
    st.fragment(draw_alive, run_every=REFRESH_SECONDS)()

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
    st.caption(f"{text.plural(num_saved, 'dataset')} saved · everything lies in {shell.home()}")
