"""What a run sends to its remote trackers. Keys and addresses are no settings: they come from the environment."""

from __future__ import annotations

from typing import Literal

from molfun.settings import Settings, setting


class TrackingSettings(Settings):
    """What remote trackers get; the local record always has everything."""

    project: str = setting(
        "molfun", label="Project", group="Tracking", min_length=1, max_length=100, pattern=r"^[\w .-]+$",
        help="Where the run appears at the service: a project, or what it calls an experiment.",
    )  # fmt: skip
    every: int = setting(
        10, ge=1, le=100_000, label="Every so many steps", unit="steps", group="Tracking",
        help="How often an optimiser step is sent; epochs are always sent.",
    )  # fmt: skip
    weights: Literal["none", "best"] = setting(
        "none", label="Weights", group="Tracking",
        help="Whether the best checkpoint is uploaded when the run is over; the weights lie in the run folder anyway.",
    )  # fmt: skip
