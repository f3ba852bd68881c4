"""How a reader is fuzzed: a test a reader, cases by hypothesis, each within bounds of time and place, all counted.

MOLFUN_FUZZ=20 gives twenty times the cases, from another seed every time.
"""

from __future__ import annotations

import functools
import os
import signal
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings

from molfun.errors import MolfunError
from tests.fuzz.guard import watched

TIMES = max(1, int(os.environ.get("MOLFUN_FUZZ", "1")))
COUNTS: Counter[str] = Counter()
CPU_SECONDS = 10.0  # of one case; typically 5 ms
WALL_SECONDS = 60.0
UNSEEN = ("Cc", "Cf", "Cs", "Zl", "Zp")  # control characters, marks that turn the direction of writing, half characters
MAX_SENTENCE = 4_000


class Hang(BaseException):
    """A case took too long. No `Exception`, or a reader that refuses whatever fails would call it a damaged file."""


def fuzz(
    reader: str, num_cases: int, *, is_slow: bool = False, **strategies: Any
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Run a test with many cases and count them under the name of what they are given to.

    Args:
        reader: Name in the table of counts.
        num_cases: Cases at MOLFUN_FUZZ=1.
        is_slow: Show the first failing case as it is, for cases of which a smaller one takes minutes to find.
        **strategies: What hypothesis draws, by argument.
    """

    def decorate(test: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(test)
        def counted(*args: Any, **kwargs: Any) -> None:
            COUNTS[reader] += 1
            with time_limit():
                test(*args, **kwargs)

        checks = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large]
        phases = [Phase.generate] if is_slow else [Phase.generate, Phase.shrink]
        bounds = settings(
            max_examples=num_cases * TIMES, deadline=None, database=None, derandomize=TIMES == 1,
            suppress_health_check=checks, print_blob=True, phases=phases,
        )  # fmt: skip
        return bounds(given(**strategies)(counted))

    return decorate


@contextmanager
def time_limit() -> Iterator[None]:
    """Raise `Hang` in code that computes for too long, or waits for too long."""

    def give_up(number: int, frame: object) -> None:
        raise Hang(f"More than {CPU_SECONDS:.0f} s of computing or {WALL_SECONDS:.0f} s of waiting.")

    timers = {
        signal.SIGVTALRM: (signal.ITIMER_VIRTUAL, CPU_SECONDS),
        signal.SIGALRM: (signal.ITIMER_REAL, WALL_SECONDS),
    }
    before = {number: signal.signal(number, give_up) for number in timers}
    try:
        for timer, seconds in timers.values():
            signal.setitimer(timer, seconds)
        yield
    finally:
        for timer, _ in timers.values():
            signal.setitimer(timer, 0)
        for number, handler in before.items():
            signal.signal(number, handler)


def outcome(action: Callable[[], Any], *folders: Path, may_start: str = "") -> Any:
    """Return what an action gives, or the sentence of its refusal; nothing else may come out of it.

    Args:
        action: What a user can set off.
        *folders: Where it may write; nothing may be written elsewhere, started or connected to.
        may_start: Module that it may run as a process.
    """
    with watched(*folders, may_start=may_start) as seen:
        try:
            result = action()
        except MolfunError as error:
            result = str(error)
            assert_sentence(result)
    assert not seen, f"This may not happen: {seen[:5]}"
    return result


def assert_sentence(text: str) -> None:
    """Hold that a text of ours can be shown to a person: whole, short, without Python's inner words."""
    assert_shown(text)
    assert text.rstrip().endswith((".", "?")), text[:300]
    assert len(text) <= MAX_SENTENCE, f"{len(text)} characters: {text[:300]}"
    assert "Traceback" not in text, text
    assert " object at 0x" not in text, text


def assert_shown(text: str) -> None:
    """Hold that a text does nothing to a screen but stand there."""
    unseen = [letter for letter in text if letter != "\n" and unicodedata.category(letter) in UNSEEN]
    assert not unseen, f"{unseen[:3]!r} in {text[:300]!r}"
