"""Start here: one click saves an example and opens New run with it."""

from __future__ import annotations

import streamlit as st

from molfun.data.examples import EXAMPLES, save_example
from molfun.errors import MolfunError
from molfun.ui import shell, text


def draw_example_starts(*, key: str, per_row: int = 3) -> None:
    """Draw one card an example; its button saves it and opens New run.

    Args:
        key: Prefix of the buttons' keys.
        per_row: Cards beside each other; fewer where the page leaves little room.
    """
    places = [place for _ in range(0, len(EXAMPLES), per_row) for place in st.columns(per_row)]
    for index, (place, example) in enumerate(zip(places, EXAMPLES.values(), strict=False)):
        with place, st.container(border=True, height="stretch"):
            st.markdown(f"**{example.title}**")
            st.badge(text.TASKS[example.task], color="blue")
            st.caption(example.summary)
            if st.button(
                "Try it",
                key=f"{key}.{example.name}",
                icon=":material/play_arrow:",
                type="primary" if index == 0 else "secondary",
                width="stretch",
                help=f"Saves “{example.title}” as a dataset and opens New run.",
            ):
                open_example(example.name)


def open_example(name: str) -> None:
    """Save an example as a dataset, unless it is, and open New run with it."""
    try:
        with st.spinner("Reading the example"):
            dataset = save_example(shell.datasets_root(), name)
    except MolfunError as error:
        st.error(shell.sentence(str(error)), icon=":material/error:")
        return
    st.switch_page(shell.NEW_RUN, query_params={"dataset": dataset.id})
