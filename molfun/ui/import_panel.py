"""On the page Runs: trainings that were recorded elsewhere, and runs that were not sent to all of their trackers."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from molfun.errors import MolfunError
from molfun.runs.importing import import_runs
from molfun.runs.remotes import remote_names
from molfun.runs.senders import start_sender, unsent
from molfun.ui import shell, text

PATH = "runs.import.path"


def draw_import() -> None:
    """Draw the field for a path and the button that makes runs of what is there."""
    with st.expander("Bring in runs from elsewhere", icon=":material/download:"):
        st.caption(
            "TensorBoard event files, offline runs of wandb, a store of MLflow (mlruns, mlflow.db) or a CSV file with "
            "a column step or epoch: curves to compare with, without weights."
        )
        with st.container(horizontal=True, vertical_alignment="bottom"):
            path = st.text_input("File or folder on this machine", key=PATH, placeholder="/data/old_runs", width=420)
            wants = st.button("Import", icon=":material/download:", disabled=not path.strip(), key="runs.import")
        if wants:
            _import(path.strip())


def _import(path: str) -> None:
    try:
        with st.spinner("Reading"):
            folders = import_runs(shell.home(), Path(path))
    except MolfunError as error:
        st.error(shell.sentence(str(error)), icon=":material/error:")
        return
    shell.say(f"{text.plural(len(folders), 'run')} imported.")
    st.rerun()


def draw_unsent() -> None:
    """Say which runs wait to be sent to a tracker, with a button that sends them."""
    tracked = [folder for folder in shell.store().list() if remote_names(folder)]
    waiting = {folder.id: (folder, names) for folder in tracked if (names := unsent(folder))}
    if not waiting:
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        count = text.plural(len(waiting), "run is", "runs are")
        st.badge(f"{count} not sent to every tracker", color="orange", icon=":material/cloud_off:")
        if st.button("Send them", key="runs.send", icon=":material/cloud_upload:", help="The same as molfun sync."):
            try:
                for folder, names in waiting.values():
                    for name in names:
                        start_sender(folder, name)
            except OSError as error:
                st.error(shell.sentence(f"Sending cannot be started: {error}."), icon=":material/error:")
                return
            st.toast("Sending; the page of each run tells how far it is.", icon=":material/cloud_upload:")
