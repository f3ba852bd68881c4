"""What the server does beside running scripts: prepares its process, serves files, ends what it started."""

from __future__ import annotations

import gc
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import import_module, resources
from pathlib import Path
from typing import Any

import plotly
import streamlit as st
from starlette.requests import Request
from starlette.responses import FileResponse
from starlette.routing import Route

from molfun.home import data_home
from molfun.runs.warm_start import shared_warm_start
from molfun.runs.watch import Watch
from molfun.ui.addresses import is_loopback
from molfun.ui.door import others_may_enter
from molfun.ui.downloads import DOWNLOAD_ROUTE, serve
from molfun.ui.password import password_stamp

logger = logging.getLogger(__name__)

# Together they import all that the pages import; named, because some of them import this module.
WARM = tuple(
    f"molfun.ui.{name}"
    for name in (
        "controls", "data_panels", "export_panels", "launch_form", "machine_panels", "preview", "queue_panels",
        "results", "run_table", "start", "start_button", "state_panel", "storage_panels",
    )
)  # fmt: skip
PLOTLY_ROUTE = "/molfun/plotly.min.js"


@asynccontextmanager
async def lifespan(app: Any) -> AsyncIterator[None]:
    """Load what pages need, and keep it out of every later garbage collection: refreshes get ten times cheaper."""
    _warn_of_open_address()
    for name in WARM:
        import_module(name)
    gc.collect()
    gc.freeze()
    watch = Watch(data_home())
    watch.start()
    shared_warm_start().open(data_home())
    yield
    shared_warm_start().close()
    watch.close()


def _warn_of_open_address() -> None:
    """Say what will happen where somebody bound a public address without `molfun app`, which would have refused."""
    address = st.get_option("server.address")
    if not is_loopback(address) and password_stamp(data_home()) is None and not others_may_enter():
        logger.warning(
            "The app is bound to %s, but other machines are refused: no sign-in is configured. Set a password with "
            "`molfun password`, or start the app with `molfun app`.",
            address or "all addresses",
        )


def routes() -> list[Route]:
    """Return the addresses that the app serves beside its pages."""
    return [Route(PLOTLY_ROUTE, _plotly), Route(DOWNLOAD_ROUTE, serve)]


async def _plotly(request: Request) -> FileResponse:
    """Serve the script that the plotly package ships; the version is in the query, so browsers may keep it."""
    path = Path(str(resources.files(plotly) / "package_data" / "plotly.min.js"))
    return FileResponse(
        path, media_type="text/javascript", headers={"Cache-Control": "public, max-age=31536000, immutable"}
    )


def plotly_url() -> str:
    """Return the address of plotly's script, with its version."""
    return f"{PLOTLY_ROUTE}?v={plotly.__version__}"
