"""What was done to a run while it trained, as marks for its curves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from molfun.runs.folder import RunFolder
from molfun.tracking.names import is_count
from molfun.tracking.reader import read_events

# Acts that are one word on a curve. "go_on" is left out: no step passes while a run is paused.
WORDS = {"pause": "paused", "checkpoint": "saved", "stop_after_epoch": "last epoch"}
WRITTEN = {"best": "best", "checkpoint": "checkpoint"}


@dataclass(frozen=True)
class Marker:
    """One act on a run.

    Attributes:
        step: Optimiser step after which it took effect.
        label: What it was, in a word or two.
    """

    step: int
    label: str


def markers_of(events: Iterable[Mapping[str, Any]]) -> list[Marker]:
    """Return the acts among the events of a run, by step; several after the same step are one marker.

    A resume undoes what was done after the checkpoint that it starts from, so those acts are left out. Of the weights
    that were written only the newest best ones and the newest others are marked.
    """
    written: dict[str, list[int]] = {"best": [], "checkpoint": []}
    labels: dict[int, dict[str, None]] = {}
    for event in events:
        kind, label = event.get("kind"), _label(event)
        if not is_count(event.get("step")):
            continue
        step = int(event["step"])
        if isinstance(kind, str) and kind in written:
            written[kind].append(step)
        if not label:
            continue
        if kind == "resume":
            written = {one: [known for known in steps if known <= step] for one, steps in written.items()}
            labels = {known: words for known, words in labels.items() if known <= step}
        labels.setdefault(step, {})[label] = None
    for kind, steps in written.items():
        if steps:
            labels.setdefault(steps[-1], {})[WRITTEN[kind]] = None
    return [Marker(step, ", ".join(words)) for step, words in sorted(labels.items())]


def _label(event: Mapping[str, Any]) -> str:
    kind, action = event.get("kind"), event.get("action")
    if kind == "resume":
        return "resumed"
    if kind != "steer" or not isinstance(action, str):
        return ""
    factor, epochs = event.get("factor"), event.get("epochs")
    if action == "lr" and isinstance(factor, int | float):
        return f"LR ×{factor:g}"
    if action == "epochs" and isinstance(epochs, int):
        return f"{epochs:,} epochs"
    return WORDS.get(action, "")


@lru_cache(maxsize=64)
def _markers(path: Path, modified: int, size: int) -> tuple[Marker, ...]:
    return tuple(markers_of(read_events(path)))


def read_markers(folder: RunFolder) -> tuple[Marker, ...]:
    """Return what was done to a run while it trained; its events are read again only when there are new ones."""
    try:
        stat = folder.events_path.stat()
    except OSError:
        return ()
    return _markers(folder.events_path, stat.st_mtime_ns, stat.st_size)
