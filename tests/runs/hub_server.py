"""A small Hugging Face hub on loopback: makes repositories and takes commits, and remembers all that it was sent."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKEN = "hf_plantedtokenplantedtoken"


@dataclass
class Hub:
    """What the server was sent.

    Attributes:
        url: Its address.
        refuses: Status that is answered to every request, 0 for none.
        breaks: Whether commits fail.
        private: By repository, whether it was made private.
        files: By repository, content of its files by path.
        requests: Method, path, headers and body of each request.
    """

    url: str = ""
    refuses: int = 0
    breaks: bool = False
    private: dict[str, bool] = field(default_factory=dict)
    files: dict[str, dict[str, bytes]] = field(default_factory=dict)
    requests: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)

    def answer(self, path: str, body: bytes) -> tuple[int, dict[str, Any]]:
        """Return status and content for a POST."""
        if self.refuses:
            return self.refuses, {"error": "refused"}
        if path == "/api/repos/create":
            return self._create(json.loads(body))
        if path == "/api/validate-yaml":
            return 200, {"errors": [], "warnings": []}
        repository, _, act = path.removeprefix("/api/models/").partition("/main")[0].rpartition("/")
        if act == "preupload":
            files = [file["path"] for file in json.loads(body)["files"]]
            return 200, {"files": [{"path": p, "uploadMode": "regular", "shouldIgnore": False} for p in files]}
        if act == "commit" and not self.breaks:
            return self._commit(repository, body)
        return 400, {"error": "no such act"}

    def _create(self, asked: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        name = f"{asked['organization']}/{asked['name']}"
        url = {"url": f"{self.url}/{name}", "name": name, "id": name}
        if name in self.private:
            return 409, {"error": "You already created this model repo", **url}
        self.private[name], self.files[name] = asked["visibility"] == "private", {}
        return 200, url

    def _commit(self, repository: str, body: bytes) -> tuple[int, dict[str, Any]]:
        for line in map(json.loads, body.splitlines()):
            if line["key"] == "file":
                self.files[repository][line["value"]["path"]] = base64.b64decode(line["value"]["content"])
        return 200, {"success": True, "commitOid": "0" * 40, "commitUrl": f"{self.url}/{repository}/commit/0"}


@contextmanager
def hub_server() -> Iterator[Hub]:
    """Run a hub for the time of a test."""
    hub = Hub()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            hub.requests.append(("POST", self.path, dict(self.headers), body))
            self._send(*hub.answer(self.path, body))

        def do_GET(self) -> None:
            hub.requests.append(("GET", self.path, dict(self.headers), b""))
            if hub.refuses:
                self._send(hub.refuses, {"error": "refused"})
            else:
                self._send(200, {"sha": "0" * 40, "id": "x/y", "siblings": []})

        def _send(self, status: int, content: dict[str, Any]) -> None:
            text = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *words: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
