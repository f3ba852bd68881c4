"""Who has signed in, and how fast passwords may be tried. Lives in the memory of one server; a restart ends it all."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

MAX_AGE_SECONDS = 30 * 24 * 3600.0
IDLE_SECONDS = 12 * 3600.0
MAX_SESSIONS = 1000

FREE_TRIES = 3
LONGEST_WAIT_SECONDS = 30.0
# A client without a failure for this long starts anew.
FORGET_SECONDS = 900.0
MAX_CLIENTS = 10_000
# Failures of all clients together within FORGET_SECONDS, from which on every try waits too.
MANY_FAILURES = 50
LONGEST_PAUSE_SECONDS = 2.0

Clock = Callable[[], float]


@dataclass
class _Session:
    began: float
    used: float


class Sessions:
    """The sessions that are open, each known by a random token of which only the hash is kept.

    Args:
        clock: Seconds that never run backward.
    """

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._open: OrderedDict[bytes, _Session] = OrderedDict()

    def open(self) -> str:
        """Begin a session and return its token; the oldest one ends where there are too many."""
        token, now = secrets.token_urlsafe(32), self._clock()
        self._open[_hash(token)] = _Session(now, now)
        while len(self._open) > MAX_SESSIONS:
            self._open.popitem(last=False)
        return token

    def is_open(self, token: str | None) -> bool:
        """Tell whether a token belongs to a session, and note that it was used just now."""
        key, now = _hash(token or ""), self._clock()
        session = self._open.get(key)
        if session is None:
            return False
        if now - session.began > MAX_AGE_SECONDS or now - session.used > IDLE_SECONDS:
            del self._open[key]
            return False
        session.used = now
        return True

    def close(self, token: str | None) -> bool:
        """End one session; tell whether it was open."""
        return self._open.pop(_hash(token or ""), None) is not None

    def close_all(self) -> None:
        """End every session."""
        self._open.clear()


class Brake:
    """Slows down who guesses passwords: each client by itself, and all of them together.

    A client's waits double up to half a minute and end by themselves, so nobody is locked out for good. Others are
    only slowed down, by two seconds at most, while very many fail.

    Args:
        clock: Seconds that never run backward.
    """

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._failures: OrderedDict[str, tuple[int, float]] = OrderedDict()
        self._all = (0, 0.0)

    def wait_seconds(self, client: str) -> float:
        """Return how long `client` has to wait until its next try, 0 for not at all."""
        count, last = self._recent(self._failures.get(client, (0, 0.0)))
        if count < FREE_TRIES:
            return 0.0
        wait = min(LONGEST_WAIT_SECONDS, 2.0 ** min(count - FREE_TRIES, 16))
        return max(0.0, last + wait - self._clock())

    def pause_seconds(self) -> float:
        """Return for how long a try, whoever makes it, is held before it is looked at."""
        count, _ = self._recent(self._all)
        doublings = count // MANY_FAILURES
        return min(LONGEST_PAUSE_SECONDS, 0.125 * 2.0 ** min(doublings, 16)) if doublings else 0.0

    def begin(self, client: str) -> None:
        """Count a try as failed before it is looked at, so that a thousand at the same moment are no way around."""
        now = self._clock()
        self._failures[client] = (self._recent(self._failures.pop(client, (0, 0.0)))[0] + 1, now)
        self._all = (self._recent(self._all)[0] + 1, now)
        while len(self._failures) > MAX_CLIENTS:
            self._failures.popitem(last=False)

    def succeed(self, client: str) -> None:
        """Forget the failures of a client that knew the password."""
        count, _ = self._failures.pop(client, (0, 0.0))
        self._all = (max(0, self._all[0] - count), self._all[1])

    def _recent(self, failures: tuple[int, float]) -> tuple[int, float]:
        count, last = failures
        return (count, last) if count and self._clock() - last <= FORGET_SECONDS else (0, 0.0)


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()
