"""What state a run is in, refreshing: badges, cause, progress, numbers, what it needs and where it is."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from molfun.runs import control
from molfun.runs.machine import list_gpus
from molfun.runs.queue import read_queue, why_waiting
from molfun.runs.status import REMOTE, RunStatus, run_status
from molfun.runs.store import RunFolder
from molfun.ui import controls, run_facts, shell, text
from molfun.ui.panels import interval, kept_epoch, kept_note
from molfun.ui.queue_panels import GPU_AGE_SECONDS
from molfun.ui.run_curves import judged_by, read_curves
from molfun.ui.tracker_panels import draw_remotes

# A run that ended changes only where somebody resumes it elsewhere.
ENDED_SECONDS = 5


def draw_state(folder: RunFolder, status: RunStatus) -> None:
    """Draw badge, cause, progress and numbers, refreshing; when another thing can be done, draw the page anew."""
    drawn = controls.look_of(folder, status)
    st.fragment(_state, run_every=interval(status))(folder, drawn)
    if status.is_over:
        st.fragment(_look_again, run_every=ENDED_SECONDS)(folder, drawn)


def _look_again(folder: RunFolder, drawn: tuple[object, ...]) -> None:
    """Draw the page anew where another tab, or the command line, did something to the run."""
    if controls.look_of(folder, run_status(folder)) != drawn:
        st.rerun()


def _state(folder: RunFolder, drawn: tuple[object, ...]) -> None:
    status = run_status(folder)
    if controls.look_of(folder, status) != drawn:
        st.rerun()
    state = folder.read_state()
    with st.container(horizontal=True, vertical_alignment="center"):
        _draw_badges(folder, status)
        st.markdown(f":gray[{_since(status)}]")
    if status.status == "queued":
        st.info(shell.sentence(_waits_for(folder, status)), icon=":material/schedule:")
    elif status.cause:
        is_bad = status.status in ("failed", "lost")
        show, icon = (st.error, ":material/error:") if is_bad else (st.info, ":material/info:")
        show(shell.sentence(status.cause), icon=icon)
    if status.status != "queued":
        st.progress(_progress(status), text=_progress_text(status, state))
        _draw_numbers(folder, state)
    draw_remotes(folder, status)
    _draw_captions(folder, status)


def _draw_badges(folder: RunFolder, status: RunStatus) -> None:
    """Draw the state, and what was asked of the run and is not obeyed yet."""
    asked = control.requested(folder) if status.alive else set()
    is_pausing = status.status == "running" and "pause" in asked and not status.is_paused
    shell.status_badge("pausing" if is_pausing else shell.shown_state(status))
    if "stop_after_epoch" in asked and status.status != "stopping":
        st.badge("Stops after this epoch", color="orange", icon=":material/event_busy:")
    pending = [words for action, words in controls.PENDING.items() if action in asked]
    if pending:
        st.badge(f"Asked to {' and '.join(pending)}", color="gray", icon=":material/hourglass_top:")


def _waits_for(folder: RunFolder, status: RunStatus) -> str:
    """Return what a run waits for, in words."""
    if controls.place_of(folder) in REMOTE:
        return status.cause or "The cluster has it; it starts when there is room."
    why = why_waiting(read_queue(shell.home()), folder.id, list_gpus(max_age_seconds=GPU_AGE_SECONDS))
    if why:
        return f"Waits in the queue of this machine. {why}"
    return status.cause or "On its way into the queue."


def _draw_captions(folder: RunFolder, status: RunStatus) -> None:
    """Draw what the run needs, while it needs it, and where it is."""
    lines = [] if status.is_over else [run_facts.preflight_line(folder.read_preflight())]
    lines.append(run_facts.where_line(folder, status))
    st.caption("  \n".join(line for line in lines if line))


def _progress(status: RunStatus) -> float:
    if status.status == "finished":
        return 1.0
    return min(1.0, max(0.0, status.progress or 0.0))


def _progress_text(status: RunStatus, state: dict[str, object]) -> str:
    if status.status == "starting":
        return "Loading the model and the data"
    step, total = state.get("step"), state.get("total_steps")
    if not isinstance(step, (int, float)) or not isinstance(total, (int, float)):
        return ""
    if status.status == "stopping":
        return f"Step {step:,.0f} of {total:,.0f} · saves, then ends"
    is_moving = status.status == "running" and not status.is_paused
    if is_moving and step >= total > 0:
        return f"Step {step:,.0f} of {total:,.0f} · scores the test rows and the baselines"
    left = f" · {text.duration(status.seconds_left)} left" if is_moving and status.seconds_left is not None else ""
    return f"Step {step:,.0f} of {total:,.0f}{left}"


def _since(status: RunStatus) -> str:
    if status.started is None:
        return ""
    if status.ended is not None:
        return f"{text.moment(status.started)} · took {text.duration(status.ended - status.started)}"
    return f"started {text.ago(status.started)}"


def _draw_numbers(folder: RunFolder, state: dict[str, object]) -> None:
    curves, epochs = read_curves(folder)
    steps = curves.frame
    metric, monitor = judged_by(folder)
    kept = kept_epoch(epochs, monitor)
    score = text.number(kept.get(f"val_{metric}"))
    numbers = [
        ("Epoch", f"{_whole(state.get('epoch'))} / {_whole(state.get('epochs'))}", "Passes over the training rows."),
        ("Training loss", text.number(_last(steps, "loss")), "Of the last step."),
        ("Validation loss", text.number(kept.get("val_loss")), kept_note(monitor)),
        (
            text.metric_title(metric).removesuffix(" correlation"),
            score,
            "On the validation rows, with the weights that are kept.",
        ),
        ("Tokens per second", _throughput(steps), "Residues and special tokens, over the last 20 steps."),
    ]
    with st.container(horizontal=True, gap="small"):
        for label, value, note in numbers:
            st.metric(label, value, help=note, width=148)


def _whole(value: object) -> str:
    return f"{value:,.0f}" if isinstance(value, (int, float)) else "–"


def _last(frame: pd.DataFrame, name: str) -> float | None:
    return None if frame.empty or name not in frame.columns else float(frame[name].iloc[-1])


def _throughput(steps: pd.DataFrame) -> str:
    if "tokens_per_second" not in steps.columns or steps.empty:
        return "–"
    return text.short_count(float(steps["tokens_per_second"].tail(20).mean()))
