"""Large files that browsers take straight from the disk, at addresses that only a drawn page knows.

Streamlit's own downloads are held in the server's memory; a model has gigabytes. An address holds a random key that is
as good as the page that showed it, because a sign-in service guards pages and not the server's other addresses.
"""

from __future__ import annotations

import os
import secrets
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from threading import Lock

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from molfun.plain_files import open_plain

DOWNLOAD_ROUTE = "/molfun/files/{key}"
MAX_ADDRESSES = 1_000
CHUNK_BYTES = 1 << 20


class Addresses:
    """Keys of files, the oldest forgotten first."""

    def __init__(self) -> None:
        self._paths: OrderedDict[str, Path] = OrderedDict()
        self._keys: dict[Path, str] = {}
        self._lock = Lock()

    def key_of(self, path: Path) -> str:
        """Return the key of a file, the same one every time."""
        with self._lock:
            if path not in self._keys:
                key = secrets.token_urlsafe(32)
                self._paths[key], self._keys[path] = path, key
            while len(self._paths) > MAX_ADDRESSES:
                _, forgotten = self._paths.popitem(last=False)
                del self._keys[forgotten]
            return self._keys[path]

    def find(self, key: str) -> Path | None:
        """Return the file with that key, None where there is none."""
        with self._lock:
            return self._paths.get(key)


_addresses = Addresses()


def download_url(path: Path) -> str:
    """Return the address at which a file can be taken, for as long as the server runs."""
    return DOWNLOAD_ROUTE.format(key=_addresses.key_of(path))


async def serve(request: Request) -> Response:
    """Send a file piece by piece."""
    path = _addresses.find(str(request.path_params["key"]))
    try:
        if path is None:
            raise FileNotFoundError
        file = open_plain(path)
    except OSError:
        return PlainTextResponse("This file is gone; go back to the page of the run.", status_code=404)
    size = os.fstat(file.fileno()).st_size

    def pieces() -> Iterator[bytes]:
        with file:
            while piece := file.read(CHUNK_BYTES):
                yield piece

    headers = {
        "Content-Disposition": f'attachment; filename="{path.name}"', "Content-Length": str(size),
        "Cache-Control": "no-store",
    }  # fmt: skip
    return StreamingResponse(pieces(), media_type="application/zip", headers=headers)
