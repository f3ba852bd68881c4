"""Which remote trackers a new run is sent to, as a part of the form New run."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

import streamlit as st

from molfun.runs.keys import lacking
from molfun.tracking.catalog import TRACKERS
from molfun.tracking.settings import TrackingSettings
from molfun.ui import forms, shell


def draw_trackers(base: Mapping[str, Any] | None, *, key: str) -> dict[str, Any]:
    """Draw the choice of trackers; return the spec's "trackers" and "tracking".

    Args:
        base: Spec of the run that the form starts from.
        key: Prefix of the widgets' keys.
    """
    told = untouched(base)
    names = st.multiselect(
        "Trackers", list(TRACKERS), default=told["trackers"],
        key=f"{key}.names", format_func=lambda name: TRACKERS[name].title, persist_state="session",
        placeholder="None: the run's own record is enough",
        help="Services to which the run is sent beside its own record. One that is away costs the run nothing.",
    )  # fmt: skip
    if not names:
        return {"trackers": [], "tracking": told["tracking"]}
    for name in names:
        if note := missing_words(name):
            st.warning(shell.sentence(note), icon=":material/key:")
    tracking = forms.draw_settings(TrackingSettings, key=f"{key}.tracking", defaults=told["tracking"])
    return {"trackers": list(names), "tracking": tracking}


def untouched(base: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return what `draw_trackers` would return where nobody changes anything."""
    told = base or {}
    names = [name for name in told.get("trackers") or [] if name in TRACKERS]
    return {"trackers": names, "tracking": dict(told.get("tracking") or {})}


def missing_words(name: str) -> str:
    """Return what a tracker lacks here, in words; empty where nothing is missing."""
    card = TRACKERS[name]
    if card.package and find_spec(card.package) is None:
        return f"{card.title} is not installed here; install it with: pip install {card.requirement}"
    if missing := lacking(card):
        return (
            f"{card.title} lacks {' and '.join(missing)}. The run trains all the same and is sent once it is there: "
            "set it on the page Settings, or in the environment."
        )
    return ""
