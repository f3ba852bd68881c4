"""Which weights of a run are used, in words. Loads no torch."""

from __future__ import annotations

from pathlib import Path

from molfun.runs.folder import RunFolder
from molfun.runs.steering import checkpoint_of


def weights_in_words(home: Path, run: str) -> str:
    """Return which weights a run predicts with, e.g. "best weights, epoch 3, averaged (EMA)".

    Args:
        home: The data folder.
        run: Id of the run, with "/last" or another checkpoint behind it if not its best one is meant.

    Raises:
        RunError: There is no such run or checkpoint.
    """
    path = checkpoint_of(home, run)
    about = RunFolder(path.parents[1]).read_checkpoints().get(path.name, {})
    kind = {"ema": "averaged (EMA)", "raw": "not averaged"}.get(str(about.get("weights")), "")
    epoch = f"epoch {about['epoch']}" if about.get("epoch") is not None else ""
    return ", ".join(filter(None, (f"{path.name} weights", epoch, kind)))
