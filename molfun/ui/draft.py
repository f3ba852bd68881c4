"""What a half-filled New run form means: the spec, the number of steps, advice, and why it cannot start yet.

Values in, values out: no streamlit, no torch, nothing is written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from molfun.adapters.catalog import ModelCard, find_model
from molfun.data.dataset import Dataset
from molfun.runs.spec import RunSpec
from molfun.training.defaults import recommended

LOSSES: dict[str, tuple[str, ...]] = {
    "regression": ("mse", "mae", "huber"),
    "classification": ("cross_entropy",),
    "per_residue": ("cross_entropy",),
}
BYTES_PER_WEIGHT = 4
COMMAND_LINE = "molfun fit spec.yaml"  # in the folder that the downloaded file lies in


@dataclass(frozen=True)
class Schedule:
    """How long a run is: `effective_batch` rows make one optimiser step."""

    effective_batch: int
    steps_per_epoch: int
    total_steps: int


def starting_values(
    kind: str, dataset: Dataset, model: ModelCard, base: Mapping[str, Any] | None = None
) -> dict[str, dict[str, Any]]:
    """Return the values that a form starts from, by section ("strategy", "training").

    Args:
        kind: Strategy.
        dataset: Chosen data.
        model: Chosen backbone.
        base: Spec of the run that this one starts from; its values win where the strategy is the same.
    """
    values: dict[str, dict[str, Any]] = {"strategy": {}, "training": {}}
    for path, value in recommended(kind, num_rows=dataset.counts["train"], task=dataset.task, model=model).items():
        section, name = path.split(".", 1)
        values.setdefault(section, {})[name] = value
    if base is not None and base.get("strategy", {}).get("kind") == kind:
        values["strategy"] |= base["strategy"]
        values["training"] |= base.get("training", {})
    return values


def draft_spec(
    dataset_id: str, model: Mapping[str, Any], strategy: Mapping[str, Any], training: Mapping[str, Any], name: str = ""
) -> RunSpec:
    """Return the validated spec of a form.

    Raises:
        SettingError: A value is outside its bounds.
    """
    return RunSpec.parse(
        {
            "name": name,
            "data": {"dataset": dataset_id},
            "model": dict(model),
            "strategy": dict(strategy),
            "training": dict(training),
        }
    )


def schedule(spec: RunSpec, num_rows: int) -> Schedule:
    """Return batches and steps of a run over `num_rows` training rows; the last batch of an epoch may be smaller."""
    batches = max(1, -(-num_rows // spec.training.batch_size))
    steps = max(1, -(-batches // spec.strategy.accumulation_steps))
    effective = min(num_rows, spec.training.batch_size * spec.strategy.accumulation_steps)
    return Schedule(effective, steps, steps * spec.training.epochs)


def advice(spec: RunSpec, dataset: Dataset) -> list[str]:
    """Return sentences that a careful colleague would say before Start; none of them forbids it."""
    card, found = find_model(spec.model.name), []
    if mismatch := knowledge_gap(card, dataset):
        found.append(mismatch)
    if spec.model.weights == "random":
        found.append("Random weights: the true architecture, untrained. A control that shows what pretraining adds.")
    if dataset.counts["val"] == 0:
        found.append("There are no validation rows, so no best epoch can be chosen; the last one is kept.")
    steps = schedule(spec, dataset.counts["train"])
    if spec.strategy.warmup_steps >= steps.total_steps:
        found.append(
            f"Warm-up takes {spec.strategy.warmup_steps} steps but the run has only {steps.total_steps}; "
            "the full learning rate is never reached."
        )
    if dataset.counts["train"] < 1000 and spec.strategy.kind == "full":
        found.append(f"Full training on {dataset.counts['train']} rows overfits easily; compare it with head only.")
    unseen = dataset.about.get("unseen_classes") or []
    if unseen:
        found.append(f"No training row has class {', '.join(map(str, unseen))}; no model can learn to predict it.")
    return found


def knowledge_gap(card: ModelCard, dataset: Dataset) -> str:
    """Return a sentence where a model was trained on other proteins than these, or an empty string."""
    if "all" in card.knows:
        return ""
    known_for = dataset.about.get("suits")
    if known_for is None:
        return f"{short_title(card)} knows {card.knows}. For other proteins expect little help from its pretraining."
    if card.name in known_for:
        return ""
    return f"{short_title(card)} knows {card.knows}; these are none, so expect little help from its pretraining."


def short_title(card: ModelCard) -> str:
    """Return a model's title without its size, e.g. "AntiBERTy"."""
    return card.title.split(" (")[0]


def model_values(name: str, weights: str, folder: str, head: Mapping[str, Any]) -> dict[str, Any]:
    """Return the spec's model section of the form's choices; `weights` is "pretrained", "random" or "folder"."""
    return {"name": name, "weights": folder.strip() if weights == "folder" else weights, "head": dict(head)}


def blocker(spec: RunSpec, dataset: Dataset, answer: Mapping[str, Any] | None) -> str:
    """Return why a run cannot start yet, in words, or an empty string.

    Args:
        spec: The form's spec.
        dataset: Its data.
        answer: What the preview found, None while it is under way.
    """
    card, weights = find_model(spec.model.name), spec.model.weights
    if not weights:
        return "Name the folder with the weights."
    if weights not in ("pretrained", "random") and not Path(weights).expanduser().is_dir():
        return f"Name a folder with weights: {weights!r} does not exist."
    longest = max(int(dataset.frame[f"chain_{i + 1}"].str.len().max()) for i in range(dataset.num_chains))
    if longest > card.num_residues_limit and dataset.columns.too_long == "refuse":
        return (
            f"The longest sequence has {longest:,} residues, {short_title(card)} takes {card.num_residues_limit:,}. "
            "Save the data again with crop or window, or choose another model."
        )
    if answer is not None and answer.get("error"):
        return str(answer["error"])
    return ""


def download_note(card: ModelCard, weights: str) -> str:
    """Return what fetching pretrained weights means, or an empty string where they are installed."""
    if weights != "pretrained" or not card.weights.startswith("hub:"):
        return ""
    size = card.num_parameters * BYTES_PER_WEIGHT
    shown = f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"
    return f"Pretrained weights come from the Hugging Face hub at the first run (about {shown}) and are kept."


def choose_default(options: Sequence[str], wanted: str) -> int:
    """Return the position of `wanted` among `options`, 0 where it is absent."""
    return list(options).index(wanted) if wanted in options else 0
