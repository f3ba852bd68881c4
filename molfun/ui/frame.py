"""The frame around every page: title of the tab, navigation, sidebar. Run by the server for every visit."""

from __future__ import annotations

import streamlit as st

from molfun.ui import first_steps, identity, shell
from molfun.ui.password import password_stamp
from molfun.ui.sign_in import SIGN_OUT

# A double helix. Drawn here, because the icons that Streamlit has for tabs are fetched from another site.
ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24" fill="none" stroke="#2577ba" stroke-width="2.4" '
    'stroke-linecap="round"><path d="M6 2c0 8 12 12 12 20M18 2c0 8-12 12-12 20M8 5h8M8 19h8"/></svg>'
)


def draw() -> None:
    """Draw the frame, then the page that the address names."""
    st.set_page_config(page_title="Molfun", page_icon=ICON, layout="wide")
    identity.hold_at_door()
    page = shell.navigation()
    shell.draw_style()
    shell.draw_sidebar()
    if page.url_path:  # Home, which has none, draws all of them
        first_steps.draw_in_sidebar()
    _draw_sign_out()
    page.run()


def _draw_sign_out() -> None:
    """Offer to leave where people had to sign in."""
    if password_stamp(shell.home()) is not None:
        # Plain HTML: Streamlit's own links open a new tab.
        st.sidebar.html(f'<a href="{SIGN_OUT}" style="color: inherit">Sign out</a>')
    identity.draw_sign_out()


if __name__ == "__main__":
    draw()
