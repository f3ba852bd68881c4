"""Why a service did not take what was sent to it, in a sentence that a person can act on.

Packages of services wrap the same few causes in errors and words of their own: what is told is the cause, what
`explain` leaves out stands in the sender's log.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from molfun.errors import MolfunError, printable
from molfun.runs.secrets import redact, secret_values

MAX_LETTERS = 300

_ADDRESS = re.compile(r"https?://[^\s'\")\]>,?]+")
# As urllib3 writes it: HTTPConnectionPool(host='127.0.0.1', port=5000).
_POOL = re.compile(r"HTTP(S?)ConnectionPool\(host='([^']+)', port=(\d+)\)")
_STATUS = re.compile(
    r"(?:status(?: code)?|(?:error|response) code|HTTP(?:/\d\.\d)?|code)[ :=]+'?(4\d\d|5\d\d)\b"
    r"|\b(4\d\d|5\d\d) (?:client|server) error",
    re.IGNORECASE,
)

# What is said of a cause, and the words by which packages and Python tell it; the first that fits.
_CAUSES = {
    "cannot be trusted: its certificate is not valid": ("certificate_verify_failed", "certificate verify", "sslerror"),
    "was not found: look at its address, and whether this machine is online": (
        "name or service not known", "name resolution", "nameresolutionerror", "getaddrinfo", "nodename nor servname",
    ),
    "does not answer: the connection was refused": ("connection refused", "connectionrefused", "actively refused"),
    "cannot be reached from this machine's network": ("network is unreachable", "no route to host"),
    "ended the connection before it answered": (
        "connection reset", "remotedisconnected", "remote end closed", "connection aborted", "broken pipe",
        "server disconnected",
    ),
    "did not answer in time": ("timed out", "timeout", "no answer within"),
}  # fmt: skip


def explain(error: BaseException) -> str:
    """Return why sending did not succeed, in one line without secrets.

    Args:
        error: What a tracker raised. An error of Molfun is its own sentence.
    """
    if isinstance(error, MolfunError):
        return _clean(str(error))
    said = " | ".join(f"{type(part).__name__}: {part} {_asked(part)}" for part in _chain(error))
    status = _status(error, said)
    where = _where(said)
    if status:
        return _clean(f"{where} {_refusal(status)} (HTTP {status}).")
    lowered = said.lower()
    for words, marks in _CAUSES.items():
        if any(mark in lowered for mark in marks):
            return _clean(f"{where} {words}.")
    return raw_words(error)


def raw_words(error: BaseException) -> str:
    """Return an error in its own words: one line, bounded, without secrets."""
    first = (str(error).strip().splitlines() or [""])[0]
    return _clean(f"{type(error).__name__}: {first}".rstrip(": "))


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and what led to it, the outermost first."""
    seen: set[int] = set()
    step: BaseException | None = error
    while step is not None and id(step) not in seen:
        seen.add(id(step))
        yield step
        step = step.__cause__ or step.__context__


def _asked(error: BaseException) -> str:
    """Return the address that was asked, where an error of requests or httpx remembers it."""
    try:
        return str(error.request.url)  # type: ignore[attr-defined]
    except (AttributeError, RuntimeError):  # httpx raises the latter where there was no request
        return ""


def _status(error: BaseException, said: str) -> int:
    """Return the HTTP status that the service answered; 0 where there was none."""
    for part in _chain(error):
        for holder in (part, getattr(part, "response", None)):
            for name in ("status_code", "http_status_code", "status"):
                value = getattr(holder, name, None)
                if isinstance(value, int) and 400 <= value < 600:
                    return value
    found = _STATUS.search(said)
    return int(found[1] or found[2]) if found else 0


def _refusal(status: int) -> str:
    if status in (401, 403):
        return "did not accept the key; look at it under Settings, Trackers"
    if status == 404:
        return "has no such place; look at the address and the project's name"
    if status == 429:
        return "asks for fewer calls for now"
    return "has a problem of its own" if status >= 500 else "did not take what was sent"


def _where(said: str) -> str:
    """Return the server's address as the error names it."""
    if found := _POOL.search(said):
        return f"The server at http{found[1].lower()}://{found[2]}:{found[3]}"
    if found := _ADDRESS.search(said):
        scheme, _, rest = found[0].partition("://")
        # Without user and password, which may stand before the host, and hold a slash.
        return f"The server at {scheme}://{rest.rpartition('@')[2].split('/')[0]}"
    return "The server"


def _clean(text: str) -> str:
    return printable(" ".join(redact(text, secret_values(os.environ)).split()), MAX_LETTERS)
