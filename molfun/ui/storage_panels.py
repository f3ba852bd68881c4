"""Parts of the Settings page: what uses the disk, what clean-up would remove, and deleted runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import streamlit as st

from molfun.runs import bin as run_bin
from molfun.runs.cleaning import CleaningRules, Piece, clean, plan_cleaning
from molfun.runs.disk import DiskUse, format_bytes
from molfun.runs.frozen import free_store, list_stores
from molfun.ui import forms, shell, text

MEGABYTE = 1e6
SHOWN_PIECES = 200


def section(title: str) -> None:
    """Draw the heading of a part of the page."""
    st.subheader(title, anchor=False)


def draw_disk(use: DiskUse) -> None:
    """Draw free room, what the data folder's rooms take, and a table by run."""
    if use.is_low:
        st.warning(
            f"Only {format_bytes(use.free_bytes)} are free. A run whose disk is full fails; free some room below, or "
            "choose another place with MOLFUN_HOME.",
            icon=":material/hard_drive:",
        )
    taken = use.total_bytes - use.free_bytes
    st.progress(
        taken / use.total_bytes,
        text=f"{format_bytes(use.free_bytes)} free of {format_bytes(use.total_bytes)}, by everything on this disk",
    )
    with st.container(horizontal=True, gap="small"):
        for name, size in use.rooms.items():
            st.metric(name.capitalize(), format_bytes(size), width=148, help=_ROOMS[name])
    if use.runs.empty:
        st.caption("No run takes any room yet.")
        return
    st.dataframe(
        size_table(use.runs),
        hide_index=True,
        alt="Disk use of each run",
        column_config={"Run": st.column_config.TextColumn(width="medium")}
        | {
            name: st.column_config.NumberColumn(f"{name} (MB)", format="%.1f", help=note)
            for name, note in _SIZES.items()
        },
    )


_ROOMS = {
    "runs": "Settings, curves, checkpoints and predictions of all runs.",
    "datasets": "Saved datasets.",
    "cache": "What can be computed again.",
    "bin": "Deleted runs; they still take room.",
}
_SIZES = {
    "Total": "Everything in the run's folder.",
    "Best": "The best weights, and what is needed to go on from them.",
    "Last": "The last state and the one before it.",
    "Kept epochs": "Checkpoints of single epochs.",
    "Replaced": "Checkpoints that a later attempt left behind.",
    "Exports": "Models packed to be taken away.",
}


def size_table(runs: pd.DataFrame) -> pd.DataFrame:
    """Return `DiskUse.runs` as people read it, sizes in MB."""
    columns = dict(zip(_SIZES, ("bytes", "best", "last", "kept", "replaced", "exports"), strict=True))
    sizes = {title: runs[name] / MEGABYTE for title, name in columns.items()}
    return pd.DataFrame({"Run": runs["title"], "State": runs["status"].str.capitalize(), **sizes})


def draw_cleaning(home: Path) -> None:
    """Draw the rules, what they would remove, and the button that does it."""
    st.caption("Best weights, runs at work and whatever a stopped, failed or lost run goes on from always stay.")
    rules = CleaningRules.parse(forms.draw_settings(CleaningRules, key="settings.rules"))
    pieces = plan_cleaning(home, rules)
    total = sum(piece.num_bytes for piece in pieces)
    if pieces:
        st.dataframe(piece_table(pieces[:SHOWN_PIECES]), hide_index=True, alt="What clean-up would remove")
        if len(pieces) > SHOWN_PIECES:
            st.caption(f"The {SHOWN_PIECES} largest of {len(pieces):,} pieces are shown.")
    clicked = st.button(
        f"Free {format_bytes(total)}" if pieces else "Nothing to free",
        icon=":material/mop:",
        disabled=not pieces,
        help="Removes what is listed; asks first." if pieces else "Nothing may go by these rules.",
    )
    if clicked:
        _confirm_cleaning(home, pieces)


