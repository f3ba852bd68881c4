"""What state a run is in, from its folder and the identity of its process. Values in, value out; changes nothing."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

from molfun.runs.control import requested
from molfun.runs.process import find_process, heartbeat_age_seconds, is_elsewhere
from molfun.runs.store import RunFolder

State = Literal["queued", "starting", "running", "stopping", "finished", "stopped", "failed", "lost"]
LIVE: tuple[State, ...] = ("starting", "running", "stopping")
ENDED: tuple[State, ...] = ("finished", "stopped", "failed", "lost")
HEARTBEAT_LIMIT_SECONDS = 60.0
# Between the launcher's note "starting" and its note of the process id lies the start of a process.
START_LIMIT_SECONDS = 30.0


@dataclass(frozen=True)
class RunStatus:
    """A run's state as a person asks for it.

    Attributes:
        status: One of `State`; "lost" is a run whose process ended without a word.
        cause: Why it stopped, failed or was lost, in plain words; empty otherwise.
        alive: Whether a process works on it.
        progress: Share of the planned steps, 0 to 1; None before the first step.
        seconds_left: Estimate to the last step; None where there is nothing to estimate from.
        started: Unix seconds, None before the start.
        ended: Unix seconds, None while it runs.
    """

    status: State
    cause: str
    alive: bool
    progress: float | None
    seconds_left: float | None
    started: float | None
    ended: float | None


def run_status(folder: RunFolder) -> RunStatus:
    """Return the state of a run."""
    state = folder.read_state()
    status, cause = _status(state)
    alive = status in LIVE
    if alive and "stop" in requested(folder):
        status = "stopping"
    progress = _progress(state)
    return RunStatus(
        status=status,
        cause=cause,
        alive=alive,
        progress=1.0 if status == "finished" else progress,
        seconds_left=_seconds_left(state, progress) if status == "running" else None,
        started=_number(state.get("started")),
        ended=_ended(state, status),
    )


def _status(state: Mapping[str, Any]) -> tuple[State, str]:
    noted, cause = state.get("status"), str(state.get("cause") or "")
    if not state:
        return "lost", "The run folder holds no readable state; its start was cut off or the file is damaged."
    if noted not in get_args(State):
        return "lost", f"The run folder says {noted!r}, which this version does not know; update Molfun."
    known = cast(State, noted)
    if known in LIVE and not _is_alive(state):
        return "lost", cause or _loss(state)
    return known, cause


def _is_alive(state: Mapping[str, Any]) -> bool:
    if is_elsewhere(state):
        return heartbeat_age_seconds(state) <= HEARTBEAT_LIMIT_SECONDS
    if state.get("pid") is None:
        launched = _number(state.get("launched")) or 0.0
        return time.time() - launched <= START_LIMIT_SECONDS
    return find_process(state) is not None


def _loss(state: Mapping[str, Any]) -> str:
    if is_elsewhere(state):
        return f"No sign of life from {state['host']} for more than {HEARTBEAT_LIMIT_SECONDS:.0f} seconds."
    step = state.get("step")
    where = f" after step {step}" if step else " before the first step"
    return (
        f"The process ended{where} without saying why: killed, out of memory, or the machine was restarted. "
        "The end of the log may tell more; the run can be resumed from its last checkpoint."
    )


def _progress(state: Mapping[str, Any]) -> float | None:
    step, total = _number(state.get("step")), _number(state.get("total_steps"))
    return min(1.0, step / total) if step and total else None


def _seconds_left(state: Mapping[str, Any], progress: float | None) -> float | None:
    """Return the time to the last step at the pace since the start; a resume's pace counts from its own first step."""
    started = _number(state.get("started"))
    if not progress or started is None:
        return None
    begun = _number(state.get("resumed_progress")) or 0.0
    since = _number(state.get("resumed")) or started
    done = progress - begun
    # The last report, not now: between reports the estimate must not grow.
    elapsed = (_number(state.get("heartbeat")) or time.time()) - since
    return max(0.0, elapsed / done * (1.0 - progress)) if done > 0 and elapsed > 0 else None


def _ended(state: Mapping[str, Any], status: State) -> float | None:
    if status not in ENDED:
        return None
    return _number(state.get("ended")) or _number(state.get("heartbeat")) or _number(state.get("launched"))


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) else None
