"""Where a fit goes on: which checkpoint, what becomes of the others, and bringing everything back from it."""

from __future__ import annotations

import json
import logging
import math
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load_file

from molfun.errors import RunError
from molfun.training.checkpoint import (
    BEST,
    FORMAT,
    LAST,
    MANIFEST,
    PREVIOUS,
    STATE,
    check_format,
    other_name,
    read_manifest,
    read_weights,
)
from molfun.training.snapshot import check_model, check_settings, load_tensors, restore_training

if TYPE_CHECKING:
    from molfun.training.loop import Loop

logger = logging.getLogger(__name__)

AUTO = "auto"
# Of two checkpoints of the same step, the one that is nearer to what comes next.
_PREFERENCE = {LAST: 3, BEST: 1, PREVIOUS: 0}
_NAMES = re.compile(rf"{BEST}|{LAST}|{PREVIOUS}|epoch_\d+")


def resume(loop: Loop, resume_from: Path | str) -> None:
    """Go on from a checkpoint: a folder, or "auto" for the newest whole one in the fit's folder, if there is any.

    Raises:
        RunError: The folder is no checkpoint, is damaged, or belongs to other data, another model or settings.
    """
    folder, damaged = _find(loop, resume_from)
    for sentence in damaged.values():
        logger.warning("%s", sentence)
    if folder is None:
        return
    restore(loop, folder)
    loop.resumed_from, step = folder.name, loop.progress.step
    is_own = loop.checkpoint_dir is not None and folder.resolve().parent == loop.checkpoint_dir.resolve()
    _clear_away(loop, later_than=step if is_own else -1, damaged=list(damaged))
    loop.writer.last_good = f"{folder.name} (step {step})"
    if is_own and folder.name == LAST:
        loop.saved_at = (loop.progress.epoch, step)
    elif not loop.progress.steps_done_in_epoch:
        # The process may have died between two of the checkpoints that the end of this epoch is due.
        loop.save_epoch()
    instead = " instead of a newer one that is damaged" if damaged else ""
    logger.info("Resumed from %s%s: step %d is done.", folder.name, instead, step)


def start_afresh(loop: Loop) -> None:
    """Put the checkpoints of an earlier fit out of the way: a later "auto" must not take them for this one's."""
    _clear_away(loop, later_than=-1)


def _clear_away(loop: Loop, *, later_than: int, damaged: Sequence[str] = ()) -> None:
    if loop.checkpoint_dir is None or not loop.distributed.is_main_process:
        return
    tidy_up(loop.checkpoint_dir)
    place = set_aside(loop.checkpoint_dir, later_than=later_than, damaged=damaged)
    if place is not None:
        logger.warning("Checkpoints of another fit, or damaged ones, were moved to %s.", place)


def _find(loop: Loop, resume_from: Path | str) -> tuple[Path | None, dict[str, str]]:
    """Let the main process choose the checkpoint; the others may see a slower disk."""
    if resume_from != AUTO:
        return Path(resume_from), {}
    if loop.checkpoint_dir is None:
        raise RunError("resume_from='auto' looks in checkpoint_dir, which is not given; give one of the two.")
    folder: Path | None = None
    damaged: dict[str, str] = {}
    problem = ""
    if loop.distributed.is_main_process:
        tidy_up(loop.checkpoint_dir)
        try:
            folder, damaged = newest_checkpoint(loop.checkpoint_dir)
        except RunError as error:
            problem = str(error)
    folder, damaged, problem = loop.distributed.collect((folder, damaged, problem))[0]
    if problem:
        raise RunError(problem)
    return folder, damaged


