"""A run's model as files for other tools: loads it, writes it, and says on its card what it is. Loads torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from molfun.data.dataset import load_dataset
from molfun.errors import DataError
from molfun.evaluation.export import Format, export_model, model_card
from molfun.runs.folder import RunFolder
from molfun.runs.loading import load
from molfun.runs.steering import checkpoint_of

LIMITS = (
    "Predictions hold for sequences like those that it was trained on; the score says nothing of others.",
    "A prediction is no measurement: test what matters in the laboratory.",
)


def export_run(home: Path, run: str, folder: Path, *, kind: Format) -> dict[str, Any]:
    """Export the best weights of a run.

    Args:
        home: The data folder.
        run: Id of the run, with "/" and a checkpoint behind it if not its best one is wanted.
        folder: Where it goes; nothing may be there.
        kind: "merged" or "adapter".

    Returns:
        As `export_model`.

    Raises:
        RunError: There is no such run or checkpoint.
        DataError: Its dataset is gone.
        ModelError: It cannot be exported so.
    """
    own = RunFolder(checkpoint_of(home, run).parents[1])
    predictor = load(run, home=home, device="cpu")
    return export_model(predictor, folder, kind=kind, head=own.spec.model.head, card_text=_card(home, own))


def _card(home: Path, folder: RunFolder) -> str:
    spec, test = folder.spec, folder.read_scoreboard().get("test") or {}
    try:
        dataset = load_dataset(home / "datasets", spec.data.dataset)
        about, counts = dataset.about, dataset.counts
        data = {
            "Data": f"{dataset.name} ({dataset.id}, sha256 {about.get('sha256', '')})",
            "Rows": ", ".join(f"{count} {part}" for part, count in counts.items()),
            "Split": f"{dataset.split.kind}, seed {dataset.split.seed}",
            "Target": f"{dataset.columns.target} ({dataset.task})",
            "Citation of the data": str(about.get("citation", "")),
            "Licence of the data": str(about.get("licence", "")),
        }  # fmt: skip
        limits = [*LIMITS, *map(str, about.get("notes") or [])]
    except DataError:
        data, limits = {}, list(LIMITS)
    facts = {"Backbone": f"{spec.model.name} ({spec.model.weights} weights)", "Strategy": spec.strategy.kind, **data}
    return model_card(folder.title, facts, test.get("metrics") or {}, limits)
