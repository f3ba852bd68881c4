"""Signing in and out with the shared password: the page, what its form sends, and the cookie that comes back."""

from __future__ import annotations

import asyncio
import html
import math
from importlib import resources
from string import Template
from urllib.parse import parse_qs, quote, urlsplit

from starlette.requests import HTTPConnection, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from molfun.ui.addresses import client_group
from molfun.ui.password import StoredPassword
from molfun.ui.sessions import MAX_AGE_SECONDS, Brake, Sessions

SIGN_IN, SIGN_OUT = "/molfun/sign-in", "/molfun/sign-out"
MAX_BODY_BYTES = 8192
MAX_TRIES_AT_ONCE = 64
WRONG = "That is not the password. Please try again."
# The page holds no script and loads nothing; its form goes back to us.
PAGE_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)


class SignIn:
    """Answers the two addresses of signing in and out, and knows who is in."""

    def __init__(self) -> None:
        self.sessions, self.brake = Sessions(), Brake()
        self._tries = 0
        # One hash at a time: 32 MiB and a core's tenth of a second each.
        self._hashing = asyncio.Lock()

    def is_in(self, connection: HTTPConnection) -> bool:
        """Tell whether a request carries the cookie of an open session."""
        return self.sessions.is_open(connection.cookies.get(cookie_name(connection)))

    async def answer(self, request: Request, stored: StoredPassword | None) -> Response | None:
        """Answer a request to sign in or out; None where it asks for something else.

        Args:
            request: From our own pages; the caller has looked at its origin.
            stored: The password that is set, None for none.
        """
        if request.url.path == SIGN_OUT and request.method in ("GET", "POST"):
            return self._sign_out(request)
        if request.url.path != SIGN_IN or request.method not in ("GET", "HEAD", "POST"):
            return None
        if request.method == "POST" and stored is not None:
            return await self._sign_in(request, stored)
        place = local_path(request.query_params.get("next", ""))
        if stored is None or self.is_in(request):
            return _go_to(place)
        if request.headers.get("sec-fetch-site") == "cross-site":
            # Who follows a link from a mail comes without the cookie, which is strict; from our own page it is sent.
            return _page(f'<meta http-equiv="refresh" content="0; url={html.escape(sign_in_url(place))}">')
        return sign_in_page(place)

    async def _sign_in(self, request: Request, stored: StoredPassword) -> Response:
        form = await _read_form(request)
        if form is None:
            return sign_in_page("/", "The form could not be read. Please try again.", status=413)
        place, client = local_path(form.get("next", "")), client_group(request.client.host if request.client else None)
        wait = self.brake.wait_seconds(client)
        if wait > 0 or self._tries >= MAX_TRIES_AT_ONCE:
            return _too_fast(place, max(1, math.ceil(wait)))
        self.brake.begin(client)
        if not await self._matches(stored, form.get("password", "")):
            return sign_in_page(place, WRONG, status=403)
        self.brake.succeed(client)
        answer = _go_to(place)
        answer.set_cookie(
            cookie_name(request), self.sessions.open(), max_age=int(MAX_AGE_SECONDS), path="/", httponly=True,
            samesite="strict", secure=request.url.scheme == "https",
        )  # fmt: skip
        return answer

    async def _matches(self, stored: StoredPassword, password: str) -> bool:
        self._tries += 1
        try:
            await asyncio.sleep(self.brake.pause_seconds())
            async with self._hashing:
                return await asyncio.to_thread(stored.matches, password)
        finally:
            self._tries -= 1

    def _sign_out(self, request: Request) -> Response:
        answer = _go_to(SIGN_IN)
        # A foreign page that sends the browser here comes without the cookie and takes nothing away.
        if self.sessions.close(request.cookies.get(cookie_name(request))):
            answer.delete_cookie(cookie_name(request), path="/", httponly=True, samesite="strict")
        return answer


def cookie_name(connection: HTTPConnection) -> str:
    """Return the name of the session's cookie: browsers share cookies among ports, so the port is part of it."""
    server = connection.scope.get("server")
    return f"molfun_session_{server[1] if server else 0}"


def sign_in_url(place: str) -> str:
    """Return the address of the sign-in page that leads on to `place`."""
    return f"{SIGN_IN}?next={quote(local_path(place), safe='')}"


def local_path(place: str) -> str:
    """Return `place` where it is an address on this server, else "/": nobody is sent elsewhere after signing in."""
    is_plain = place.isprintable() and "\\" not in place and not place.startswith("//")
    try:
        parts = urlsplit(place)
    except ValueError:
        return "/"
    if not (is_plain and place.startswith("/")) or parts.scheme or parts.netloc or parts.path in (SIGN_IN, SIGN_OUT):
        return "/"
    return place


def sign_in_page(place: str, error: str = "", *, status: int = 200) -> Response:
    """Return the page that asks for the password.

    Args:
        place: Where to go afterwards.
        error: Sentence about the last try, empty for the first one.
        status: HTTP status.
    """
    template = Template((resources.files("molfun.ui") / "sign_in.html").read_text(encoding="utf-8"))
    values = {"error": html.escape(error), "next": html.escape(place), "invalid": "true" if error else "false"}
    return _page(template.substitute(values), status)


def _too_fast(place: str, seconds: int) -> Response:
    answer = sign_in_page(place, f"Too many tries. Please wait {seconds} s, then try again.", status=429)
    answer.headers["Retry-After"] = str(seconds)
    return answer


def _page(content: str, status: int = 200) -> Response:
    headers = {"Cache-Control": "no-store", "Content-Security-Policy": PAGE_POLICY}
    return HTMLResponse(content, status_code=status, headers=headers)


def _go_to(place: str) -> Response:
    return RedirectResponse(place, status_code=303, headers={"Cache-Control": "no-store"})


async def _read_form(request: Request) -> dict[str, str] | None:
    """Return the fields of a form; None where it is none, or larger than a password needs."""
    if not request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        return None
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            return None
    try:
        fields = parse_qs(body.decode("ascii"), max_num_fields=8, errors="replace", keep_blank_values=True)
    except ValueError:
        return None
    return {name: values[0] for name, values in fields.items()}
