"""The frame around every page: title of the tab, navigation, sidebar. Run by the server for every visit."""

from __future__ import annotations

import streamlit as st

from molfun.ui import shell


def draw() -> None:
    """Draw the frame, then the page that the address names."""
    st.set_page_config(page_title="Molfun", page_icon=":material/genetics:", layout="wide")
    page = shell.navigation()
    shell.draw_style()
    shell.draw_sidebar()
    page.run()


if __name__ == "__main__":
    draw()
