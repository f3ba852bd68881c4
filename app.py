"""Molfun in the browser: the server that `streamlit run app.py` finds here. The frame around every page is
`molfun/ui/frame.py`, each screen a script in `pages/`.

The frame is no neighbour of `pages/` on purpose: Streamlit shows a `pages` folder beside its main script by itself, so
that the first visit to /live?run=ID would open the page without navigation, title or theme.
"""

from __future__ import annotations

from pathlib import Path

import streamlit as st
from starlette.middleware import Middleware

from molfun.ui import server
from molfun.ui.door import Door

app = st.App(
    Path(server.__file__).with_name("frame.py"),
    lifespan=server.lifespan,
    routes=server.routes(),
    middleware=[Middleware(Door)],
)
