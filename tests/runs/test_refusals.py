"""Why a service did not take what was sent: the cause in a sentence, without secrets."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import requests
from requests.adapters import HTTPAdapter

from molfun.errors import SettingError
from molfun.runs.refusals import explain, raw_words


def free_port() -> int:
    """Return a port where nobody answers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextmanager
def answering(status: int) -> Iterator[str]:
    """Serve that HTTP status; 0 drops the connection, -1 never answers."""
    leave = threading.Event()

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if status == -1:
                leave.wait(10)
            if status <= 0:
                self.connection.close()
                return
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *told: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/api"
    finally:
        leave.set()
        server.shutdown()
        server.server_close()


def failure(address: str) -> Exception:
    """Return what requests raises there."""
    with pytest.raises(requests.RequestException) as caught:
        ask(address)
    return caught.value


def ask(address: str) -> None:
    with requests.Session() as session:
        session.mount("http://", HTTPAdapter(max_retries=0))
        session.get(address, timeout=1).raise_for_status()


def test_a_refused_connection_names_the_server() -> None:
    port = free_port()
    said = explain(failure(f"http://127.0.0.1:{port}/api/2.0/mlflow"))
    assert said == f"The server at http://127.0.0.1:{port} does not answer: the connection was refused."


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (401, "did not accept the key"), (403, "did not accept the key"), (404, "has no such place"),
        (429, "asks for fewer calls"), (500, "has a problem of its own (HTTP 500)"), (418, "did not take"),
        (0, "ended the connection"), (-1, "did not answer in time"),
    ],
)  # fmt: skip
def test_what_a_server_does_is_said(status: int, words: str) -> None:
    with answering(status) as address:
        said = explain(failure(address))
        assert said.startswith(f"The server at {address.removesuffix('/api')} ")
    assert words in said
    assert "Pool" not in said


def test_a_cause_beneath_other_errors_is_found() -> None:
    error = RuntimeError("upload failed")
    error.__cause__ = ConnectionRefusedError(111, "Connection refused")
    assert explain(error) == "The server does not answer: the connection was refused."


def test_a_password_in_an_address_is_left_out() -> None:
    assert explain(ConnectionError("http://ana:longpassword@mlflow.lab/api: Connection refused")) == (
        "The server at http://mlflow.lab does not answer: the connection was refused."
    )


def test_other_errors_keep_their_words() -> None:
    assert explain(SettingError("MLflow needs an address.")) == "MLflow needs an address."
    assert explain(ValueError("odd\nsecond line")) == raw_words(ValueError("odd")) == "ValueError: odd"
    assert explain(FileNotFoundError(2, "gone", str(Path("x")))).startswith("FileNotFoundError")
