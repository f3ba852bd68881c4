"""What is known of losses without torch: names by task, batch sizes, installed packages that bring more.

`molfun.losses.catalog` holds the losses themselves; a test holds that the two agree.
"""

from __future__ import annotations

from importlib.metadata import EntryPoint

from molfun.entry_points import installed_parts
from molfun.errors import nearest

# The first one of a task is what it gets where nobody chose.
_OF_CLASSES = ("cross_entropy", "bce", "focal")
LOSSES_OF_TASK: dict[str, tuple[str, ...]] = {
    "regression": ("mse", "mae", "huber", "pearson", "ranking"),
    "classification": _OF_CLASSES,
    "per_residue": _OF_CLASSES,
    "structure": ("structure", "structure_without_violation", "fape"),
}
# Fewest items of one batch for which a loss is defined; 1 for those that are not named.
MIN_ITEMS: dict[str, int] = {"pearson": 2, "ranking": 2}
# A package declares `[project.entry-points."molfun.losses"]` with `name = "module:CARD"`, a `LossCard`.
ENTRY_POINT_GROUP = "molfun.losses"


def installed_losses() -> dict[str, EntryPoint]:
    """Return the entry points of installed packages that bring losses, by name; none of them is loaded."""
    return installed_parts(ENTRY_POINT_GROUP)


def losses_for(task: str) -> tuple[str, ...]:
    """Return the losses that a task may be trained with.

    Installed ones come last, whatever their task: which one that is, only loading them (and torch) would tell.
    """
    own = LOSSES_OF_TASK[task]
    known = {name for names in LOSSES_OF_TASK.values() for name in names}
    return own + tuple(sorted(set(installed_losses()) - known))


def unknown_loss(name: str, known: set[str]) -> str:
    """Return the sentence for a loss that nobody knows."""
    return f"No loss is named {name!r}{nearest(name, sorted(known)) or f'; known are {sorted(known)}.'}"
