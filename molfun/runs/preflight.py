"""What is looked at before the first step: whether the disk has room, and how long and how large the run will be."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from typing import TYPE_CHECKING

from molfun.errors import RunError
from molfun.runs.folder import RunFolder

if TYPE_CHECKING:
    from molfun.training.rehearsal import Rehearsal

# A float32 weight and AdamW's two moments of it.
BYTES_PER_PARAMETER = 12
BYTES_PER_AVERAGE = 4
# best, last and the one before it, and the one that is being written.
CHECKPOINTS_AT_ONCE = 4
# Metrics, log, predictions and whatever else shares the disk.
REST_BYTES = 32 << 20
# Validation is a forward pass, a third of the work of a step.
FORWARD_SHARE = 1 / 3


def room_needed(num_trainable: int, *, has_average: bool, num_kept: int) -> int:
    """Return the bytes that a run's checkpoints take at most, and what else it writes.

    Args:
        num_trainable: Parameters that train.
        has_average: Whether their moving average is kept as well.
        num_kept: Checkpoints of single epochs that are kept beside the others.
    """
    each = num_trainable * (BYTES_PER_PARAMETER + (BYTES_PER_AVERAGE if has_average else 0))
    return each * (CHECKPOINTS_AT_ONCE + num_kept) + REST_BYTES


def check_room(folder: RunFolder, num_trainable: int, *, has_average: bool) -> None:
    """Hold that the disk has room for a run's checkpoints, and note both numbers.

    Raises:
        RunError: It has not.
    """
    training = folder.spec.training
    every = training.save_every
    kept = 0 if not every else min(training.keep_checkpoints or training.epochs, max(1, folder.epochs // every))
    needed = room_needed(num_trainable, has_average=has_average, num_kept=kept)
    held = sum(path.stat().st_size for path in folder.checkpoints.rglob("*") if path.is_file())
    free = shutil.disk_usage(folder.path).free
    if free + held < needed:
        raise RunError(
            f"The disk of {folder.path} has {_megabytes(free)} left, and the checkpoints of this run need up to "
            f"{_megabytes(needed - held)}. Free some room (page Settings, or `molfun clean`), or keep fewer epochs."
        )
    folder.write_preflight({**folder.read_preflight(), "disk_free_bytes": free, "disk_needed_bytes": needed - held})


def forecast_seconds(
    found: Rehearsal, num_residues: Mapping[str, int], *, epochs: int, num_processes: int = 1
) -> float:
    """Return how long a fit takes at the pace of its heaviest batch, in seconds an actual residue.

    Padding, a busy machine and checkpoints make it longer, the first batch's own warm-up shorter: an estimate.

    Args:
        found: What the rehearsal measured on one process.
        num_residues: Residues of the rows in "train" and "val".
        epochs: Passes over them.
        num_processes: Processes that share the rows.
    """
    if not found.tokens:
        return 0.0
    train, val = num_residues.get("train", 0), num_residues.get("val", 0)
    each_epoch = (found.seconds - found.once_seconds) * (train + FORWARD_SHARE * val) * epochs
    return (each_epoch + found.once_seconds * (train + val)) / found.tokens / max(1, num_processes)


def _megabytes(count: int) -> str:
    return f"{count / 1e6:,.0f} MB"
