"""Settings of a model: which backbone, which weights, which head. Readable without torch."""

from __future__ import annotations

from typing import Literal

from molfun.settings import Settings, setting

Pooling = Literal["mean", "cls", "attention", "interface"]


class HeadSettings(Settings):
    """The task layer on top of the trunk."""

    pooling: Pooling = setting(
        "mean",
        label="Pooling",
        help="How residue states become one vector: their mean, the CLS token, a learned weighting, or (interface, for "
        "complexes and models with pair states) their mean beside a learned weighting of pairs of two chains.",
        group="Head",
    )
    hidden_size: int = setting(
        0, ge=0, le=8192, label="Hidden size", help="Width of a hidden layer in the head; 0 is a linear head.",
        group="Head", level="advanced",
    )  # fmt: skip
    dropout: float = setting(
        0.0,
        ge=0.0,
        lt=1.0,
        label="Head dropout",
        help="Share of features dropped in training.",
        group="Head",
        level="advanced",
    )


class ModelSettings(Settings):
    """Backbone and head."""

    name: str = setting(
        "antiberty", label="Model", help="Backbone by its catalog name; `molfun models` lists them.", group="Model"
    )
    weights: str = setting(
        "pretrained",
        label="Weights",
        help="'pretrained', 'random' (a control: the untrained architecture), or a folder in Hugging Face format.",
        group="Model",
    )
    start_from: str = setting(
        "", label="Start from", group="Model", level="advanced",
        help="Id of a run of the same model and strategy whose best weights this one starts from, or ID/last.",
    )  # fmt: skip
    recycles: int = setting(
        0, ge=0, le=20, label="Recycling", group="Model", level="advanced",
        help="How often a structure model sees its own answer; in training any number up to it. Without effect on "
        "language models.",
    )  # fmt: skip
    chunk_size: int = setting(
        0, ge=0, le=1024, label="Chunks of pairs", group="Model", level="advanced",
        help="Rows of pairs that a structure model's attention works on at a time; 0 is all at once. Less memory, the "
        "same numbers. Without effect on language models.",
    )  # fmt: skip
    head: HeadSettings = HeadSettings()
