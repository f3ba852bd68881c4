"""Live: one run by its id in the address (?run=ID): state, controls, curves, log; when it ended, its result."""

from __future__ import annotations

import streamlit as st

from molfun.errors import MolfunError
from molfun.runs.spec import RunSpec
from molfun.runs.status import run_status
from molfun.runs.store import RunFolder
from molfun.ui import (
    controls,
    evidence_panels,
    export_panels,
    panels,
    repeat_panel,
    results,
    run_dialogs,
    run_facts,
    shell,
    state_panel,
    text,
)
from molfun.ui.launch_desk import launch_desk
from molfun.ui.run_curves import USUAL_SMOOTHING

SENDING_SECONDS = 1


def find_run() -> RunFolder:
    """Return the run named in the address; without one, the newest that is alive; else stop with a sentence."""
    run_id = shell.query("run")
    if run_id:
        try:
            return shell.store().get(run_id)
        except MolfunError as error:
            explain_absence(run_id, str(error))
            st.stop()
    runs = [folder for folder, _ in shell.open_runs()] or shell.store().list()
    if not runs:
        shell.page_title("Live", "Watch a run while it trains.")
        st.info("There is no run yet. Start one, and its curves appear here.", icon=":material/lightbulb:")
        st.page_link(shell.NEW_RUN, label="New run", icon=":material/add_circle:")
        st.stop()
    st.query_params["run"] = runs[0].id
    return runs[0]


def explain_absence(run_id: str, sentence: str) -> None:
    """Say why a run is not there: it was deleted, is being sent to a cluster, could not be sent, or never was."""
    shell.page_title("Live")
    desk = launch_desk()
    if run_dialogs.draw_binned(run_id):
        draw_all_runs()
    elif desk.under_way(run_id):
        st.fragment(draw_sending, run_every=SENDING_SECONDS)(run_id)
    elif problem := desk.problem(run_id):
        st.error(shell.sentence(problem), icon=":material/error:")
        form = st.session_state.get("new.address", {})
        st.page_link(shell.NEW_RUN, label="Back to the form", icon=":material/arrow_back:", query_params=form)
    else:
        st.warning(shell.sentence(sentence), icon=":material/search_off:")
        draw_all_runs()


def draw_all_runs() -> None:
    """Link to the list of runs."""
    st.page_link(shell.RUNS, label="All runs", icon=":material/list_alt:")


def draw_sending(run_id: str) -> None:
    """Show that a run is being sent, until it was or could not be."""
    words = launch_desk().under_way(run_id)
    if not words or (shell.store().root / run_id).is_dir():
        st.rerun()
    st.info(f"{words}. This page goes on by itself.", icon=":material/hourglass_top:")


def draw_view() -> panels.View:
    """Draw how curves are shown; what differs from the usual stands in the address."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        smoothing = st.slider(
            "Smoothing", 0.0, 0.99, panels.told_smoothing(), 0.01, key="live.smoothing", width=260,
            persist_state="session",
            help="Weight of the moving average over the training loss; it is free of the bias of its first steps.",
        )  # fmt: skip
        log_scale = st.toggle(
            "Log scale", value=shell.query("log") == "1", key="live.log_scale", help="Logarithmic loss axis.",
            persist_state="session",
        )  # fmt: skip
    shell.keep_in_address(
        {
            "smoothing": f"{smoothing:g}" if smoothing != USUAL_SMOOTHING else None,
            "log": "1" if log_scale else None,
        }
    )
    return panels.View(smoothing, log_scale)


shell.draw_said()
folder = find_run()
status = run_status(folder)
run_facts.draw_title(folder)
controls.draw_controls(folder, status)
controls.draw_problem(folder)
with shell.sentences():
    # Without its settings there is nothing more to show.
    RunSpec.from_yaml(folder.spec_path)
state_panel.draw_state(folder, status)
is_ours = not folder.read_state().get("imported")
if status.is_over and is_ours:
    results.draw_results(folder)
    results.draw_next_steps(folder)
    export_panels.draw_exports(folder)
if is_ours:
    with st.container(horizontal=True):
        if status.is_over:
            evidence_panels.draw_evidence([folder], key="live.evidence")
        repeat_panel.draw_repeat(folder)

if status.status != "queued" or folder.metrics_path.exists():
    st.subheader("Curves", anchor=False)
    panels.draw_curves(folder, status, draw_view())
    with st.expander("Log", expanded=status.status in ("failed", "lost")):
        panels.draw_log(folder, status)
run_facts.draw_script(folder)
with st.expander("Name, notes, tags"):
    run_facts.draw_about(folder)
with st.expander("Settings, checkpoints, environment"):
    if is_ours:
        results.draw_files(folder)
    created = text.moment(folder.read_state().get("created"))
    st.caption(f"Run folder: {shell.plain(str(folder.path))} · id {folder.id} · created {created}")
