"""The remote trackers by name, readable without importing any of them."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from molfun.errors import ModelError, SettingError, nearest
from molfun.tracking.base import BaseTracker


@dataclass(frozen=True)
class TrackerCard:
    """One remote tracker as a person chooses it.

    Attributes:
        package: Module that must be importable.
        requirement: What `pip install` takes to bring it.
        implementation: "module:class", called with `folder=`.
    """

    name: str
    title: str
    summary: str
    package: str
    requirement: str
    implementation: str


TRACKERS: dict[str, TrackerCard] = {
    card.name: card
    for card in (
        TrackerCard(
            "wandb", "Weights & Biases", "Metrics and settings at wandb.ai or your own server; works offline.",
            "wandb", "'wandb>=0.31'", "molfun.tracking.wandb:WandbTracker",
        ),
    )
}  # fmt: skip


def find_tracker(name: str) -> TrackerCard:
    """Return the card of a tracker whose package is installed.

    Raises:
        SettingError: No tracker has that name; the nearest known one is given.
        ModelError: Its package is absent; the install line is given.
    """
    if name not in TRACKERS:
        raise SettingError(f"No tracker is named {name!r}{nearest(name, TRACKERS) or f'; known: {list(TRACKERS)}.'}")
    card = TRACKERS[name]
    if find_spec(card.package) is None:
        raise ModelError(
            f"The tracker {name} needs the package {card.package}, which is absent; "
            f"install it with: pip install {card.requirement}"
        )
    return card


def build_tracker(name: str, *, folder: Path) -> BaseTracker:
    """Build a remote tracker by name; it keeps its own files in a folder of its name below `folder`.

    Raises:
        SettingError: No tracker has that name.
        ModelError: Its package is absent.
    """
    module, _, attribute = find_tracker(name).implementation.partition(":")
    tracker: BaseTracker = getattr(import_module(module), attribute)(folder=folder / name)
    return tracker
