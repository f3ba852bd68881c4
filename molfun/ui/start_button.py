"""The button that starts a run, once: a second click, or a slow network, finds the run that the first one started."""

from __future__ import annotations

import streamlit as st

from molfun.errors import MolfunError, RunError
from molfun.runs.launchers.catalog import TITLES
from molfun.runs.spec import RunSpec
from molfun.runs.store import new_run_id
from molfun.runs.submit import resolve_spec, submit_run
from molfun.ui import launch_form, shell
from molfun.ui.launch_desk import launch_desk


def draw_start(spec: RunSpec | None, problem: str, run_id: str) -> None:
    """Draw Start, or why it cannot be pressed."""
    if st.button(
        "Start",
        type="primary",
        icon=":material/play_arrow:",
        width="stretch",
        shortcut="Mod+Enter",
        disabled=bool(problem),
        key="new.start_button",
        help=shell.sentence(problem) or "Starts training in the background; it goes on when the browser is closed.",
    ):
        launch(spec, run_id)
    if problem:
        st.caption(f":material/block: {shell.sentence(problem)}")
    elif spec is not None and spec.launch.where == "local" and (note := launch_form.queue_note(shell.home())):
        st.caption(f":material/schedule: {note}")


def minted_id(form: str, spec: RunSpec | None) -> str:
    """Return the id of the run that this form will start: a second click finds the same one, a new form another."""
    clicked = bool(st.session_state.get("new.start_button"))
    key = f"{form}.run_id"
    known = st.session_state.get(key)
    is_used = known is not None and is_there(known)
    if known is None or (is_used and not clicked):
        name = "run" if spec is None else f"{spec.model.name}-{spec.strategy.kind}"
        known = st.session_state[key] = new_run_id(name)
    return str(known)


def launch(spec: RunSpec | None, run_id: str) -> None:
    """Start the run and go to its page; one that exists already was started by the first of two clicks."""
    if spec is None:
        return
    try:
        with st.spinner("Checking the data and starting"):
            send(spec, run_id)
    except RunError as error:
        if not is_there(run_id):
            st.error(shell.sentence(str(error)), icon=":material/error:")
            return
    except MolfunError as error:
        st.error(shell.sentence(str(error)), icon=":material/error:")
        return
    st.session_state["new.address"] = dict(st.query_params)
    st.switch_page(shell.LIVE, query_params={"run": run_id})


def send(spec: RunSpec, run_id: str) -> None:
    """Start a run of this machine at once; one of a cluster, which may take a while to answer, in the background."""
    where = spec.launch.where
    if where == "local":
        submit_run(shell.home(), spec, run_id=run_id)
    elif not is_there(run_id):
        resolved, _ = resolve_spec(shell.home(), spec)
        home = shell.home()
        launch_desk().send(
            run_id, f"Sending the run to the {TITLES[where]}", lambda: submit_run(home, resolved, run_id=run_id)
        )


def is_there(run_id: str) -> bool:
    """Tell whether a run of that id exists."""
    return (shell.store().root / run_id).is_dir()
