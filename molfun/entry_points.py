"""What other installed packages bring: entry points of a group by name, found once and not with every page."""

from __future__ import annotations

import sys
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

_MOST_GROUPS = 8


def installed_parts(group: str) -> dict[str, EntryPoint]:
    """Return the entry points of a group by name; none of them is loaded.

    All packages are looked through again only once one came or went: it takes longer than the rest of a page.
    """
    return dict(_look_through(group, tuple((place, _changed_at(place)) for place in sys.path)))


@lru_cache(maxsize=_MOST_GROUPS)
def _look_through(group: str, places: tuple[tuple[str, int], ...]) -> dict[str, EntryPoint]:
    """Return them by name; `places` are where packages lie, with when each last changed."""
    return {point.name: point for point in entry_points(group=group)}


def _changed_at(place: str) -> int:
    """Return when something was last added to a folder or taken from it, in nanoseconds; 0 where there is none."""
    try:
        return Path(place or ".").stat().st_mtime_ns
    except OSError:
        return 0
