"""What a run sends to its remote trackers. Keys and addresses are no settings: they come from the environment."""

from __future__ import annotations

from typing import Literal

from molfun.settings import Settings, setting


class TrackingSettings(Settings):
    """What remote trackers get; the local record always has everything."""

    project: str = setting(
        "molfun", min_length=1, max_length=100, pattern=r"^[\w .-]+$", label="Project", group="Tracking",
        help="Where the run appears at the service: a project, or what it calls an experiment; name one for each "
        "question.",
    )  # fmt: skip
    every: int = setting(
        10, ge=1, le=100_000, label="Every so many steps", unit="steps", group="Tracking",
        help="How often an optimiser step is sent, epochs always are; raise it where a service limits or counts "
        "points.",
    )  # fmt: skip
    weights: Literal["none", "best"] = setting(
        "none", label="Weights", group="Tracking",
        help="Whether the best checkpoint is uploaded when the run is over; choose best where others look for it "
        "there, it lies in the run folder anyway.",
    )  # fmt: skip
