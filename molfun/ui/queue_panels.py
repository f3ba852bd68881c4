"""The queue of this machine: what is at work, what waits for what, in which order, and how many at once."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from molfun.errors import MolfunError
from molfun.runs import queue
from molfun.runs.dispatcher import advance
from molfun.runs.launchers.local import LocalLauncher
from molfun.runs.machine import list_gpus
from molfun.runs.queue import Queue, num_slots, read_queue, why_waiting
from molfun.runs.status import run_status
from molfun.runs.store import RunFolder
from molfun.ui import controls, shell, text

REFRESH_SECONDS = 3
# The app's own watch asks the driver every few seconds; pages never have to.
GPU_AGE_SECONDS = 10.0
MAX_SLOTS = 64


def draw_queue() -> None:
    """Draw the queue where something waits or is at work; refreshes while there is."""
    found = read_queue(shell.home())
    if not (found.waiting or found.holding):
        return
    left, right = st.columns([4, 1], vertical_alignment="bottom")
    with left:
        st.subheader("Queue of this machine", anchor=False)
    with right:
        draw_slots(found)
    st.fragment(_rows, run_every=REFRESH_SECONDS)()


def draw_slots(found: Queue) -> None:
    """Draw how many runs may be at work at once, to be changed."""
    gpus = list_gpus(max_age_seconds=GPU_AGE_SECONDS)
    current = num_slots(found, gpus)
    # The number is part of the key, so that another tab's change is shown here too.
    key = f"queue.slots.{current}"
    st.number_input(
        "Runs at once", min_value=1, max_value=MAX_SLOTS, value=current, step=1, key=key, on_change=_set_slots,
        args=(key,), help="How many runs of this machine are at work at the same time; without a choice one a GPU, or "
        "one. A lower number stops none of them.",
    )  # fmt: skip


def _set_slots(key: str) -> None:
    number = int(st.session_state[key])

    def work() -> None:
        queue.set_slots(shell.home(), number)
        advance(shell.home())

    controls.attempt(work, f"{text.plural(number, 'run')} at once from now on.")


def _rows() -> None:
    """Draw a row for every run of the queue; when none is left, draw the page anew."""
    shell.draw_said()
    found, gpus = read_queue(shell.home()), list_gpus(max_age_seconds=GPU_AGE_SECONDS)
    if not (found.waiting or found.holding):
        st.rerun()
    with st.container(border=True, key="queue_rows", gap="xsmall"):
        for holder in found.holding:
            _draw_holder(holder.id, holder.gpus)
        for position, ticket in enumerate(found.waiting):
            _draw_waiting(ticket.id, position, len(found.waiting), why_waiting(found, ticket.id, gpus))


def _draw_holder(run_id: str, gpus: list[int]) -> None:
    folder = _find(run_id)
    if folder is None:
        return
    status = run_status(folder)
    where = f" · GPU {', '.join(map(str, gpus))}" if gpus else ""
    percent = "" if status.progress is None else f" · {status.progress:.0%}"
    left = "" if status.seconds_left is None or status.is_paused else f" · {text.duration(status.seconds_left)} left"
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        shell.status_badge(shell.shown_state(status))
        _link(folder)
        st.caption(f"{percent}{left}{where}".removeprefix(" · "), width="stretch")


def _draw_waiting(run_id: str, position: int, num_waiting: int, why: str) -> None:
    folder = _find(run_id)
    if folder is None:
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.badge(f"{position + 1}", color="gray", icon=":material/schedule:")
        _link(folder)
        st.caption(why, width="stretch")
        is_first, is_last = position == 0, position == num_waiting - 1
        with st.container(horizontal=True, gap="xxsmall", width="content"):
            _act("vertical_align_top", run_id, 0, "Be the next one.", disabled=is_first)
            _act("arrow_upward", run_id, position - 1, "One place forward.", disabled=is_first)
            _act("arrow_downward", run_id, position + 1, "One place back.", disabled=is_last)
            _button("play_arrow", run_id, "Start at once, beside whatever else is at work.", _hurry, folder)
            _button("cancel", run_id, "Take it out of the queue; it can be resumed later.", _cancel, folder)


def _act(icon: str, run_id: str, position: int, about: str, *, disabled: bool) -> None:
    _button(icon, run_id, about, _move, run_id, position, disabled=disabled)


def _button(
    icon: str, run_id: str, about: str, act: Callable[..., None], *arguments: object, disabled: bool = False
) -> None:
    st.button(
        "", icon=f":material/{icon}:", type="tertiary", help=about, key=f"queue.{icon}.{run_id}", on_click=act,
        args=arguments, disabled=disabled,
    )  # fmt: skip


def _link(folder: RunFolder) -> None:
    st.page_link(shell.LIVE, label=shell.plain(folder.title), query_params={"run": folder.id})


def _move(run_id: str, position: int) -> None:
    controls.attempt(lambda: queue.move(shell.home(), run_id, position), "Moved.")


def _hurry(folder: RunFolder) -> None:
    controls.hurry(folder)


def _cancel(folder: RunFolder) -> None:
    controls.attempt(lambda: LocalLauncher().stop(folder), "It waits no more; nothing was started.")


def _find(run_id: str) -> RunFolder | None:
    try:
        return shell.store().get(run_id)
    except MolfunError:
        return None
