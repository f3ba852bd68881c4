"""The button that hands on a run as a file which trains it again; the file is written when it is asked for."""

from __future__ import annotations

from functools import partial

import streamlit as st

from molfun.adapters.catalog import find_model
from molfun.errors import MolfunError
from molfun.runs.repeat import repeat_of
from molfun.runs.repeat_files import FILES, Kind, write_repeat
from molfun.runs.store import RunFolder
from molfun.ui import shell


def draw_repeat(folder: RunFolder) -> None:
    """Draw the button, of a run in any state."""
    with st.popover("Open as", icon=":material/code:", help="A file that trains this run again."):
        st.markdown(
            "A file that trains this run again, from the same data to the same numbers, and says where that is not "
            "possible: to change a setting, to hand it on, to keep it beside a paper."
        )
        try:  # what `repeat_of` would stumble over, without the rest of it
            find_model(folder.spec.model.name)
        except MolfunError as error:
            st.error(shell.sentence(str(error)), icon=":material/error:")
            return
        with st.container(horizontal=True):
            for kind, about in FILES.items():
                st.download_button(
                    about.title, partial(repeat_text, folder, kind), file_name=f"{folder.id}{about.ending}",
                    mime=about.mime, icon=ICONS[kind], on_click="ignore", key=f"live.repeat.{kind}",
                )  # fmt: skip
        st.caption(f"The same without the app: `molfun runs open {folder.id} --as notebook -o FILE`")


ICONS: dict[Kind, str] = {
    "notebook": ":material/menu_book:", "python": ":material/data_object:", "command": ":material/terminal:",
}  # fmt: skip


def repeat_text(folder: RunFolder, kind: Kind) -> str:
    """Return the file; where a run cannot be trained again, the reason."""
    try:
        return write_repeat(repeat_of(folder), kind)
    except MolfunError as error:
        return f"{error}\n"
