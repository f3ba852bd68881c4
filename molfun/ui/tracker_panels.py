"""Remote trackers on the pages: how far a run was sent, and on Settings whether their keys are there."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec

import streamlit as st

from molfun.errors import MolfunError
from molfun.runs.keys import ask_service, has_keyring, keep, place_of
from molfun.runs.remotes import Remote, read_remotes
from molfun.runs.senders import start_sender
from molfun.runs.status import RunStatus
from molfun.runs.store import RunFolder
from molfun.tracking.catalog import TRACKERS, TrackerCard
from molfun.ui import shell

COLORS = {"done": "green", "sending": "blue", "offline": "orange", "waiting": "gray"}
ICONS = {
    "done": ":material/cloud_done:", "sending": ":material/cloud_upload:", "offline": ":material/cloud_off:",
    "waiting": ":material/schedule_send:",
}  # fmt: skip
# What becomes of what was not sent, by whether the run is over.
KEPT = {
    False: "Nothing is lost: the record is here, and sending is tried again by itself.",
    True: "Nothing is lost: the record is here. It is tried again by itself, and at once with *Send now*.",
}
PLACES = {
    "environment": "Set in the environment",
    "keyring": "Kept in the keyring",
    "login": "Kept by wandb login",
    "": "Not there",
}


def draw_remotes(folder: RunFolder, status: RunStatus) -> None:
    """Draw a label for each remote tracker of a run, its page there, and a button where something was not sent."""
    remotes = read_remotes(folder, status.status if status.is_over else "")
    if not remotes:
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        for remote in remotes:
            st.badge(remote.words, color=COLORS[remote.state], icon=ICONS[remote.state])  # type: ignore[arg-type]
            if remote.link:
                st.link_button(
                    f"Open in {remote.title}", remote.link, type="tertiary", icon=":material/open_in_new:",
                    help="The run's own page at the service.",
                )  # fmt: skip
    for remote in remotes:
        if remote.error:
            st.caption(f"{shell.plain(f'{remote.title}: {remote.error}')} {KEPT[status.is_over]}")
    left = [remote for remote in remotes if remote.state in ("offline", "waiting")]
    if status.is_over and left:
        _draw_send(folder, left)


def _draw_send(folder: RunFolder, remotes: Sequence[Remote]) -> None:
    if st.button(
        "Send now", key=f"remotes.send.{folder.id}", icon=":material/cloud_upload:",
        help="Sends what is missing; nothing is lost while it waits. The same as molfun sync.",
    ):  # fmt: skip
        try:
            for remote in remotes:
                start_sender(folder, remote.name)
        except OSError as error:
            st.error(shell.sentence(f"Sending cannot be started: {error}."), icon=":material/error:")
            return
        st.toast("Sending; this label tells how far it is.", icon=":material/cloud_upload:")


def draw_keys() -> None:
    """Draw each tracker with whether its package and its keys are there; a key itself is never shown."""
    st.caption("Every run keeps its own record here. A tracker is beside it: choose one on New run.")
    can_keep = has_keyring()
    for card in TRACKERS.values():
        is_installed = not card.package or find_spec(card.package) is not None
        with st.expander(f"{card.title} · {_state(card, is_installed=is_installed)}"):
            st.markdown(card.summary)
            if not is_installed:
                st.code(f"pip install {card.requirement}", language="bash")
                continue
            _draw_card(card, can_keep=can_keep)


def _state(card: TrackerCard, *, is_installed: bool) -> str:
    if not is_installed:
        return "not installed"
    names = variables_of(card)
    needed = [card.address] if card.needs_address else list(card.keys)
    if not names:
        return "ready"
    what = "address" if card.needs_address else "key"
    return f"{what} found" if all(place_of(name) for name in needed) else f"no {what} found"


def variables_of(card: TrackerCard) -> list[str]:
    """Return the variables that a tracker looks at, the address first where it needs one."""
    names = [card.address, *card.keys] if card.needs_address else [*card.keys, card.address]
    return [name for name in names if name]


def _draw_card(card: TrackerCard, *, can_keep: bool) -> None:
    if card.words:
        st.caption(card.words)
    for name in variables_of(card):
        place = place_of(name)
        with st.container(horizontal=True, vertical_alignment="bottom"):
            st.markdown(f"`{name}`  \n:gray[{PLACES[place]}]", width=320)
            if can_keep and place != "environment":
                _draw_keep(name, is_there=bool(place))
    if variables_of(card) and not can_keep:
        st.caption("This machine has no keyring; set the variables before the app is started.")
    if st.button("Test connection", key=f"keys.test.{card.name}", icon=":material/network_check:"):
        with st.spinner("Asking the service"):
            answer = ask_service(card.name)
        show, icon = (st.success, ":material/check:") if answer.is_good else (st.error, ":material/error:")
        show(shell.sentence(answer.words), icon=icon)


def _draw_keep(name: str, *, is_there: bool) -> None:
    is_secret = not name.endswith(("_URI", "_URL", "_HOST", "_OVERRIDE", "_USERNAME"))
    field = f"keys.{name}"
    st.text_input(
        "New value", key=field, type="password" if is_secret else "default", width=280, autocomplete="off",
        help="Kept in the system's keyring. It is not shown again; empty forgets it.",
    )  # fmt: skip
    st.button(
        "Forget or replace" if is_there else "Keep", key=f"{field}.keep", on_click=_keep, args=(name, field),
        icon=":material/key:",
    )  # fmt: skip


def _keep(name: str, field: str) -> None:
    """Keep what was typed, and empty the field at once: the session must not hold a key."""
    value, st.session_state[field] = str(st.session_state.get(field, "")), ""
    try:
        keep(name, value)
    except MolfunError as error:
        shell.say_problem(error)
        return
    shell.say(f"{name} is {'kept' if value.strip() else 'forgotten'}.", icon="key")
