"""Questions that are asked before something is done to a run: how to stop it, how many epochs more, whether to delete.

Which dialog is open is kept in the session, so that it stays open while the page behind it is drawn anew.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import streamlit as st

from molfun.errors import MolfunError
from molfun.runs import bin as run_bin
from molfun.runs.launchers.local import KILL_AFTER_SECONDS
from molfun.runs.status import run_status
from molfun.runs.steering import MAX_EPOCHS
from molfun.runs.store import RUN_ID, RunFolder
from molfun.ui import shell, text

OPEN = "live.dialog"
DELETED = "runs.deleted"
MAX_NAMED = 8


def open_dialog(name: str) -> None:
    """Open a dialog with the next drawing of the page."""
    st.session_state[OPEN] = name


def close_dialog() -> None:
    """Close the dialog that is open."""
    st.session_state.pop(OPEN, None)


def draw_open_dialog(folder: RunFolder, acts: Mapping[str, Callable[..., None]]) -> None:
    """Draw the dialog that is open, if one is.

    Args:
        folder: The run.
        acts: What "stop" (folder, how) and "extend" (folder, epochs) do.
    """
    status, name = run_status(folder), st.session_state.get(OPEN)
    if name == "stop" and status.alive:
        _ask_stop(folder, acts["stop"], is_stopping=status.status == "stopping")
    elif name == "extend" and (status.alive or status.is_over):
        _ask_epochs(folder, acts["extend"])
    else:
        is_open = status.alive or (status.status == "queued" and folder.read_state().get("attempt"))
        draw_delete_dialog([] if is_open else [folder])


def _answer(act: Callable[..., None], *arguments: object) -> None:
    close_dialog()
    act(*arguments)


def _button(label: str, act: Callable[..., None], *arguments: object, key: str, **style: Any) -> None:
    """Draw a button that closes the dialog and does something: a click alone would only draw the dialog anew."""
    if st.button(label, key=f"dialog.{key}", on_click=_answer, args=(act, *arguments), **style):
        st.rerun()


def _draw_way_out(label: str) -> None:
    _button(label, close_dialog, key="keep", help="Closes this question; nothing is changed.")


@st.dialog("Stop this run?", on_dismiss=close_dialog)
def _ask_stop(folder: RunFolder, act: Callable[..., None], *, is_stopping: bool) -> None:
    if not is_stopping:
        _rung(
            "Stop and save", "stop_circle", act, folder, "save",
            "The step under way is finished, a checkpoint is saved, and the best weights are scored on the test rows. "
            "Nothing is lost; *Resume* goes on from there.",
        )  # fmt: skip
        _rung(
            "Stop after this epoch", "event_busy", act, folder, "epoch",
            "Trains the epoch to its end, validates and saves it, and stops then; the best weights are scored as well.",
        )  # fmt: skip
    _rung(
        "End at once", "dangerous", act, folder, "now",
        f"Asks the processes to save and end (SIGTERM), and kills those that are left after {KILL_AFTER_SECONDS:.0f} s "
        "(SIGKILL). Steps since the last checkpoint may be lost, and there is no test score.",
    )  # fmt: skip
    _draw_way_out("Keep running")


def _rung(label: str, icon: str, act: Callable[..., None], folder: RunFolder, how: str, cost: str) -> None:
    """Draw one way to stop, with what it costs."""
    _button(
        label, act, folder, how, key=how, icon=f":material/{icon}:", width="stretch",
        type="primary" if how == "save" else "secondary", help="What it means is written below.",
    )  # fmt: skip
    st.caption(cost)


@st.dialog("More epochs", on_dismiss=close_dialog)
def _ask_epochs(folder: RunFolder, act: Callable[..., None]) -> None:
    state = folder.read_state()
    done = int(state.get("epoch") or 0)
    with shell.sentences():
        planned = folder.epochs
    st.markdown(f"{text.plural(done, 'epoch')} of {planned:,} trained so far.")
    epochs = st.number_input(
        "Epochs in all", min_value=done + 1, max_value=MAX_EPOCHS, value=max(planned + max(1, planned // 2), done + 1),
        step=1, key=f"dialog.epochs.{folder.id}.{planned}", help="Those that are trained already are counted as well.",
    )  # fmt: skip
    st.caption(
        "The learning rate follows its schedule over the new number of steps, as if it had been so from here on."
    )
    with st.container(horizontal=True):
        _button(
            "Train them", act, folder, int(epochs), key="extend", type="primary", icon=":material/add_circle:",
            help="Takes effect at the next step.",
        )  # fmt: skip
        _draw_way_out("Leave it")


def draw_delete_dialog(folders: Sequence[RunFolder]) -> None:
    """Draw the question whether to delete runs, where it was asked for."""
    if st.session_state.get(OPEN) == "delete" and folders:
        _ask_delete(list(folders))
    else:
        close_dialog()


@st.dialog("Delete?", on_dismiss=close_dialog)
def _ask_delete(folders: list[RunFolder]) -> None:
    for folder in folders[:MAX_NAMED]:
        st.markdown(f"- **{shell.plain(folder.title)}**")
    if len(folders) > MAX_NAMED:
        st.markdown(f"- and {len(folders) - MAX_NAMED} more")
    st.caption(
        "Curves, weights and predictions go to the bin. They can be put back at once, or later on the page Settings; "
        "their room on the disk is not freed before the bin is emptied."
    )
    with st.container(horizontal=True):
        _button(
            f"Delete {text.plural(len(folders), 'run')}", discard_runs, folders, key="delete", type="primary",
            icon=":material/delete:", help="Puts them into the bin.",
        )  # fmt: skip
        _draw_way_out("Keep")


def discard_runs(folders: Sequence[RunFolder]) -> None:
    """Put runs into the bin; those that are, are told by `draw_deleted`, and why others are not at once."""
    deleted = []
    for folder in folders:
        try:
            title = folder.title
            run_bin.discard(folder)
            deleted.append((folder.id, title))
        except MolfunError as error:
            shell.say_problem(error)
    st.session_state[DELETED] = deleted


def draw_deleted() -> None:
    """Draw what was put into the bin last, with a button that brings it back."""
    deleted = st.session_state.get(DELETED)
    if not deleted:
        return
    what = shell.plain(deleted[0][1]) if len(deleted) == 1 else f"{len(deleted)} runs"
    with st.container(border=True, horizontal=True, vertical_alignment="center", key="runs_deleted"):
        st.markdown(f":material/delete: {what} deleted.", width="stretch")
        st.button("Undo", icon=":material/undo:", on_click=_undo, help="Brings back what was deleted.", key="runs.undo")
        st.button(
            "", icon=":material/close:", type="tertiary", on_click=_forget, help="Takes the message away.",
            key="runs.forget",
        )  # fmt: skip


def _undo() -> None:
    _restore([run_id for run_id, _ in st.session_state.pop(DELETED, [])])


def _restore(run_ids: Sequence[str]) -> None:
    left = 0
    for run_id in run_ids:
        try:
            run_bin.restore(shell.home(), run_id)
        except MolfunError as error:
            left += 1
            shell.say_problem(error)
    _forget()
    if not left:
        shell.say("It is back." if len(run_ids) == 1 else "Everything is back.", icon="undo")


def _forget() -> None:
    st.session_state.pop(DELETED, None)


def draw_binned(run_id: str) -> bool:
    """Draw that a run lies in the bin, with a button that brings it back; return whether it does."""
    path = shell.home() / "bin" / run_id
    if not RUN_ID.fullmatch(run_id) or not path.is_dir():
        return False
    st.info(f"The run {shell.plain(RunFolder(path).title)} was deleted and lies in the bin.", icon=":material/delete:")
    st.button(
        "Undo", icon=":material/undo:", on_click=_restore, args=([run_id],), key="live.undo",
        help="Brings the run back from the bin.",
    )  # fmt: skip
    return True
