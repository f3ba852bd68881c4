"""Live: one run by its id in the address (?run=ID): state, curves, log; when it ended, its result."""

from __future__ import annotations

import streamlit as st

from molfun.adapters.catalog import MODELS
from molfun.errors import MolfunError
from molfun.runs.control import request
from molfun.runs.launchers.local import LocalLauncher
from molfun.runs.status import RunStatus, run_status
from molfun.runs.store import RunFolder
from molfun.training.catalog import STRATEGIES
from molfun.ui import panels, results, shell, text


def find_run() -> RunFolder:
    """Return the run named in the address; without one, the newest that is alive; else stop with a sentence."""
    run_id = shell.query("run")
    if run_id:
        try:
            return shell.store().get(run_id)
        except MolfunError as error:
            shell.page_title("Live")
            st.warning(str(error), icon=":material/search_off:")
            offer_runs()
            st.stop()
    alive = shell.alive_runs()
    runs = [folder for folder, _ in alive] or shell.store().list()
    if not runs:
        shell.page_title("Live", "Watch a run while it trains.")
        st.info("There is no run yet. Start one, and its curves appear here.", icon=":material/lightbulb:")
        st.page_link(shell.NEW_RUN, label="New run", icon=":material/add_circle:")
        st.stop()
    st.query_params["run"] = runs[0].id
    return runs[0]


def offer_runs() -> None:
    """Link to the list of runs."""
    st.page_link(shell.RUNS, label="All runs", icon=":material/list_alt:")


def describe(folder: RunFolder) -> str:
    """Return strategy, model and weights in one line."""
    spec = folder.spec
    card = MODELS.get(spec.model.name)
    model = card.short_title if card else spec.model.name
    weights = "" if spec.model.weights == "pretrained" else f" · {spec.model.weights} weights"
    return f"{STRATEGIES[spec.strategy.kind].title} on {model}{weights} · {spec.data.dataset}"


@st.dialog("Stop this run?")
def confirm_stop(folder: RunFolder) -> None:
    """Say what stopping does, and do it."""
    st.markdown(
        "The step under way is finished, a checkpoint is saved, and the best weights are scored on the test rows. "
        "The run keeps its curves, and can be resumed later."
    )
    with st.container(horizontal=True):
        if st.button(
            "Stop and save", type="primary", icon=":material/stop_circle:", help="Finish the step, save, end."
        ):
            request(folder, "stop")
            st.rerun()
        if st.button("End at once", icon=":material/dangerous:", help="End the process; what was not saved is lost."):
            with shell.sentences(), st.spinner("Ending the process"):
                LocalLauncher().stop(folder, how="now")
            st.rerun()
        if st.button("Keep running", help="Close this question."):
            st.rerun()


def draw_resume(folder: RunFolder) -> None:
    """Draw the button that goes on with a run that ended early."""
    step = folder.saved_step
    from_where = "from its beginning: no checkpoint was written" if step is None else f"after step {step:,}"
    clicked = st.button(
        "Resume",
        icon=":material/resume:",
        width="stretch",
        help=f"Goes on {from_where}. The result is that of a run that was never interrupted.",
    )
    if clicked:
        with shell.sentences(), st.spinner("Starting"):
            LocalLauncher().start(folder)
        st.rerun()


def draw_title(folder: RunFolder, status: RunStatus) -> None:
    """Draw name and Stop button, or Resume where the run ended early."""
    left, right = st.columns([4, 1], vertical_alignment="bottom")
    with left:
        st.title(shell.run_title(folder), anchor=False)
        st.markdown(f":gray[{describe(folder)}]")
    with right:
        if status.alive:
            is_stopping = status.status == "stopping"
            clicked = st.button(
                "Stopping" if is_stopping else "Stop",
                icon=":material/stop_circle:",
                width="stretch",
                disabled=is_stopping,
                help="Stops after the step under way and saves; asks first.",
            )
            if clicked:
                confirm_stop(folder)
        elif status.status in ("stopped", "failed", "lost"):
            draw_resume(folder)


def draw_view() -> panels.View:
    """Draw how curves are shown."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="large"):
        smoothing = st.slider(
            "Smoothing",
            0.0,
            0.99,
            0.8,
            0.01,
            key="live.smoothing",
            width=260,
            persist_state="session",
            help="Weight of the moving average over the training loss; it is free of the bias of its first steps.",
        )
        log_scale = st.toggle("Log scale", key="live.log_scale", help="Logarithmic loss axis.", persist_state="session")
    return panels.View(smoothing, log_scale)


folder = find_run()
with shell.sentences():
    status = run_status(folder)
    draw_title(folder, status)
panels.draw_state(folder, status)
if not status.alive:
    results.draw_results(folder)
    results.draw_next_steps(folder)

st.subheader("Curves", anchor=False)
panels.draw_curves(folder, status, draw_view())

with st.expander("Log", expanded=status.status in ("failed", "lost")):
    panels.draw_log(folder, status)
with st.expander("Settings, checkpoints, environment"):
    results.draw_files(folder)
    st.caption(
        f"Run folder: {folder.path} · id {folder.id} · created {text.moment(folder.read_state().get('created'))}"
    )
