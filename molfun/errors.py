"""Every error that a user may read. Other rooms raise these; the app, the command line and the worker show their text.

MolfunError
├── DataError      a table, a sequence, a label or a split
├── SettingError   a value in a spec, a form or a constructor
├── ModelError     weights, a configuration or a missing package
└── RunError       a run folder, a process or a checkpoint
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class MolfunError(Exception):
    """Base of all errors whose text is written for the user: what was expected, what came, what to do."""

    def _render_traceback_(self) -> list[str]:
        # Notebooks show this in the place of a traceback through files of ours, which tells a user nothing.
        return [f"{type(self).__name__}: {self}"]


class DataError(MolfunError):
    """A table, sequence, label or split that cannot be used as it is."""


class SettingError(MolfunError):
    """A setting with an unknown name or a value outside its bounds."""


class ModelError(MolfunError):
    """Weights or a model configuration that cannot be found, read or trained."""


class RunError(MolfunError):
    """A run folder, its process or its checkpoints in a state that forbids what was asked."""


def nearest(name: str, known: Iterable[str]) -> str:
    """Return ", did you mean 'x'?" for the known name nearest to `name`, or an empty string when none is near."""
    close = get_close_matches(name, list(known), n=1)
    return f", did you mean {close[0]!r}?" if close else ""


def first_line(error: BaseException) -> str:
    """Return the first line of an error's text without its period; the name of the error where it has no text.

    >>> first_line(ValueError("a.\\nb")), first_line(ValueError())
    ('a', 'ValueError')
    """
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(". ")


def printable(text: str, most: int) -> str:
    """Return a text without control characters and, where it is longer than `most` characters, without its middle.

    >>> printable("a\x1b[31m", 80), printable("abcdefghij", 5)
    ('a�[31m', 'ab…ij')
    """
    if text.isprintable() and len(text) <= most:
        return text
    letters = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)
    kept = (most - 1) // 2
    return letters if len(letters) <= most else f"{letters[:kept]}…{letters[-kept:]}"
