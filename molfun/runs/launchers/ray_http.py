"""A small client of Ray's Jobs interface (REST), so that Ray itself need not be installed here.

Every call ends within seconds, reads a bounded answer and follows no redirect: the address is whatever a spec says.
"""

from __future__ import annotations

import ipaddress
import json
import re
import time
from collections.abc import Mapping
from http.client import HTTPException, HTTPResponse
from typing import Any
from urllib.error import URLError
from urllib.parse import quote, urlsplit
from urllib.request import HTTPErrorProcessor, OpenerDirector, ProxyHandler, Request, build_opener

from typing_extensions import override

from molfun.errors import RunError, SettingError
from molfun.plain_files import parse_object
from molfun.runs.secrets import find_secret, redact

TOKEN_NAME = "RAY_JOB_TOKEN"
TIMEOUT_SECONDS = 10.0
MAX_BYTES = 4 * 1024 * 1024
MAX_SHOWN_LETTERS = 300
PIECE_BYTES = 1 << 16
HINT = "Check launch.ray.address and that the cluster is up (`ray status` there), then try again."
# Ray answers an error with the traceback of its own server; a person can use the last line that names an error.
ERROR_LINE = re.compile(r"^[A-Za-z_][\w.]*: (.+)$", re.MULTILINE)


class NoAnswerError(RunError):
    """Nobody answers at the address, or somebody who is not Ray: what became of a request is not known."""


class UnknownJobError(RunError):
    """Ray answers that it knows no such job."""


