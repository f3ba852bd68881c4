"""What people may do to a run: steer one at work, give one more epochs, start another one from its settings."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from molfun.errors import RunError
from molfun.runs import control
from molfun.runs.folder import RunFolder
from molfun.runs.spec import RunSpec
from molfun.runs.status import run_status
from molfun.runs.store import RunStore

ACTS = ("pause", "continue", "checkpoint", "halve_lr", "stop_after_epoch")
MAX_EPOCHS = 100_000
CHECKPOINT_NAME = re.compile(r"best|last|epoch_\d+")


def steer(folder: RunFolder, act: str) -> None:
    """Ask a run at work for one of `ACTS`; it is obeyed at the next step edge and marked on the curves.

    Raises:
        RunError: The run is not at work, or there is no such act.
    """
    if act not in ACTS:
        raise RunError(f"{act!r} cannot be asked of a run; expected one of {', '.join(ACTS)}.")
    status = run_status(folder)
    if status.status not in ("starting", "running"):
        raise RunError(f"The run {folder.id} is {status.status}; only a run at work can be steered.")
    if act == "continue":
        control.clear(folder, "pause")
    else:
        control.request(folder, act)


def extend_run(folder: RunFolder, epochs: int) -> bool:
    """Give a run more epochs.

    Args:
        folder: The run.
        epochs: In all, those that are trained already included.

    Returns:
        True where the run is waiting or at work and takes them up by itself; False where it has to be started again.

    Raises:
        RunError: The number is not above what is trained, or the run stops just now.
    """
    state, status = folder.read_state(), run_status(folder)
    done = int(state.get("epoch") or 0)
    # One that patience ended is finished, whatever is left of its epochs: only more than these begin it again.
    planned = int(state.get("epochs") or 0) if status.status == "finished" else 0
    if not max(done, planned) < epochs <= MAX_EPOCHS:
        told = f"{done} are trained already" if planned <= done else f"it ended after {done} of {planned}"
        raise RunError(
            f"The run {folder.id} cannot have {epochs} epochs: {told}; give a number above {max(done, planned)}, "
            f"{MAX_EPOCHS:,} at most."
        )
    if status.status == "stopping":
        raise RunError(f"The run {folder.id} is stopping; extend it once it has stopped.")
    folder.amend(epochs=epochs)
    if status.alive:
        control.request(folder, "extend", epochs=epochs)
    return status.alive or status.status == "queued"


def fork_spec(folder: RunFolder, changes: Mapping[str, Any]) -> RunSpec:
    """Return the settings of a new run: those of another one, with some changed.

    Raises:
        SettingError: The settings cannot be read, or a change is not possible.
    """
    spec = folder.spec.changed({"training.epochs": folder.epochs})
    named = {"name": f"{folder.title} (fork {time.strftime('%H:%M')})"} if "name" not in changes else {}
    return spec.changed({**named, **changes})


def checkpoint_of(home: Path, name: str) -> Path:
    """Return the folder of "run" or "run/checkpoint", by default its best one, else its last.

    Raises:
        RunError: There is no such run or checkpoint.
    """
    run_id, _, chosen = name.partition("/")
    checkpoints = RunStore(home).get(run_id).checkpoints
    for known in (chosen,) if chosen else ("best", "last"):
        if CHECKPOINT_NAME.fullmatch(known) and (checkpoints / known).is_dir():
            return checkpoints / known
    raise RunError(
        f"The run {run_id} has no checkpoint {chosen or 'yet'}; `molfun runs show {run_id}` lists what it has."
    )