def piece_table(pieces: Sequence[Piece]) -> pd.DataFrame:
    """Return what may go as people read it."""
    return pd.DataFrame(
        [
            {"What": piece.what, "Run": piece.run_id, "Size": format_bytes(piece.num_bytes), "Without it": piece.cost}
            for piece in pieces
        ]
    )


@st.dialog("Free room?")
def _confirm_cleaning(home: Path, pieces: Sequence[Piece]) -> None:
    """Say what goes, and remove it."""
    total = format_bytes(sum(piece.num_bytes for piece in pieces))
    st.markdown(f"**{text.plural(len(pieces), 'piece')}** with {total} are removed for good.")
    with st.container(horizontal=True):
        if st.button(f"Free {total}", type="primary", icon=":material/mop:", help="Removes them now."):
            with st.spinner("Removing"):
                freed = clean(home, pieces)
            shell.say(f"Freed {format_bytes(freed)}.")
            st.rerun()
        if st.button("Keep everything", help="Closes this question."):
            st.rerun()


def draw_stores(home: Path) -> None:
    """Draw the kept states of frozen trunks, each with a button that removes it."""
    stores = list_stores(home)
    if not stores:
        st.caption("None are kept. A run whose trunk is frozen, or begins so, keeps its states for the next one.")
        return
    st.caption("What a trunk that does not train makes of a sequence; without it, the next run computes it again.")
    for store in stores:
        with st.container(border=True, horizontal=True, vertical_alignment="center"):
            about = f"{format_bytes(store.num_bytes)} · {text.plural(store.num_sequences, 'sequence')}"
            when = "a run is reading them" if store.is_open else f"read {text.ago(store.used or None)}"
            st.markdown(f"**{shell.plain(store.title)}**  \n:gray[{about} · {when}]")
            clicked = st.button(
                "Remove", key=f"frozen.{store.path.name}", icon=":material/delete:", disabled=store.is_open,
                help="A run has them open." if store.is_open else "Frees the room at once.",
            )  # fmt: skip
            if clicked:
                freed = free_store(store.path)
                shell.say(f"Freed {format_bytes(freed)}." if freed else "A run has opened them.")
                st.rerun()


def draw_bin(home: Path) -> None:
    """Draw deleted runs with their undo."""
    rows = run_bin.discarded(home)
    if rows.empty:
        st.caption("The bin is empty. A run that you delete lies here until you delete it for good.")
        return
    for row in rows.to_dict("records"):
        with st.container(border=True, horizontal=True, vertical_alignment="center"):
            when = None if pd.isna(row["deleted"]) else float(row["deleted"])
            st.markdown(
                f"**{shell.plain(row['title'])}**  \n:gray[deleted {text.ago(when)} · {format_bytes(row['bytes'])}]"
            )
            if st.button("Restore", key=f"bin.restore.{row['id']}", icon=":material/undo:", help="Brings it back."):
                with shell.sentences():
                    run_bin.restore(home, row["id"])
                shell.say(f"{shell.plain(row['title'])} is back.")
                st.rerun()
            if st.button(
                "Delete for good", key=f"bin.purge.{row['id']}", icon=":material/delete_forever:", help="Asks first."
            ):
                _confirm_purge(home, str(row["id"]), str(row["title"]))


@st.dialog("Delete for good?")
def _confirm_purge(home: Path, run_id: str, title: str) -> None:
    """Say that this cannot be undone, and do it."""
    st.markdown(f"**{shell.plain(title)}** is removed with its curves, weights and predictions. This cannot be undone.")
    with st.container(horizontal=True):
        if st.button("Delete for good", type="primary", icon=":material/delete_forever:", help="Removes it now."):
            with shell.sentences():
                freed = run_bin.purge(home, [run_id])
            shell.say(f"Freed {format_bytes(freed)}.")
            st.rerun()
        if st.button("Keep it", help="Closes this question."):
            st.rerun()