def restore(loop: Loop, folder: Path) -> None:
    """Bring a fit back to where a checkpoint was written; every process reads it.

    Raises:
        RunError: The folder is no checkpoint, is damaged, or belongs to other data, another model or other settings.
    """
    manifest = read_manifest(folder)
    if manifest["format"] < FORMAT:
        raise RunError(
            f"{folder} was written by an earlier version of Molfun, from which training cannot go on exactly; its "
            "weights can still be used. Start a new run."
        )
    check_settings(loop, manifest, folder.name)
    weights = read_weights(loop.model, folder)
    check_model(loop.about_model, manifest, str(folder))
    other_path = folder / other_name(manifest["weights"])
    other = load_file(other_path) if other_path.exists() else {}
    state = torch.load(folder / STATE, map_location="cpu", weights_only=True)
    loop.progress.check_steps(state["progress"])
    # Of the two sets, the average goes through the model into the EMA, then the raw weights take its place.
    average_first = [other, weights] if manifest["weights"] == "raw" else [weights, other]
    load_tensors(loop.model, average_first[0], place=str(folder))
    loop.ema.copy_from_model()
    load_tensors(loop.model, average_first[1], place=str(folder))
    restore_training(loop, state)


def tidy_up(checkpoint_dir: Path) -> None:
    """Undo what a killed process left half done: unfinished folders go, one that was moved aside comes back."""
    for path in checkpoint_dir.glob(".*.writing"):
        place = checkpoint_dir / path.name[1:].removesuffix(".writing")
        if not place.exists() and _is_whole(path):
            path.rename(place)
    for path in [*checkpoint_dir.glob(".*.writing"), *checkpoint_dir.glob(".*.trash")]:
        shutil.rmtree(path, ignore_errors=True)
    for path in checkpoint_dir.glob(".*.older"):
        place = checkpoint_dir / path.name[1:].removesuffix(".older")
        if place.exists():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.rename(place)


def newest_checkpoint(checkpoint_dir: Path) -> tuple[Path | None, dict[str, str]]:
    """Return the whole checkpoint that is furthest on, and {name: problem} of those that are further, but damaged.

    Returns:
        (None, {}) where there is no checkpoint at all.

    Raises:
        RunError: There are some, but none can be used; or a newer Molfun wrote one of them.
    """
    damaged: dict[str, str] = {}
    for folder in sorted(_checkpoints(checkpoint_dir), key=_position, reverse=True):
        # Whole, but not to be read here: no reason to fall back to an older one.
        check_format(_about(folder), folder)
        try:
            read_manifest(folder)
        except RunError as error:
            damaged[folder.name] = str(error)
            continue
        return folder, damaged
    if damaged:
        raise RunError(
            f"None of the checkpoints in {checkpoint_dir} can be used: {' '.join(damaged.values())} Move them away to "
            "start afresh."
        )
    return None, {}


def set_aside(checkpoint_dir: Path, *, later_than: int, damaged: Sequence[str] = ()) -> Path | None:
    """Move checkpoints that are further on than a step, and damaged ones, into a folder; return it, None if none.

    They belong to an earlier fit, or to a branch that was left, and must not be taken for this one's later.
    """
    found = _checkpoints(checkpoint_dir)
    moved = [path for path in found if path.name in damaged or _position(path)[0] > later_than]
    if not moved:
        return None
    numbers = [int(path.name.rpartition("-")[2]) for path in checkpoint_dir.glob("replaced-[0-9]*")]
    place = checkpoint_dir / f"replaced-{max(numbers, default=0) + 1}"
    place.mkdir()
    for path in moved:
        path.rename(place / path.name)
    return place


def _is_whole(folder: Path) -> bool:
    try:
        read_manifest(folder)
    except RunError:
        return False
    return True


def _checkpoints(checkpoint_dir: Path) -> list[Path]:
    if not checkpoint_dir.is_dir():
        return []
    return [path for path in checkpoint_dir.iterdir() if path.is_dir() and _NAMES.fullmatch(path.name)]


def _position(folder: Path) -> tuple[float, int, int]:
    """Return how far on a checkpoint is; one without a readable manifest comes first, so that it is named."""
    about, preference = _about(folder), _PREFERENCE.get(folder.name, 2)
    if not about:
        return math.inf, 0, preference
    return float(about["step"]), int(about["epoch"]), preference


def _about(folder: Path) -> dict[str, Any]:
    """Return the manifest of a checkpoint, its files not verified; empty where there is none to be read."""
    try:
        about = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        return dict(about) if {"step", "epoch"} <= set(about) else {}
    except (OSError, ValueError, TypeError):
        return {}
