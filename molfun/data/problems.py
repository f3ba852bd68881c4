"""A problem of a table as people read it, and the limit on how many of a kind are listed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

MAX_OF_A_KIND = 20


@dataclass(frozen=True)
class Problem:
    """One finding of a check.

    Attributes:
        severity: "error" forbids a start, "warning" does not.
        message: The whole sentence, with row, column and advice.
        row: Row of the file (the header of a CSV file is row 1); None where the finding is of the whole table.
        column: Column, "" where it is of none.
        value: What was found there.
    """

    severity: Literal["error", "warning"]
    message: str
    row: int | None = None
    column: str = ""
    value: str = ""


def capped(problems: Iterable[Problem]) -> list[Problem]:
    """Return the first 20 problems of one kind, and one more that counts the rest."""
    listed = list(problems)
    rest = len(listed) - MAX_OF_A_KIND
    if rest <= 0:
        return listed
    more = replace(listed[0], message=f"... and {rest} more rows with the same problem.", row=None, value="")
    return [*listed[:MAX_OF_A_KIND], more]
