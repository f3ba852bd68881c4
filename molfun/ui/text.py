"""Words and numbers as people read them: durations, counts, learning rates, names, and what others typed."""

from __future__ import annotations

import math
import re
import time
from datetime import UTC, datetime
from typing import Any

from molfun.evaluation.names import baseline_title, metric_inline, metric_title

__all__ = [
    "PARTS", "TASKS", "TASK_SENTENCES", "ago", "baseline_title", "count", "duration", "learning_rate", "metric_inline",
    "metric_title", "moment", "number", "part_title", "plain", "plural", "sentence", "share", "short_count",
]  # fmt: skip

# A command that a message names; a pair of backquotes on one line.
COMMAND = re.compile(r"(`[^`\n]+`)")
TASKS: dict[str, str] = {
    "regression": "Regression",
    "classification": "Classification",
    "per_residue": "Classes per residue",
    "structure": "Structure",
}
TASK_SENTENCES: dict[str, str] = {
    "regression": "One number is predicted for each row, such as a stability or an affinity.",
    "classification": "One of several classes is predicted for each row, such as a species.",
    "per_residue": "One class is predicted for every residue of a sequence, such as a secondary structure.",
    "structure": "The place of every atom is predicted, and learned from measured structures.",
}
PARTS: dict[str, str] = {
    "embeddings": "Embeddings",
    "blocks": "Blocks",
    "trunk": "Trunk",
    "head": "Head",
    "lora": "LoRA",
}


def part_title(name: str) -> str:
    """Return the name of a model's part for people."""
    return PARTS.get(name, name.replace("_", " ").capitalize())


def number(value: Any, digits: int = 3) -> str:
    """Return a number with `digits` behind the point, or a dash for None, NaN and infinity."""
    if value is None or not math.isfinite(float(value)):
        return "–"
    size = abs(float(value))
    if size and (size < 10**-digits or size >= 1e6):
        return f"{float(value):.2e}"
    return f"{float(value):,.{digits}f}"


def count(value: float | None) -> str:
    """Return a count with separators of thousands, or a dash for None."""
    return "–" if value is None else f"{int(value):,}"


def short_count(value: float) -> str:
    """Return a count in at most four figures, e.g. 25.5 M.

    >>> short_count(25_496_064), short_count(1539), short_count(12)
    ('25.5 M', '1.54 k', '12')
    """
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= limit:
            return f"{value / limit:.3g} {unit}"
    return f"{value:.0f}"


def share(part: float, whole: float) -> str:
    """Return a part of a whole in percent, e.g. 1.6 %."""
    percent = 100 * part / whole if whole else 0.0
    return f"{percent:.2g} %" if 0 < percent < 1 else f"{percent:.1f} %".replace(".0 %", " %")


def learning_rate(value: float | None) -> str:
    """Return a learning rate as people write it.

    >>> learning_rate(1e-4), learning_rate(2.5e-5), learning_rate(None), learning_rate(0.0)
    ('1e-4', '2.5e-5', 'auto', '0')
    """
    if value is None:
        return "auto"
    if value == 0:
        return "0"
    mantissa, exponent = f"{value:.2e}".split("e")
    return f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}"


def duration(seconds: float | None) -> str:
    """Return a span of time in its two largest units.

    >>> duration(8.4), duration(75), duration(3700), duration(None)
    ('8 s', '1 min 15 s', '1 h 1 min', '–')
    """
    if seconds is None or not math.isfinite(seconds):
        return "–"
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60} min"
    return f"{whole // 86400} d {whole % 86400 // 3600} h"


def ago(when: float | None, now: float | None = None) -> str:
    """Return how long ago a time (unix seconds) was, in words."""
    if when is None:
        return "–"
    seconds = (time.time() if now is None else now) - when
    return "just now" if seconds < 5 else f"{duration(seconds)} ago"


def moment(when: float | str | None) -> str:
    """Return local date and time, to the minute, of unix seconds or an ISO text."""
    if when is None or when == "":
        return "–"
    try:
        point = datetime.fromisoformat(when) if isinstance(when, str) else datetime.fromtimestamp(when, UTC)
    except ValueError:
        return str(when)
    return point.astimezone().strftime("%Y-%m-%d %H:%M")


def plural(value: int, one: str, many: str = "") -> str:
    """Return a count with its noun, e.g. "1 row", "1,200 rows"."""
    return f"{value:,} {one if value == 1 else many or one + 's'}"


def plain(words: str) -> str:
    """Return words that somebody typed such that no letter of them is taken for formatting, an image or a link."""
    return "".join(f"\\{letter}" if letter in "\\`*_[]<>#$~:" else letter for letter in words)


def sentence(words: str) -> str:
    r"""Return a message of the engine, which may quote what somebody typed: only its commands stay formatted.

    >>> sentence("Run `molfun clean`, not ![x](http://y)")
    'Run `molfun clean`, not !\\[x\\](http\\://y)'
    """
    parts = COMMAND.split(words)
    return "".join(part if number % 2 else plain(part) for number, part in enumerate(parts))
