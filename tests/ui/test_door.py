"""The door, in front of a small server that answers everything: who is let in, who is told what, and for how long."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect

from molfun.ui.door import INSECURE, Door
from molfun.ui.password import password_path, remove_password, set_password
from molfun.ui.sign_in import SIGN_IN, SIGN_OUT, local_path

PASSWORD = "correct horse battery"
STREAM = "ws://localhost:8501/_stcore/stream"
HERE, ELSEWHERE = "127.0.0.1", "203.0.113.7"
PAGE = {"accept": "text/html,*/*"}

MakeClient = Callable[..., TestClient]


async def _answer(request: Request) -> Response:
    return PlainTextResponse(f"{request.method} {request.url.path}")


async def _echo(websocket: WebSocket) -> None:
    await websocket.accept()
    async for text in websocket.iter_text():
        await websocket.send_text(text)


@pytest.fixture
def make_client(home: Path) -> MakeClient:
    """Return a function that makes a browser at `address` in front of the one server."""
    methods = ["GET", "HEAD", "POST", "PUT"]
    routes = [WebSocketRoute("/_stcore/stream", _echo), Route("/{path:path}", _answer, methods=methods)]
    server = Starlette(routes=routes, middleware=[Middleware(Door, home=home)])

    def make(address: str = HERE, *, url: str = "http://localhost:8501") -> TestClient:
        return TestClient(server, base_url=url, client=(address, 40_000), follow_redirects=False)

    return make


def sign_in(client: TestClient, password: str = PASSWORD, **fields: str) -> Any:
    return client.post(SIGN_IN, data={"password": password, **fields})


def talks(client: TestClient, **headers: str) -> bool:
    """Tell whether the websocket is opened to a client."""
    try:
        with client.websocket_connect(STREAM, headers=headers) as websocket:
            websocket.send_text("hello")
            return websocket.receive_text() == "hello"
    except WebSocketDisconnect:
        return False


def test_without_a_password_this_machine_comes_in_and_others_are_told_why(make_client: MakeClient) -> None:
    assert make_client().get("/live").text == "GET /live"
    assert talks(make_client())
    refused = make_client(ELSEWHERE).get("/live", headers=PAGE)
    assert refused.status_code == 403
    assert "molfun password" in refused.text
    assert not talks(make_client(ELSEWHERE))


def test_without_a_password_what_a_proxy_hands_on_is_not_local(make_client: MakeClient) -> None:
    """The proxy runs on this machine and asks for the name that others call."""
    refused = make_client().get("/", headers={"host": "lab.example"})
    assert (refused.status_code, "by the names localhost and 127.0.0.1" in refused.text) == (403, True)


def test_insecure_lets_others_in(make_client: MakeClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(INSECURE, "1")
    assert make_client(ELSEWHERE).get("/").status_code == 200
    monkeypatch.setenv(INSECURE, "0")
    assert make_client(ELSEWHERE).get("/").status_code == 403


@pytest.mark.parametrize("address", [HERE, ELSEWHERE])
def test_with_a_password_everybody_is_asked_for_it(make_client: MakeClient, home: Path, address: str) -> None:
    set_password(home, PASSWORD)
    client = make_client(address)
    sent = client.get("/live?run=a&b=c", headers=PAGE)
    assert (sent.status_code, sent.headers["location"]) == (303, f"{SIGN_IN}?next=%2Flive%3Frun%3Da%26b%3Dc")
    for method, path in (("GET", "/_stcore/health"), ("PUT", "/_stcore/upload_file/a/b"), ("HEAD", "/media/x.csv")):
        assert client.request(method, path).status_code == 401
    assert client.get("//molfun/sign-in").status_code == 401
    assert not talks(client)


def test_the_password_opens_pages_uploads_and_the_websocket(make_client: MakeClient, home: Path) -> None:
    set_password(home, PASSWORD)
    client = make_client(ELSEWHERE)
    page = client.get(f"{SIGN_IN}?next=/runs")
    assert '<input type="hidden" name="next" value="/runs">' in page.text
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    done = sign_in(client, next="/runs?x=1")
    assert (done.status_code, done.headers["location"]) == (303, "/runs?x=1")
    assert client.get("/runs").text == "GET /runs"
    assert client.put("/_stcore/upload_file/a/b").status_code == 200
    assert talks(client)
    assert client.get(SIGN_IN).status_code == 303
    assert not talks(make_client(ELSEWHERE))


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_the_cookie_is_for_this_server_and_no_script(make_client: MakeClient, home: Path, scheme: str) -> None:
    set_password(home, PASSWORD)
    cookie = sign_in(make_client(url=f"{scheme}://localhost:8501")).headers["set-cookie"]
    assert cookie.startswith("molfun_session_8501=")
    flags = set(cookie.lower().split("; ")[1:])
    assert {"httponly", "samesite=strict", "path=/"} <= flags
    assert ("secure" in flags) == (scheme == "https")


def test_a_wrong_password_is_a_sentence(make_client: MakeClient, home: Path) -> None:
    set_password(home, PASSWORD)
    client = make_client()
    refused = sign_in(client, "wrong", next='/"><script>')
    assert refused.status_code == 403
    assert "That is not the password." in refused.text
    assert 'aria-invalid="true"' in refused.text
    assert "<script>" not in refused.text
    assert "set-cookie" not in refused.headers
    assert client.get("/").status_code == 401


@pytest.mark.parametrize("cookie", ["", "x", "0" * 5000, "é"])
def test_a_made_up_cookie_opens_nothing(make_client: MakeClient, home: Path, cookie: str) -> None:
    set_password(home, PASSWORD)
    headers = {"cookie": f"molfun_session_8501={cookie}".encode()}
    assert make_client().get("/", headers=headers).status_code == 401


def test_guesses_are_slowed_down_and_others_are_not(make_client: MakeClient, home: Path) -> None:
    set_password(home, PASSWORD)
    client = make_client(ELSEWHERE)
    answers = [sign_in(client, f"guess number {number}") for number in range(5)]
    assert [answer.status_code for answer in answers] == [403, 403, 403, 429, 429]
    assert answers[-1].headers["retry-after"] == "1"
    assert "Please wait 1 s" in answers[-1].text
    assert sign_in(client).status_code == 429
    assert sign_in(make_client("203.0.113.8")).status_code == 303


def test_large_and_strange_forms_are_refused(make_client: MakeClient, home: Path) -> None:
    set_password(home, PASSWORD)
    client = make_client()
    assert sign_in(client, "x" * 10_000).status_code == 413
    assert client.post(SIGN_IN, json={"password": PASSWORD}).status_code == 413
    assert client.post(SIGN_IN, data={f"field{i}": "x" for i in range(20)}).status_code == 413
    assert client.put(SIGN_IN, data={"password": PASSWORD}).status_code == 401


@pytest.mark.parametrize(
    ("place", "kept"),
    [
        ("/live?run=a", "/live?run=a"),
        ("", "/"),
        ("live", "/"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("https://evil.example", "/"),
        ("/x\r\nSet-Cookie: a=b", "/"),
        ("/\t/evil.example", "/"),
        (SIGN_OUT, "/"),
        (f"{SIGN_IN}?next=/", "/"),
        ("//[", "/"),
    ],
)
def test_nobody_is_sent_to_another_site(place: str, kept: str) -> None:
    assert local_path(place) == kept


def test_a_link_in_a_mail_finds_whoever_is_signed_in(make_client: MakeClient, home: Path) -> None:
    """The browser does not send the cookie along with such a click; the page that it gets asks again, with it."""
    set_password(home, PASSWORD)
    client = make_client()
    page = client.get(f"{SIGN_IN}?next=/runs", headers={"sec-fetch-site": "cross-site"})
    assert f'content="0; url={SIGN_IN}?next=%2Fruns"' in page.text
    sign_in(client)
    assert client.get(f"{SIGN_IN}?next=/runs").headers["location"] == "/runs"


def test_signing_out_ends_the_session_and_its_websocket(make_client: MakeClient, home: Path) -> None:
    set_password(home, PASSWORD)
    client = make_client()
    sign_in(client)
    cookie = dict(client.cookies)
    with client.websocket_connect(STREAM) as websocket:
        websocket.send_text("hello")
        assert websocket.receive_text() == "hello"
        left = client.get(SIGN_OUT)
        assert left.headers["location"] == SIGN_IN
        assert "max-age=0" in left.headers["set-cookie"].lower()
        websocket.send_text("still there?")
        with pytest.raises(WebSocketDisconnect) as closed:
            websocket.receive_text()
    assert "signed out" in str(closed.value.reason)
    client.cookies.update(cookie)
    assert client.get("/").status_code == 401
    assert "set-cookie" not in client.get(SIGN_OUT).headers


@pytest.mark.parametrize("change", [lambda home: set_password(home, PASSWORD), remove_password])
def test_another_password_or_none_ends_every_session(
    make_client: MakeClient, home: Path, change: Callable[[Path], object]
) -> None:
    set_password(home, PASSWORD)
    client = make_client(ELSEWHERE)
    sign_in(client)
    assert client.get("/").status_code == 200
    with client.websocket_connect(STREAM) as websocket:
        change(home)
        websocket.send_text("still there?")
        with pytest.raises(WebSocketDisconnect):
            websocket.receive_text()
    assert client.get("/").status_code in (401, 403)


def test_a_password_set_later_closes_what_was_open(make_client: MakeClient, home: Path) -> None:
    with make_client().websocket_connect(STREAM) as websocket:
        set_password(home, PASSWORD)
        websocket.send_text("still there?")
        with pytest.raises(WebSocketDisconnect):
            websocket.receive_text()


@pytest.mark.parametrize("content", [b"", b"plain", b"scrypt$AAAA$AAAA\n", b"scrypt$$\n", b"\xff\xfe"])
def test_a_damaged_password_file_lets_nobody_in(make_client: MakeClient, home: Path, content: bytes) -> None:
    password_path(home).write_bytes(content)
    refused = make_client().get("/")
    assert refused.status_code == 503
    assert "set it again with: molfun password" in refused.text
    assert sign_in(make_client(), "").status_code == 503
    assert not talks(make_client())


@pytest.mark.parametrize(("host", "status"), [("localhost:8501", 200), ("[::1]:8501", 200), ("evil.example", 403)])
def test_another_name_is_refused(make_client: MakeClient, host: str, status: int) -> None:
    """A page of evil.example whose name was pointed at this machine (DNS rebinding)."""
    assert make_client().get("/", headers={"host": host}).status_code == status
    assert talks(make_client(), host=host) == (status == 200)


@pytest.mark.parametrize(
    ("origin", "ok"),
    [
        ("http://localhost:8501", True),
        ("http://localhost:3000", False),
        ("https://evil.example", False),
        ("null", False),
    ],
)
def test_pages_of_other_sites_and_ports_cannot_write(make_client: MakeClient, origin: str, ok: bool) -> None:
    answer = make_client().put("/_stcore/upload_file/a/b", headers={"origin": origin})
    assert answer.status_code == (200 if ok else 403)
    assert talks(make_client(), origin=origin) == ok


def test_a_foreign_form_cannot_sign_in(make_client: MakeClient, home: Path) -> None:
    set_password(home, PASSWORD)
    headers = {"origin": "https://evil.example"}
    refused = make_client().post(SIGN_IN, data={"password": PASSWORD}, headers=headers)
    assert (refused.status_code, "set-cookie" in refused.headers) == (403, False)


@pytest.mark.parametrize("path", ["/", SIGN_IN, "/_stcore/health"])
@pytest.mark.parametrize("has_password", [False, True])
def test_every_answer_has_the_headers(make_client: MakeClient, home: Path, path: str, has_password: bool) -> None:
    if has_password:
        set_password(home, PASSWORD)
    headers = make_client().get(path).headers
    assert headers["x-frame-options"] == "DENY"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
