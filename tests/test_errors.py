"""The tree of errors, and the hint with the nearest name."""

from __future__ import annotations

import pytest

from molfun import errors
from molfun.errors import MolfunError, nearest

KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Exception)]


@pytest.mark.parametrize("kind", KINDS)
def test_every_error_is_a_molfun_error_and_drawn_in_the_tree(kind: type[Exception]) -> None:
    assert issubclass(kind, MolfunError)
    assert kind.__name__ in (errors.__doc__ or "")


def test_message_is_shown_as_written() -> None:
    assert str(errors.DataError("Row 3 is empty; remove it.")) == "Row 3 is empty; remove it."


@pytest.mark.parametrize(
    ("name", "known", "hint"),
    [
        ("lerning_rate", ["learning_rate", "epochs"], ", did you mean 'learning_rate'?"),
        ("rnak", ["alpha", "rank"], ", did you mean 'rank'?"),
        ("zzz", ["alpha", "rank"], ""),
        ("rank", [], ""),
    ],
)
def test_nearest_names_a_close_name_or_nothing(name: str, known: list[str], hint: str) -> None:
    assert nearest(name, known) == hint


def test_nearest_reads_any_iterable_once() -> None:
    assert nearest("lr", (name for name in ["lr_", "seed"])) == ", did you mean 'lr_'?"
