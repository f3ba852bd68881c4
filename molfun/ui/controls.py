"""Live's controls: what can be asked of a run in the state that it is in, and what was answered.

Everything that talks to a scheduler, or waits for processes to end, is an errand of the launch desk.
"""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from molfun.errors import MolfunError
from molfun.runs import control, queue, steering
from molfun.runs.dispatcher import advance
from molfun.runs.launchers.base import How
from molfun.runs.launchers.catalog import TITLES, launcher_of
from molfun.runs.status import REMOTE, RunStatus
from molfun.runs.store import RunFolder
from molfun.ui import run_dialogs, shell
from molfun.ui.launch_desk import launch_desk

# What was asked and is obeyed at the next step edge, in words.
PENDING = {
    "checkpoint": "save a checkpoint",
    "halve_lr": "halve the learning rate",
    "extend": "take the new number of epochs",
}
STEER_KEY = "live.steer"
STEERING = {
    "checkpoint": ":material/save: Save a checkpoint now",
    "halve_lr": ":material/trending_down: Halve the learning rate",
    "stop_after_epoch": ":material/event_busy: Stop after this epoch",
    "more_epochs": ":material/add_circle: More epochs…",
}


def place_of(folder: RunFolder) -> str:
    """Return the name of the launcher by which a run was sent last, else that its settings name."""
    return launcher_of(folder).name


def look_of(folder: RunFolder, status: RunStatus) -> tuple[object, ...]:
    """Return what the controls depend on: when it changes, the page is drawn anew."""
    desk = launch_desk()
    asked = frozenset(control.requested(folder)) if status.alive else frozenset()
    return status.status, status.is_paused, asked, desk.under_way(folder.id), desk.problem(folder.id)


def draw_controls(folder: RunFolder, status: RunStatus) -> None:
    """Draw the buttons of a run, and the dialog that one of them opened."""
    errand = launch_desk().under_way(folder.id)
    with st.container(horizontal=True, key="live_controls"):
        if errand:
            st.button(errand, icon="spinner", disabled=True, help="This may take a few seconds.")
        elif status.status == "queued":
            _draw_waiting(folder)
        elif status.alive:
            _draw_working(folder, status)
        else:
            _draw_ended(folder, status)
    if status.is_over and not errand and not folder.read_state().get("imported"):
        _draw_resume_point(folder, status)
    run_dialogs.draw_open_dialog(folder, {"stop": stop_run, "extend": extend_run})


def draw_problem(folder: RunFolder) -> None:
    """Draw why the last errand for a run failed."""
    problem = launch_desk().problem(folder.id)
    if problem:
        st.error(shell.sentence(problem), icon=":material/error:")
        st.button(
            "Dismiss", on_click=launch_desk().forget, args=(folder.id,), help="Takes the message away.", key="live.ok"
        )


def _draw_waiting(folder: RunFolder) -> None:
    was_sent = bool(folder.read_state().get("attempt"))
    is_here = place_of(folder) not in REMOTE
    if not was_sent:
        _button("Send it", "resume", start_again, folder, "Its start was cut off before it was sent; sends it now.")
        _button("Delete…", "delete", run_dialogs.open_dialog, "delete", "Puts the run into the bin; asks first.")
        return
    if is_here:
        _button("Start now", "play_arrow", hurry, folder, "Starts it at once, beside whatever else is at work.")
        _button("First in line", "vertical_align_top", move_first, folder, "Lets it be the next one that starts.")
    _button("Cancel", "cancel", cancel, folder, "Takes it out of the queue; it can be resumed later.")


def _draw_working(folder: RunFolder, status: RunStatus) -> None:
    asked = control.requested(folder)
    is_stopping = status.status == "stopping"
    _button(
        "End at once…" if is_stopping else "Stop", "stop_circle", run_dialogs.open_dialog, "stop",
        "It stops after the step under way; asks before it ends it at once." if is_stopping
        else "Asks how: after this step, after this epoch, or at once.",
    )  # fmt: skip
    if is_stopping or status.status == "unknown":
        return
    if "pause" in asked or status.is_paused:
        _button("Continue", "play_circle", go_on, folder, "Goes on with the next step.")
    else:
        _button("Pause", "pause_circle", pause, folder, "Waits after the step under way and saves; keeps its memory.")
    st.menu_button(
        "Steer", list(STEERING), icon=":material/tune:", key=STEER_KEY, on_click=_steer_as_chosen, args=(folder,),
        format_func=lambda action: f"{STEERING[action]} (asked)" if action in asked else STEERING[action],
        help="Saves now, halves the learning rate, changes the number of epochs; the curves show when.",
    )  # fmt: skip


def _steer_as_chosen(folder: RunFolder) -> None:
    action = str(st.session_state[STEER_KEY])
    if action == "more_epochs":
        run_dialogs.open_dialog("extend")
    elif action in control.requested(folder):
        shell.say("Asked already; it is obeyed at the next step.", icon="hourglass_top")
    else:
        steer(folder, action)


def _draw_ended(folder: RunFolder, status: RunStatus) -> None:
    if not folder.read_state().get("imported"):  # that one was trained elsewhere and has curves only
        _draw_going_on(folder, status)
    _button("Delete…", "delete", run_dialogs.open_dialog, "delete", "Puts the run into the bin; asks first.")