class RayJobs:
    """The jobs of one Ray cluster.

    Args:
        address: Where its Jobs interface answers, e.g. http://127.0.0.1:8265.

    Raises:
        SettingError: The address is none, holds a password, or the token would travel readable to another machine.
    """

    def __init__(self, address: str) -> None:
        self.address = checked_address(address)
        self._token = find_secret(TOKEN_NAME) or ""
        if self._token and not (self._token.isascii() and self._token.isprintable() and " " not in self._token):
            raise SettingError(f"{TOKEN_NAME} is no token: expected letters, digits and signs in one line.")
        if self._token and self.address.startswith("http:") and not _is_loopback(self.address):
            raise SettingError(
                f"{TOKEN_NAME} is set, but {self.address} is not encrypted, so everybody on the way could read it; "
                "use https, or a tunnel (ssh -L 8265:localhost:8265 HOST) and http://127.0.0.1:8265."
            )

    def version(self) -> str:
        """Return Ray's version.

        Raises:
            NoAnswerError: Nobody answers, or somebody who is not Ray.
        """
        version = self._ask("GET", "/api/version").get("ray_version")
        if not isinstance(version, str):
            raise NoAnswerError(f"What answers at {self.address} is not Ray. {HINT}")
        return version

    def submit(self, request: Mapping[str, Any]) -> None:
        """Send a job.

        Raises:
            NoAnswerError: Whether it was taken is not known.
            RunError: Ray refuses it.
        """
        self._ask("POST", "/api/jobs/", request)

    def info(self, job: str) -> dict[str, Any] | None:
        """Return what Ray says of a job (status, message, error_type, driver_exit_code), None where it knows none.

        Raises:
            NoAnswerError: Nobody answers.
            RunError: Ray refuses to say.
        """
        try:
            return self._ask("GET", f"/api/jobs/{quote(job, safe='')}")
        except UnknownJobError:
            return None

    def stop(self, job: str) -> None:
        """Ask Ray to end a job; one that it does not know is ended already. Returns before it has.

        Raises:
            NoAnswerError: Nobody answers.
            RunError: Ray refuses.
        """
        try:
            self._ask("POST", f"/api/jobs/{quote(job, safe='')}/stop")
        except UnknownJobError:
            return

    def logs(self, job: str) -> str:
        """Return what Ray keeps of a job's output.

        Raises:
            NoAnswerError: Nobody answers, or the output is too long to fetch.
            RunError: Ray refuses.
        """
        return str(self._ask("GET", f"/api/jobs/{quote(job, safe='')}/logs").get("logs") or "")

    def _ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return Ray's answer.

        Raises:
            NoAnswerError: There is none, or it is not Ray's.
            UnknownJobError: Ray does not know the job.
            RunError: Ray refuses.
        """
        request = Request(self.address + path, method=method, headers={"Accept": "application/json"})
        if body is not None:
            request.data = json.dumps(body).encode()
            request.add_header("Content-Type", "application/json")
        if self._token:
            request.add_header("Authorization", f"Bearer {self._token}")
        status, content = self._send(request)
        text = redact(content.decode("utf-8", errors="replace"), [self._token] if self._token else [])
        if status != 200:
            raise self._refusal(status, text)
        answer = parse_object(text.encode())
        if answer is None:
            raise NoAnswerError(
                f"What answers at {self.address} is not Ray: expected JSON, got {_shown(text)!r}. {HINT}"
            )
        return answer

    def _send(self, request: Request) -> tuple[int, bytes]:
        """Return status and body of the answer, whatever it is."""
        deadline = time.monotonic() + TIMEOUT_SECONDS
        try:
            with _opener(self.address).open(request, timeout=TIMEOUT_SECONDS) as answer:
                return answer.status, self._read(answer, deadline)
        except (OSError, HTTPException, UnicodeError) as error:
            reason = error.reason if isinstance(error, URLError) else error
            raise NoAnswerError(
                f"The Ray cluster at {self.address} does not answer ({_spoken(reason)}). {HINT}"
            ) from None

    def _read(self, answer: HTTPResponse, deadline: float) -> bytes:
        """Return a body of `MAX_BYTES` at most; one that only trickles is given up."""
        pieces, size = [], 0
        while piece := answer.read1(PIECE_BYTES):
            pieces.append(piece)
            size += len(piece)
            if size > MAX_BYTES:
                raise NoAnswerError(
                    f"The answer of {self.address} is longer than {MAX_BYTES >> 20} MB; it was not read."
                )
            if time.monotonic() > deadline:
                raise TimeoutError(f"no whole answer within {TIMEOUT_SECONDS:.0f} seconds")
        return b"".join(pieces)

    def _refusal(self, status: int, text: str) -> RunError:
        """Return the error for an answer that says no."""
        if status in (401, 403):
            return RunError(
                f"The Ray cluster at {self.address} lets only those in who have its token ({_shown(text)}); set "
                f"{TOKEN_NAME} to it and start the app again."
            )
        if status == 404 and re.fullmatch(r"Job \S+ does not exist\s*", text):
            return UnknownJobError(f"The Ray cluster at {self.address} does not know the job.")
        if errors := ERROR_LINE.findall(text):
            return RunError(f"The Ray cluster at {self.address} refuses: {_shown(errors[-1]).rstrip('.')}.")
        if 300 <= status < 400:
            return RunError(f"{self.address} sends us elsewhere, where we do not follow; give Ray's own address.")
        told = f"{self.address} answers with error {status} ({_shown(text) or 'no words'}). {HINT}"
        return NoAnswerError(told) if status >= 500 else RunError(told)


def checked_address(address: str) -> str:
    """Return the address without a slash at its end.

    Raises:
        SettingError: It is none that Ray could answer at, or holds a password.
    """
    example = "give one such as http://127.0.0.1:8265."
    if not address.isascii() or not address.isprintable() or " " in address:
        raise SettingError(f"The address of the Ray cluster holds blanks or unusual letters; {example}")
    try:
        parts = urlsplit(address)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise SettingError(f"The address of the Ray cluster cannot be read; {example}") from None
    # Before anything is repeated: what is refused here must not be shown.
    if "@" in parts.netloc:
        raise SettingError(f"The address of the Ray cluster holds a user or password; set {TOKEN_NAME} instead.")
    if parts.scheme == "ray":
        raise SettingError(f"ray:// is the port of Ray's own clients; give the dashboard's, http://{host}:8265.")
    if parts.scheme not in ("http", "https") or not host or parts.query or parts.fragment:
        raise SettingError(f"The address of the Ray cluster must begin with http:// or https://; {example}")
    return address.rstrip("/")


class _EveryAnswer(HTTPErrorProcessor):
    """Hands on every answer as it came: errors are told in our words, and a redirect could lead anywhere."""

    @override
    def http_response(self, request: Request, response: HTTPResponse) -> HTTPResponse:
        return response

    https_response = http_response


def _opener(address: str) -> OpenerDirector:
    # This machine is not reached through a proxy, whatever the environment says.
    return build_opener(_EveryAnswer, ProxyHandler({}) if _is_loopback(address) else ProxyHandler())


def _is_loopback(address: str) -> bool:
    host = urlsplit(address).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _shown(text: str) -> str:
    """Return the beginning of a foreign text in one line."""
    return " ".join(text[: 4 * MAX_SHOWN_LETTERS].split())[:MAX_SHOWN_LETTERS]


def _spoken(reason: object) -> str:
    if isinstance(reason, TimeoutError):
        return str(reason) if "within" in str(reason) else f"no answer within {TIMEOUT_SECONDS:.0f} seconds"
    if isinstance(reason, OSError) and reason.strerror:
        return reason.strerror.lower()
    return _shown(str(reason)) or type(reason).__name__
