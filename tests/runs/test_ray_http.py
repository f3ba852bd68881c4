"""The client of Ray's Jobs interface against servers that are none, lie, trickle or want a token."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from molfun.errors import RunError, SettingError
from molfun.runs.launchers import ray_http
from molfun.runs.launchers.ray import RayLauncher
from molfun.runs.launchers.ray_http import RayJobs
from molfun.runs.store import RunFolder

TOKEN = "correct-horse-battery"


@pytest.fixture(autouse=True)
def no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ray_http.TOKEN_NAME, raising=False)


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("127.0.0.1:8265", "must begin with http:// or https://"),
        ("file:///etc/passwd", "must begin with http:// or https://"),
        ("ray://head:10001", "give the dashboard's, http://head:8265"),
        ("http://ann:hunter2@head:8265", "holds a user or password; set RAY_JOB_TOKEN instead"),
        ("http://head:port", "cannot be read"),
        ("http://[::1", "cannot be read"),
        ("http://head/?q=1", "must begin with"),
        ("http://head\r\nX: y", "blanks or unusual letters"),
        ("http://", "must begin with"),
        ("", "must begin with"),
    ],
)
def test_an_address_that_is_none_is_refused_unrepeated(address: str, words: str) -> None:
    with pytest.raises(SettingError, match=words) as caught:
        RayJobs(address)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(("token", "words"), [(TOKEN, "is not encrypted"), ("two\nlines", "is no token")])
def test_a_token_is_not_sent_where_others_can_read_it(token: str, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ray_http.TOKEN_NAME, token)
    with pytest.raises(SettingError, match=words) as caught:
        RayJobs("http://ray.example:8265")
    assert token not in str(caught.value)
    if token == TOKEN:
        assert RayJobs("https://ray.example").address == "https://ray.example"


@contextmanager
def answering(answer: bytes, *, pause_seconds: float = 0.0) -> Iterator[tuple[str, list[bytes]]]:
    """Answer every connection with the same bytes, slowly where asked to; yield the address and what was asked."""
    asked: list[bytes] = []

    def serve(server: socket.socket) -> None:
        with suppress(OSError):
            while True:
                connection, _ = server.accept()
                with connection, suppress(OSError):
                    asked.append(connection.recv(65536))
                    size = 40 if pause_seconds else len(answer) or 1
                    for start in range(0, len(answer), size):
                        connection.sendall(answer[start : start + size])
                        time.sleep(pause_seconds)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve, args=(server,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}", asked
        server.shutdown(socket.SHUT_RDWR)
    thread.join(timeout=10)


def http(status: str, body: bytes, *headers: str) -> bytes:
    """Return an answer as it goes over the wire; the end of the connection is that of the body."""
    return "\r\n".join([f"HTTP/1.1 {status}", "Connection: close", *headers, "\r\n"]).encode() + body


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (http("200 OK", b"<html>Welcome</html>"), "is not Ray: expected JSON, got '<html>Welcome</html>'"),
        (http("200 OK", b'{"hello": "world"}'), "is not Ray. Check launch.ray.address"),
        (http("200 OK", b"[]"), "is not Ray: expected JSON"),
        (http("200 OK", b"[" * 100_000), "is not Ray: expected JSON"),
        (http("200 OK", b'{"ray_version"', "Content-Length: 900"), "is not Ray: expected JSON"),
        (http("200 OK", b" " * (ray_http.MAX_BYTES + 1)), "is longer than 4 MB; it was not read"),
        (http("404 Not Found", b"404: Not Found"), "answers with error 404 (404: Not Found)"),
        (http("502 Bad Gateway", b"<h1>Bad\n gateway</h1>"), "answers with error 502 (<h1>Bad gateway</h1>)"),
        (http("500 Server Error", b"Traceback:\n  x\nOSError: no\n.\n"), "refuses: no. Check"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "does not answer (SSH-2.0-OpenSSH_9.2)"),
        (b"", "does not answer ("),
    ],
    ids=["html", "json", "list", "deep", "torn", "huge", "404", "502", "traceback", "ssh", "nothing"],
)
def test_whatever_answers_is_told_in_plain_words(answer: bytes, words: str, folder: RunFolder) -> None:
    with answering(answer) as (address, _):
        with pytest.raises(RunError) as caught:
            RayJobs(address).version()
        assert words.removesuffix(" Check") in str(caught.value)
        folder.write_launch(launcher="ray", job="a-run_1", address=address)
        assert RayLauncher().poll(folder).state == "unknown"


def test_a_redirect_is_not_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ray_http.TOKEN_NAME, TOKEN)
    with answering(http("200 OK", b'{"ray_version": "2.60.0"}')) as (elsewhere, asked):
        to_there = http("302 Found", b"", f"Location: {elsewhere}/api/version")
        with answering(to_there) as (address, _), pytest.raises(RunError, match="sends us elsewhere, where we do not"):
            RayJobs(address).version()
        assert asked == []
        assert RayJobs(elsewhere).version() == "2.60.0"


def test_an_answer_that_only_trickles_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_http, "TIMEOUT_SECONDS", 0.4)
    begun = time.monotonic()
    with answering(http("200 OK", b" " * 4000), pause_seconds=0.1) as (address, _):
        with pytest.raises(RunError, match="no whole answer within 0 seconds"):
            RayJobs(address).version()
        assert time.monotonic() - begun < 2
