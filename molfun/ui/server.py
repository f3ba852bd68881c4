"""What the server does beside running scripts: prepares its process, serves plotly's script, ends what it started."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import import_module, resources
from pathlib import Path
from typing import Any

import plotly
from starlette.requests import Request
from starlette.responses import FileResponse
from starlette.routing import Route

# Together they import all that the pages import; named, because some of them import this module.
WARM = tuple(f"molfun.ui.{name}" for name in ("data_panels", "preview", "results", "run_table", "start"))
PLOTLY_ROUTE = "/molfun/plotly.min.js"


@asynccontextmanager
async def lifespan(app: Any) -> AsyncIterator[None]:
    """Load what pages need, and keep it out of every later garbage collection: refreshes get ten times cheaper."""
    for name in WARM:
        import_module(name)
    gc.collect()
    gc.freeze()
    yield


def routes() -> list[Route]:
    """Return the addresses that the app serves beside its pages."""
    return [Route(PLOTLY_ROUTE, _plotly)]


async def _plotly(request: Request) -> FileResponse:
    """Serve the script that the plotly package ships; the version is in the query, so browsers may keep it."""
    path = Path(str(resources.files(plotly) / "package_data" / "plotly.min.js"))
    return FileResponse(
        path, media_type="text/javascript", headers={"Cache-Control": "public, max-age=31536000, immutable"}
    )


def plotly_url() -> str:
    """Return the address of plotly's script, with its version."""
    return f"{PLOTLY_ROUTE}?v={plotly.__version__}"
