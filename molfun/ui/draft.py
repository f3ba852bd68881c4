"""What a half-filled New run form means: the spec, and why it cannot start yet.

Values in, values out: no streamlit, no torch, nothing is written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from molfun.adapters.catalog import ModelCard, find_model
from molfun.data.dataset import Dataset
from molfun.runs.spec import RunSpec
from molfun.training.defaults import recommended

BYTES_PER_WEIGHT = 4
SECTIONS = ("strategy", "training", "launch", "tracking")
COMMAND_LINE = "molfun fit spec.yaml"  # in the folder that the downloaded file lies in


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


def draft_spec(dataset_id: str, model: Mapping[str, Any], sections: Mapping[str, Any], name: str = "") -> RunSpec:
    """Return the validated spec of a form.

    Args:
        dataset_id: Id of the saved data.
        model: The spec's model section.
        sections: Its sections "strategy", "training", "launch" and "tracking", and "trackers"; one that is absent has
            its defaults.
        name: What the run is called.

    Raises:
        SettingError: A value is outside its bounds.
    """
    return RunSpec.parse(
        {
            "name": name,
            "data": {"dataset": dataset_id},
            "model": dict(model),
            "trackers": list(sections.get("trackers", [])),
            **{part: dict(sections[part]) for part in SECTIONS if part in sections},
        }
    )


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
            f"The longest sequence has {longest:,} residues, {card.short_title} takes {card.num_residues_limit:,}. "
            "Save the data again with crop, window or skip, or choose another model."
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
