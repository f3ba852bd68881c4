"""What state a run is in, from its folder and the identity of its process. Values in, value out; changes nothing.

For a run on a cluster the main process's own word comes first, then what the scheduler said last, then "unknown".
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

from molfun.runs.control import requested
from molfun.runs.endings import RESUME
from molfun.runs.folder import RunFolder
from molfun.runs.process import find_process, heartbeat_age_seconds, is_elsewhere
from molfun.runs.queue import read_queue

State = Literal["queued", "starting", "running", "stopping", "finished", "stopped", "failed", "lost", "unknown"]
LIVE: tuple[State, ...] = ("starting", "running", "stopping", "unknown")
ENDED: tuple[State, ...] = ("finished", "stopped", "failed", "lost")
HEARTBEAT_LIMIT_SECONDS = 90.0
NO_ANSWER = "The cluster gives no answer; the run may be at work. Its state shows as soon as there is one."
# Between the launcher's note "starting" and its note of the process id lies the start of a process.
START_LIMIT_SECONDS = 30.0
# An answer of a scheduler that is older than this says nothing about now.
ANSWER_LIMIT_SECONDS = 120.0
REMOTE = ("slurm", "ray")


@dataclass(frozen=True)
class RunStatus:
    """A run's state as a person asks for it.

    Attributes:
        status: One of `State`; "lost" is a run whose process ended without a word, "unknown" one on a cluster that
            gives no answer.
        cause: Why it stopped, failed or was lost, or what it waits for on a cluster, in plain words; empty otherwise.
        alive: Whether a process works on it, as far as is known.
        is_paused: Whether it waits at a step edge because somebody asked it to.
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
    is_paused: bool = False

    @property
    def is_over(self) -> bool:
        """True once nothing more will happen by itself."""
        return self.status in ENDED


def run_status(folder: RunFolder) -> RunStatus:
    """Return the state of a run.

    Args:
        folder: The run.
    """
    state = folder.read_state()
    status, cause = _status(state)
    if status in LIVE or (status == "queued" and state.get("attempt")):
        status, cause = _confirmed(folder, state, status, cause)
    alive = status in LIVE
    requests = requested(folder) if alive else set()
    if status in ("starting", "running") and "stop" in requests:
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
        is_paused=status == "running" and bool(state.get("paused")),
    )


def _status(state: Mapping[str, Any]) -> tuple[State, str]:
    """Return what the state file says, nothing verified."""
    noted, cause = state.get("status"), str(state.get("cause") or "")
    if not state:
        return "lost", "The run folder holds no readable state; its start was cut off or the file is damaged."
    if noted not in get_args(State):
        return "lost", f"The run folder says {noted!r}, which this version does not know; update Molfun."
    return cast(State, noted), cause


def _confirmed(folder: RunFolder, state: Mapping[str, Any], noted: State, cause: str) -> tuple[State, str]:
    """Hold what an open run's state file says against its process, its queue or its cluster."""
    launch = folder.read_launch()
    if launch.get("launcher") in REMOTE:
        return _on_cluster(folder, state, noted, cause)
    if noted == "queued":
        return _in_queue(folder, state, launch, cause)
    return (noted, cause) if _is_alive(state) else ("lost", cause or _loss(state))


def _in_queue(folder: RunFolder, state: Mapping[str, Any], launch: Mapping[str, Any], cause: str) -> tuple[State, str]:
    """Tell a run that waits from one whose start was cut off before it reached the queue."""
    host = launch.get("host")
    queue = read_queue(folder.path.parents[1], host if isinstance(host, str) else None)
    launched = _number(state.get("launched")) or 0.0
    if queue.position(folder.id) is not None or time.time() - launched <= START_LIMIT_SECONDS:
        return "queued", cause
    return "lost", "Its start was cut off before it reached the queue; resume the run."


def _on_cluster(folder: RunFolder, state: Mapping[str, Any], noted: State, cause: str) -> tuple[State, str]:
    """Believe a fresh sign of life first, then the scheduler's last answer."""
    is_gone = not is_elsewhere(state) and find_process(state) is None
    if noted != "queued" and not is_gone and heartbeat_age_seconds(state) <= HEARTBEAT_LIMIT_SECONDS:
        return noted, cause
    answer = folder.read_scheduler()
    job, reason = answer.get("state"), str(answer.get("reason") or "")
    if is_gone and noted != "queued" and job not in ("queued", "interrupted", "cancelled"):
        return "lost", cause or _loss(state)
    asked, launched = _number(answer.get("t")) or 0.0, _number(state.get("launched")) or 0.0
    if asked < launched or time.time() - asked > ANSWER_LIMIT_SECONDS:
        is_new = time.time() - launched <= ANSWER_LIMIT_SECONDS
        return ("queued", cause) if noted == "queued" and is_new else ("unknown", cause or NO_ANSWER)
    if job in ("queued", "interrupted"):
        return "queued", reason or cause
    if job == "running":
        return ("starting" if noted == "queued" else noted), cause
    if job == "cancelled":
        return "stopped", reason or "The job was cancelled on the cluster; the run can be resumed."
    if job in ("done", "failed"):
        return "lost", f"The job ended on the cluster without saying why. {reason} {RESUME}".replace("  ", " ")
    return "unknown", reason or cause or NO_ANSWER


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
        "The end of the log may tell more; the run can be resumed, from its last checkpoint where one was written."
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
