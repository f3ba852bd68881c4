"""What a careful colleague would say of a spec before it starts: how long it is, what to expect, how to call it.

Values in, values out; nothing here forbids a start (that is `submit`'s).
"""

from __future__ import annotations

from dataclasses import dataclass

from molfun.adapters.catalog import ModelCard, find_model
from molfun.data.dataset import Dataset
from molfun.runs.spec import RunSpec
from molfun.training.catalog import STRATEGIES

FEW_ROWS_FOR_FULL = 1000


@dataclass(frozen=True)
class Schedule:
    """How long a run is: `effective_batch` rows make one optimiser step."""

    effective_batch: int
    steps_per_epoch: int
    total_steps: int


def schedule(spec: RunSpec, num_rows: int) -> Schedule:
    """Return batches and steps of a run over `num_rows` training rows; the last batch of an epoch may be smaller.

    With N processes, N batches are one forward of the whole.
    """
    batches = max(1, -(-num_rows // spec.training.batch_size))
    forwards = -(-batches // spec.training.num_processes)
    steps = -(-forwards // spec.strategy.accumulation_steps)
    rows = spec.training.batch_size * spec.training.num_processes * spec.strategy.accumulation_steps
    return Schedule(min(num_rows, rows), steps, steps * spec.training.epochs)


def propose_name(spec: RunSpec, dataset: Dataset) -> str:
    """Return the name of a run that nobody named."""
    return f"{dataset.name}, {STRATEGIES[spec.strategy.kind].title}, {find_model(spec.model.name).short_title}"


def advise(spec: RunSpec, dataset: Dataset) -> list[str]:
    """Return sentences that a person should read before starting, the weightiest first."""
    card = find_model(spec.model.name)
    said = [knowledge_gap(card, dataset), *_of_weights(spec, card), *_of_rows(spec, dataset)]
    return [sentence for sentence in said if sentence]


def introduce(spec: RunSpec, dataset: Dataset, run_id: str) -> str:
    """Return the line with which a run begins on the screen: its name, its rows, its id."""
    counts = ", ".join(f"{count} {part}" for part, count in dataset.counts.items())
    return f"{spec.name}: {counts} rows; run {run_id}"


def knowledge_gap(card: ModelCard, dataset: Dataset) -> str:
    """Return a sentence where a model was trained on other proteins than these, or an empty string."""
    known_for = dataset.about.get("suits")
    if not card.weights:
        return ""  # it was never trained, on any protein
    if card.knows_all_families or (known_for is not None and card.name in known_for):
        return ""
    if known_for is None:
        return f"{card.short_title} knows {card.knows}. For other proteins expect little help from its pretraining."
    return f"{card.short_title} knows {card.knows}; these are none, so expect little help from its pretraining."


def _of_weights(spec: RunSpec, card: ModelCard) -> list[str]:
    if spec.model.weights == "random" and not card.weights:
        return [f"{card.short_title} was never trained: it shows how a run works, and knows nothing of proteins."]
    if spec.model.weights == "random":
        return ["Random weights: the true architecture, untrained. A control that shows what pretraining adds."]
    if spec.model.weights == "pretrained" and card.weights.startswith("hub:"):
        return [f"The weights of {card.title} are fetched from the Hugging Face hub when the run starts, if need be."]
    return []


def _of_rows(spec: RunSpec, dataset: Dataset) -> list[str]:
    said, num_rows = [], dataset.counts["train"]
    total = schedule(spec, num_rows).total_steps
    if unseen := dataset.about.get("unseen_classes"):
        said.append(f"No training row has the class {', '.join(map(str, unseen))}; no model can learn it.")
    if dataset.counts["val"] == 0:
        said.append("There are no validation rows, so no best epoch can be chosen; the last one is kept.")
    if spec.strategy.warmup_steps >= total:
        said.append(
            f"Warm-up takes {spec.strategy.warmup_steps} steps but the run has only {total}; "
            "the full learning rate is never reached."
        )
    if num_rows < FEW_ROWS_FOR_FULL and spec.strategy.kind == "full":
        said.append(f"Full training on {num_rows} rows overfits easily; compare it with head only.")
    return said
