"""What the card of a run's model says: its data, split, scores and baselines, limits, and what to cite. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import pandas as pd

from molfun.adapters.catalog import MODELS, ModelCard
from molfun.data.dataset import Dataset, load_dataset
from molfun.data.hashes import split_hash
from molfun.data.leaks import find_leaks
from molfun.data.settings import PRIMARY_METRIC
from molfun.errors import DataError
from molfun.evaluation.card import ModelFacts
from molfun.evaluation.scoreboard import score_table
from molfun.runs.certainty import read_predictions
from molfun.runs.folder import RunFolder
from molfun.runs.resampling import score_interval
from molfun.runs.spec import RunSpec

LIMITS = (
    "Predictions hold for sequences like those that it was trained on; the scores say nothing of others.",
    "A prediction is no measurement: test what matters in the laboratory. It is no basis for a medical decision.",
)
BEST = "best"
OUTPUTS = {
    "regression": "one number a row", "classification": "one class a row", "per_residue": "one class a residue",
    "structure": "the place of every atom",
}  # fmt: skip
EXAMPLE = "MKTAYIAKQR"


def model_facts(home: Path, folder: RunFolder, *, kind: str, checkpoint: str = BEST) -> ModelFacts:
    """Return what is known of the model of a run.

    Args:
        home: The data folder.
        folder: The run.
        checkpoint: Of which its weights are.
        kind: "merged", "adapter" or "onnx".

    Raises:
        SettingError: The settings of the run cannot be read.
    """
    spec, board = folder.spec, folder.read_scoreboard()
    try:
        dataset = load_dataset(home / "datasets", spec.data.dataset)
    except DataError:
        dataset = None
    card, test = MODELS.get(spec.model.name), board.get("test") or {}
    citations = {"The backbone": card.citation if card else ""}
    citations |= {"The data": str(dataset.about.get("citation") or "")} if dataset else {}
    origin = _origin(spec, card)
    example = ":".join([EXAMPLE] * (dataset.num_chains if dataset else 1))
    if kind == "adapter" and not origin.get("base_model"):
        example = f"{example} --base FOLDER"
    facts = _facts(spec, card, folder, checkpoint) | (_data_facts(dataset) if dataset else {})
    return ModelFacts(
        title=folder.title, kind=kind, facts=facts,
        scores=_scores(folder, dataset, test), baselines=board.get("baselines") or {}, num_test=test.get("rows", 0),
        use=_uses(dataset), limits=_limits(spec, card, dataset, checkpoint),
        citations={**citations, "The tool": f"Molfun {metadata.version('molfun')}"},
        example=example, **origin,
    )  # fmt: skip


def _facts(spec: RunSpec, card: ModelCard | None, folder: RunFolder, checkpoint: str) -> dict[str, str]:
    weights = spec.model.weights
    # A folder is a path of this machine.
    came = f"{weights} weights" if weights in ("pretrained", "random") else "weights of a local folder"
    kept = folder.read_checkpoints().get(checkpoint) or {}
    averaged = ", averaged (EMA)" if kept.get("weights") == "ema" else ""
    return {
        "Backbone": f"{card.title if card else spec.model.name}, {came}",
        "Licence of the backbone": card.licence if card and weights == "pretrained" else "",
        "Strategy": spec.strategy.kind,
        "Weights": f"checkpoint {checkpoint} of epoch {kept['epoch']}{averaged}" if "epoch" in kept else checkpoint,
    }


def _data_facts(dataset: Dataset) -> dict[str, str]:
    about, split = dataset.about, dataset.split
    return {
        "Data": f"{dataset.name} ({dataset.id})", "Hash of the data": f"sha256 {about.get('sha256', '')}",
        "Source of the data": str(about.get("source") or ""), "Licence of the data": str(about.get("licence") or ""),
        "Sequences": ", ".join(dataset.columns.sequence),
        "Target": f"{dataset.columns.target} ({OUTPUTS[dataset.task]})", "Classes": ", ".join(dataset.classes),
        "Rows": ", ".join(f"{count:,} {part}" for part, count in dataset.counts.items()),
        "Split": f"{split.kind}, seed {split.seed}", "Hash of the split": f"sha256 {split_hash(dataset.frame)}",
    }  # fmt: skip


def _origin(spec: RunSpec, card: ModelCard | None) -> dict[str, str]:
    """Return `base_model` and `licence`: those of the backbone, where its pretrained weights were the start."""
    if card is None or spec.model.weights != "pretrained":
        return {}
    return {"base_model": card.hub_name, "licence": card.licence}


def _uses(dataset: Dataset | None) -> list[str]:
    if dataset is None:
        return []
    of = "one sequence" if dataset.num_chains == 1 else f"{dataset.num_chains} chains"
    goal = ": to rank candidates before they are made and measured" if dataset.task == "regression" else ""
    return [
        f"Predicts {dataset.columns.target} ({OUTPUTS[dataset.task]}) from {of}, for proteins like those of "
        f"{dataset.name}{goal}."
    ]


def _limits(spec: RunSpec, card: ModelCard | None, dataset: Dataset | None, checkpoint: str) -> list[str]:
    found = list(LIMITS)
    if checkpoint != BEST:
        found.insert(0, f"The scores are those of the run's best weights; these are of its checkpoint {checkpoint}.")
    if card:
        found.append(f"Takes sequences of up to {card.num_residues_limit:,} residues, of the letters "
                     f"{card.alphabet.letters}.")  # fmt: skip
    if spec.model.weights == "random":
        found.append("The backbone was not pretrained: a control, not a result.")
    elif card:
        found.append(f"The backbone was pretrained on: {card.knows}.")
    if dataset is None:
        return found
    if unseen := dataset.about.get("unseen_classes"):
        found.append(f"Never saw a training row of: {', '.join(map(str, unseen))}.")
    return [*found, _leak_sentence(dataset), *map(str, dataset.about.get("notes") or [])]


def _leak_sentence(dataset: Dataset) -> str:
    """Return how alike test rows are to training rows, "" where that cannot be told."""
    chains = [dataset.frame[f"chain_{i}"].tolist() for i in range(1, dataset.num_chains + 1)]
    try:
        return find_leaks(chains, dataset.frame["split"].tolist()).sentence()
    except DataError:
        return ""


def _scores(folder: RunFolder, dataset: Dataset | None, test: Mapping[str, Any]) -> pd.DataFrame:
    """Return the test scores with their intervals; without ones where the predictions are gone."""
    metrics = {name: value for name, value in (test.get("metrics") or {}).items() if value is not None}
    known = pd.DataFrame({"value": metrics, "low": float("nan"), "high": float("nan"), "better": ""})
    predictions = read_predictions(folder)
    if dataset is None or not metrics or predictions is None:
        return known
    try:
        found = score_table(predictions, dataset.task, dataset.classes)
        own = score_interval(predictions, PRIMARY_METRIC[dataset.task])
    except (KeyError, TypeError, ValueError):  # somebody else's table
        return known
    if own is not None:
        # From as many resamples as everywhere else, so that no two places tell other ends.
        found.loc[PRIMARY_METRIC[dataset.task], ["low", "high"]] = own.low, own.high
    return found
