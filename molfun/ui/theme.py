"""Colours of charts and of run states. The palette is Okabe and Ito's, told apart by colour-blind eyes.

The app's own colours (background, text, buttons) are in `.streamlit/config.toml`.
"""

from __future__ import annotations

from dataclasses import dataclass

BLUE, VERMILION, GREEN = "#2384c6", "#d9641c", "#0f9d76"
PINK, AMBER, SKY, GREY = "#c46f9f", "#d99a1b", "#5fb4e5", "#8593a1"
SERIES = (BLUE, VERMILION, GREEN, PINK, AMBER, SKY, GREY)

TRAIN, VALIDATION, METRIC = BLUE, VERMILION, GREEN
VALIDATION_PALE = "rgba(217, 100, 28, 0.12)"
TRAINABLE, FROZEN = BLUE, "#9aa7b4"
WHISKER = "#5d6874"  # seen on light and dark ground, and on FROZEN
PARTS = {"train": BLUE, "val": AMBER, "test": VERMILION}
PART_TITLES = {"train": "Training", "val": "Validation", "test": "Test"}

REGION = "rgba(196, 111, 159, 0.75)"  # PINK, seen on light and dark ground and beside both ends of a scale

# How crowded a place is among dots; both ends are seen on light and dark ground.
DENSITY = ((0.0, "#8fc1e3"), (0.5, "#2384c6"), (1.0, "#6b4fa0"))
TREND, TREND_PALE = VERMILION, "rgba(217, 100, 28, 0.18)"

# From nothing to much. Opaque, because plotly picks black or white numbers by the colour of a field.
HEAT = ((0.0, "#e4eef7"), (0.5, "#86bbe1"), (1.0, "#2384c6"))


@dataclass(frozen=True)
class Look:
    """How a run state is shown: word, badge colour, icon."""

    word: str
    color: str
    icon: str


STATUS: dict[str, Look] = {
    "queued": Look("Queued", "gray", ":material/schedule:"),
    "starting": Look("Starting", "blue", ":material/rocket_launch:"),
    "running": Look("Running", "blue", ":material/directions_run:"),
    "stopping": Look("Stopping", "orange", ":material/front_hand:"),
    "finished": Look("Finished", "green", ":material/check_circle:"),
    "stopped": Look("Stopped", "gray", ":material/stop_circle:"),
    "failed": Look("Failed", "red", ":material/error:"),
    "lost": Look("Lost", "red", ":material/signal_disconnected:"),
    "unknown": Look("Unknown", "orange", ":material/help:"),
    # Not states of their own: what a running run does.
    "pausing": Look("Pausing", "violet", ":material/hourglass_top:"),
    "paused": Look("Paused", "violet", ":material/pause_circle:"),
}


def status_look(status: str) -> Look:
    """Return how a state is shown; one from a newer version shows its own name."""
    return STATUS.get(status, Look(status.capitalize() or "Unknown", "gray", ":material/help:"))
