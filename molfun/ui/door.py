"""The door of the app: every request passes here first, and only who may enter reaches a page, a file or the websocket.

With a password set, that is who has signed in. Without one it is this machine, and others only where signing in is
left to a provider or `--insecure` was said: also where the app was started without `molfun app`.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import streamlit as st
from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from molfun.errors import RunError
from molfun.home import data_home
from molfun.ui import identity
from molfun.ui.addresses import LOOPBACK_NAMES, is_host_allowed, is_loopback, is_same_origin
from molfun.ui.password import StoredPassword, password_stamp, read_password
from molfun.ui.sign_in import SignIn, sign_in_url

INSECURE = "MOLFUN_INSECURE"
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
# Nothing is loaded from, sent to or shown inside another site. Streamlit needs inline styles, and evaluates code for
# charts; its worker scripts and the files that are offered for download are blobs.
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; media-src 'self' data: blob:; font-src 'self' data:; connect-src 'self' blob: data:; "
    "worker-src 'self' blob:; frame-src 'self' blob: data:; object-src 'none'; base-uri 'self'; form-action 'self'; "
    "frame-ancestors 'none'"
)
HEADERS = {
    "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin",
}  # fmt: skip
NO_SIGN_IN = (
    "This app answers its own machine only, by the names localhost and 127.0.0.1, because nobody has to sign in to it. "
    "Whoever runs it can set a password with `molfun password`, configure a sign-in service, or start it with "
    "`molfun app --insecure`."
)
FOREIGN = "This request comes from a page of another site and was refused; open the app by its own address."
SIGNED_OUT = "You are signed out. Reload this page to sign in."


class Door:
    """ASGI middleware: refuses, asks for the password, or lets through; puts security headers on every answer.

    Args:
        app: What lies behind the door.
        home: The data folder, which holds the password; None asks the environment.
    """

    def __init__(self, app: ASGIApp, home: Path | None = None) -> None:
        self.app = app
        self.sign_in = SignIn()
        self._home = home
        self._stamp: tuple[int, int, int] | None = None
        self._stored: StoredPassword | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Look at one request or one websocket."""
        if scope["type"] == "http":
            await self._open_http(Request(scope, receive), receive, _with_headers(send))
        elif scope["type"] == "websocket":
            await self._open_websocket(HTTPConnection(scope), receive, send)
        else:
            await self.app(scope, receive, send)

    async def _open_http(self, request: Request, receive: Receive, send: Send) -> None:
        answer = self._refuse_stranger(request, writes=request.method not in SAFE_METHODS)
        if answer is None:
            answer = await self.sign_in.answer(request, self._stored) or self._refuse_unknown(request)
        if answer is None:
            await self.app(request.scope, receive, send)
        else:
            await answer(request.scope, receive, send)

    async def _open_websocket(self, connection: HTTPConnection, receive: Receive, send: Send) -> None:
        refused = self._refuse_stranger(connection, writes=True) or self._refuse_unknown(connection)
        if refused is not None:
            await send({"type": "websocket.close", "code": 1008})
            return
        guard = _Guard(self, connection, receive, send)
        await self.app(connection.scope, guard.receive, guard.send)

    def is_known(self, connection: HTTPConnection) -> bool:
        """Tell whether a connection that was let through may still be here: the password may be another one now."""
        return self._refuse_stranger(connection, writes=True) is None and self._refuse_unknown(connection) is None

    def _refuse_stranger(self, connection: HTTPConnection, *, writes: bool) -> Response | None:
        """Return the refusal of what no password would help: a wrong name, a foreign page, a machine not asked in."""
        try:
            self._read_password()
        except RunError as error:
            return PlainTextResponse(str(error), status_code=503)
        host = connection.headers.get("host")
        if self._stored is None and not (is_local(connection) or others_may_enter()):
            return PlainTextResponse(NO_SIGN_IN, status_code=403)
        if not is_host_allowed(host, allowed_hosts()):
            return PlainTextResponse(
                f"This app does not go by the name {host!r}; add it with `molfun app --allow-host NAME`.", 403
            )
        trusted = st.get_option("server.corsAllowedOrigins") or ()
        if writes and not is_same_origin(connection.headers.get("origin"), host, trusted):
            return PlainTextResponse(FOREIGN, status_code=403)
        return None

    def _refuse_unknown(self, connection: HTTPConnection) -> Response | None:
        """Return what is told to somebody who has not signed in and should have."""
        if self._stored is None or self.sign_in.is_in(connection):
            return None
        wants_page = connection.scope.get("method") == "GET" and "text/html" in connection.headers.get("accept", "")
        if not wants_page:
            # JSON, and no 403: so that an open page whose server was restarted shows this very sentence.
            return JSONResponse(SIGNED_OUT, status_code=401, headers={"Cache-Control": "no-store"})
        place = connection.url.path + (f"?{connection.url.query}" if connection.url.query else "")
        return RedirectResponse(sign_in_url(place), status_code=303, headers={"Cache-Control": "no-store"})

    def _read_password(self) -> None:
        """Take up the password as it is now; a new one, or none, ends every session.

        Raises:
            RunError: Whether there is one cannot be read.
        """
        self._home = self._home or data_home()
        stamp = password_stamp(self._home)
        if stamp != self._stamp:
            self.sign_in.sessions.close_all()
            self._stored = read_password(self._home)
            self._stamp = stamp


class _Guard:
    """Ends an open websocket at its next message once whoever holds it has signed out or the password has changed."""

    def __init__(self, door: Door, connection: HTTPConnection, receive: Receive, send: Send) -> None:
        self._door, self._connection, self._receive, self._send = door, connection, receive, send
        self._is_closed = False

    async def receive(self) -> Message:
        """Return the next message, or that the other side is gone."""
        message = await self._receive()
        if message["type"] != "websocket.receive" or self._door.is_known(self._connection):
            return message
        await self._send({"type": "websocket.close", "code": 1008, "reason": SIGNED_OUT})
        self._is_closed = True
        return {"type": "websocket.disconnect", "code": 1008}

    async def send(self, message: Message) -> None:
        """Send a message as long as the websocket is open."""
        if not self._is_closed:
            await self._send(message)


def is_local(connection: HTTPConnection) -> bool:
    """Tell whether a request was made on this machine and meant for it.

    One that a proxy on this machine hands on comes from here, too, but it was meant for the proxy's name.
    """
    client = connection.client.host if connection.client else None
    return is_loopback(client) and is_host_allowed(connection.headers.get("host"), LOOPBACK_NAMES)


def others_may_enter() -> bool:
    """Tell whether other machines may come in where no password is set."""
    return os.environ.get(INSECURE) == "1" or identity.is_configured()


def allowed_hosts() -> Sequence[str]:
    """Return the names by which this server may be called."""
    names: list[str] | None = st.get_option("server.allowedHosts")
    return names or LOOPBACK_NAMES


def _with_headers(send: Send) -> Send:
    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers: Any = MutableHeaders(scope=message)
            headers.setdefault("Content-Security-Policy", POLICY)
            for name, value in HEADERS.items():
                headers[name] = value
        await send(message)

    return send_with_headers
