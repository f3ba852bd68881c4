"""The result of a run in a sentence or two, as the app and the evidence tell it. No streamlit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from molfun.runs.certainty import best_baseline, is_number
from molfun.runs.resampling import Interval
from molfun.ui import text


def verdict(scoreboard: Mapping[str, Any], ahead: Interval | None = None) -> str:
    """Return the result in a sentence or two: the test score, and whether a simple baseline is as good.

    Args:
        scoreboard: As the run wrote it.
        ahead: How much higher the run scores than the best baseline.
    """
    primary = str(scoreboard.get("primary", ""))
    score = scoreboard["test"]["metrics"].get(primary)
    rows = text.count(scoreboard["test"].get("rows"))
    metric = text.plain(text.metric_title(primary))
    said = f"**{metric} {text.number(score)}** on {rows} test rows that training never saw."
    best = best_baseline(scoreboard)
    if best is None or not is_number(score):
        return said
    title, reached = text.plain(text.baseline_title(best).lower()), scoreboard["baselines"][best][primary]
    if reached >= score:
        said = f"{said} The baseline “{title}” is as good or better ({text.number(reached)})."
    else:
        said = f"{said} The best simple baseline, “{title}”, reaches {text.number(reached)}."
    if ahead is None:
        return said
    between = f"95 % interval {ahead.low:+.3f} to {ahead.high:+.3f}"
    if ahead.is_clear:
        return f"{said} The difference, {ahead.value:+.3f}, is clear on these rows ({between})."
    return f"{said} These rows do not settle which of the two is better ({ahead.value:+.3f}, {between})."