def _draw_going_on(folder: RunFolder, status: RunStatus) -> None:
    point = launch_desk().resume_point(folder)
    is_possible = point is not None and point.is_possible
    about = "Comparing the checkpoints with their hashes." if point is None else point.sentence
    if status.status != "finished":
        st.button(
            "Resume", icon=":material/resume:", type="primary", disabled=not is_possible, help=about, key="live.resume",
            on_click=start_again, args=(folder,),
        )  # fmt: skip
    if status.status in ("finished", "stopped"):
        st.button(
            "Extend…", icon=":material/add_circle:", disabled=not is_possible, help=f"Trains more epochs. {about}",
            key="live.extend", on_click=run_dialogs.open_dialog, args=("extend",),
        )  # fmt: skip
    if st.button("Fork…", icon=":material/fork_right:", help="Opens New run filled in like this one.", key="live.fork"):
        st.switch_page(shell.NEW_RUN, query_params={"from": folder.id})


def _draw_resume_point(folder: RunFolder, status: RunStatus) -> None:
    """Draw where the run would go on, and which checkpoints are damaged."""
    point = launch_desk().resume_point(folder)
    if point is None:
        st.fragment(_wait_for_inspection, run_every=1)(folder)
        return
    named = "; ".join(f"{shell.plain(one.name)}: {shell.plain(one.problem)}" for one in point.damaged)
    if not point.is_possible:
        st.warning(f"{shell.sentence(point.sentence)} {named}.", icon=":material/heart_broken:")
        return
    if status.status != "finished":
        st.caption(point.sentence)
    if named:
        st.warning(f"Damaged checkpoints are passed over. {named}.", icon=":material/heart_broken:")


def _wait_for_inspection(folder: RunFolder) -> None:
    if launch_desk().resume_point(folder) is not None:
        st.rerun()


def _button(label: str, icon: str, act: Callable[..., None], argument: object, about: str) -> None:
    st.button(label, icon=f":material/{icon}:", help=about, on_click=act, args=(argument,), key=f"live.{icon}")


def attempt(work: Callable[[], object], words: str) -> bool:
    """Do something at once and tell it, or why it cannot be done; return whether it was."""
    try:
        work()
    except MolfunError as error:
        shell.say_problem(error)
        return False
    shell.say(words)
    return True


def send(folder: RunFolder, words: str, work: Callable[[], object]) -> None:
    """Let the desk do something that a page must not wait for."""
    if not launch_desk().send(folder.id, words, work):
        shell.say(f"{launch_desk().under_way(folder.id)} already.", icon="hourglass_top")


def hurry(folder: RunFolder) -> None:
    """Start a run that waits at once."""

    def work() -> None:
        queue.hurry(shell.home(), folder.id)
        advance(shell.home())

    attempt(work, "It starts at once.")


def move_first(folder: RunFolder) -> None:
    """Let a run that waits be the next one."""
    attempt(lambda: queue.move(shell.home(), folder.id, 0), "It is the next one.")


def cancel(folder: RunFolder) -> None:
    """Take a run out of the queue."""
    if place_of(folder) in REMOTE:
        send(folder, "Cancelling the job", lambda: launcher_of(folder).stop(folder))
    else:
        attempt(lambda: launcher_of(folder).stop(folder), "It waits no more; nothing was started.")


def pause(folder: RunFolder) -> None:
    """Let a run wait after its step."""
    attempt(lambda: steering.steer(folder, "pause"), "It pauses after the step under way.")


def go_on(folder: RunFolder) -> None:
    """Let a paused run go on."""
    attempt(lambda: steering.steer(folder, "continue"), "It goes on.")


def steer(folder: RunFolder, action: str) -> None:
    """Ask a run at work for something of the menu."""
    words = {
        "checkpoint": "It saves a checkpoint after its next step.",
        "halve_lr": "Its learning rate is halved from the next step on.",
        "stop_after_epoch": "It stops at the end of this epoch.",
    }
    attempt(lambda: steering.steer(folder, action), words[action])


def stop_run(folder: RunFolder, how: str) -> None:
    """Stop a run: "save" after its step, "epoch" after its epoch, "now" at once."""
    if how == "epoch":
        steer(folder, "stop_after_epoch")
        return
    kind: How = "now" if how == "now" else "save"
    if kind == "now" or place_of(folder) in REMOTE:
        words = "Ending the processes" if kind == "now" else "Asking the run to stop"
        send(folder, words, lambda: launcher_of(folder).stop(folder, how=kind))
    else:
        attempt(lambda: launcher_of(folder).stop(folder), "It stops after the step under way and saves.")


def start_again(folder: RunFolder) -> None:
    """Begin another attempt at a run: in the background where a cluster has to be asked."""
    place = place_of(folder)
    if place in REMOTE:
        send(folder, f"Sending the run to the {TITLES[place]}", lambda: launcher_of(folder).start(folder))
    else:
        attempt(lambda: launcher_of(folder).start(folder), "It is on its way.")


def extend_run(folder: RunFolder, epochs: int) -> None:
    """Give a run more epochs, and start it again where it ended."""
    takes_up: list[bool] = []
    was_done = attempt(
        lambda: takes_up.append(steering.extend_run(folder, epochs)), f"It trains {epochs:,} epochs in all."
    )
    if was_done and not takes_up[0]:
        start_again(folder)
