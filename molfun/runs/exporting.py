"""A run's model as files for other tools: loads it, writes it, and says on its card what it is. Loads torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transformers.utils.logging import disable_progress_bar

from molfun.errors import ModelError
from molfun.evaluation.card import model_card
from molfun.evaluation.export import Format, export_model
from molfun.runs.folder import RunFolder
from molfun.runs.loading import load
from molfun.runs.model_facts import model_facts
from molfun.runs.steering import checkpoint_of


def export_run(home: Path, run: str, folder: Path, *, kind: Format) -> dict[str, Any]:
    """Export the best weights of a run.

    Args:
        home: The data folder.
        run: Id of the run, with "/" and a checkpoint behind it if not its best one is wanted.
        folder: Where it goes; nothing may be there.
        kind: "merged", "adapter" or "onnx".

    Returns:
        As `export_model`.

    Raises:
        RunError: There is no such run or checkpoint.
        DataError: Its dataset is gone.
        ModelError: It cannot be exported so.
    """
    checkpoint = checkpoint_of(home, run)
    own = RunFolder(checkpoint.parents[1])
    weights = own.spec.model.weights
    if kind == "adapter" and weights == "random":
        raise ModelError(
            "The backbone of this run was drawn at random, so an adapter alone is of no use; export merged."
        )
    disable_progress_bar()  # type: ignore[no-untyped-call]
    predictor = load(run, home=home, device="cpu")
    card = model_card(model_facts(home, own, kind=kind, checkpoint=checkpoint.name))
    # A local folder is a path of this machine, and need not be what the hub has.
    base = None if weights == "pretrained" else ""
    return export_model(predictor, folder, kind=kind, head=own.spec.model.head, card_text=card, base=base)
