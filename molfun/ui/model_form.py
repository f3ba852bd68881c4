"""The choice of backbone and weights on New run: models that can learn the task, with the weights that there are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from molfun.adapters.catalog import MODELS, ModelCard
from molfun.data.settings import Task
from molfun.models.settings import ModelSettings
from molfun.training.settings import TrainingSettings
from molfun.ui import draft, forms, text

WEIGHTS = {"pretrained": "Pretrained", "random": "Random", "folder": "Folder"}
OF_STRUCTURES = ("recycles", "chunk_size")


def offered_models(task: Task) -> list[str]:
    """Return the models that can learn a task."""
    return [name for name, card in MODELS.items() if task != "structure" or card.predicts_structure]


def first_choice(task: Task) -> dict[str, str]:
    """Return model and weights that a form starts from where nothing was told: what starts at once on any machine."""
    if task == "structure":
        return {"name": "esmfold_small", "weights": "random"}
    return {"name": "antiberty", "weights": "pretrained"}


def choose_model(base: Mapping[str, Any] | None, task: Task, form: str) -> tuple[ModelCard, dict[str, Any]]:
    """Draw backbone and weights; return its card and the spec's model section without the head.

    Args:
        base: Spec of the run that the form starts from, None where there is none.
        task: Of the chosen data.
        form: Prefix of the keys of its widgets.
    """
    known = (base or {}).get("model") or first_choice(task)
    names = offered_models(task)
    form = f"{form}.structure" if task == "structure" else form
    left, right = st.columns([4, 5])
    with left:
        name = st.selectbox(
            "Model", names, index=draft.choose_default(names, known["name"]), key=f"{form}.model",
            format_func=lambda key: MODELS[key].title, persist_state="session",
            help="The pretrained backbone that is fine-tuned."
            + (" Models that predict no structure are not offered for structures." if task == "structure" else ""),
        )  # fmt: skip
    card = MODELS[name]
    with right:
        weights = _choose_weights(card, known["weights"], form)
    folder = ""
    if weights == "folder":
        folder = st.text_input(
            "Folder", value=known["weights"] if known["weights"] not in WEIGHTS else "", key=f"{form}.folder",
            persist_state="session",
            help="On this machine, in Hugging Face format: config.json and model.safetensors.",
        )  # fmt: skip
    st.caption(
        f"{text.short_count(card.num_parameters)} parameters in {card.num_blocks} blocks · knows {card.knows} · up to "
        f"{card.num_residues_limit:,} residues · {card.licence} · {card.citation}"
    )
    if not card.weights:
        st.caption(
            f":material/info: {card.short_title} was never trained, so that it begins with random weights: good to try "
            "out data and settings, not to predict."
        )
    elif note := draft.download_note(card, weights):
        st.caption(f":material/download: {note}")
    return card, draft.model_values(name, weights, folder, {})


def _choose_weights(card: ModelCard, known: str, form: str) -> str:
    """Draw where the weights come from; a model that nobody ever trained has no pretrained ones."""
    options = [name for name in WEIGHTS if name != "pretrained" or card.weights]
    start = known if known in WEIGHTS else "folder"
    chosen = st.segmented_control(
        "Weights", options, default=start if start in options else options[0], format_func=WEIGHTS.__getitem__,
        required=True, key=f"{form}.weights" if card.weights else f"{form}.weights.untrained", persist_state="session",
        help="Random is the true architecture, untrained: a control that shows what pretraining adds.",
    )  # fmt: skip
    return chosen or options[0]


def draw_structure_settings(
    card: ModelCard, base: Mapping[str, Any] | None, training: Mapping[str, Any], *, form: str
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Draw what only models that predict structures have: crop, recycling, chunks.

    Args:
        card: The model; one that predicts no structure gets nothing.
        base: Spec of the run that the form starts from.
        training: Values that the training section starts from.
        form: Prefix of the keys of the widgets.

    Returns:
        Values of the model section, and of the training section.
    """
    if not card.predicts_structure:
        return {}, {}
    told = {name: value for name, value in ((base or {}).get("model") or {}).items() if name in OF_STRUCTURES}
    left, right = st.columns([1, 2])
    with left:
        cropped = forms.draw_chosen(TrainingSettings, ("crop_size",), key=f"{form}.training", defaults=training, wide=1)
    with right:
        model = forms.draw_chosen(ModelSettings, OF_STRUCTURES, key=f"{form}.model", defaults=told, wide=2)
    return model, cropped
