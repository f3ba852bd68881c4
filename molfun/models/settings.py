"""Settings of a model: which backbone, which weights, which head. Readable without torch."""

from __future__ import annotations

from typing import Literal

from molfun.settings import Settings, setting

Pooling = Literal["mean", "cls", "attention", "interface"]


class HeadSettings(Settings):
    """The task layer on top of the trunk."""

    pooling: Pooling = setting(
        "mean", label="Pooling", group="Head",
        help="How residue states become one vector: their mean; the CLS token; a learned weighting (attention), where "
        "few residues decide; or, for complexes and models with pair states, interface: their mean beside a learned "
        "weighting of pairs of two chains.",
    )  # fmt: skip
    hidden_size: int = setting(
        0, ge=0, le=8192, label="Hidden size", group="Head", level="advanced",
        help="Width of a hidden layer in the head; set 128 or more where a linear head on a frozen trunk learns too "
        "little, 0 is a linear head.",
    )  # fmt: skip
    dropout: float = setting(
        0.0, ge=0.0, lt=1.0, label="Head dropout", group="Head", level="advanced",
        help="Share of features dropped in training; set 0.1 to 0.3 when the head overfits a small table.",
    )  # fmt: skip


class ModelSettings(Settings):
    """Backbone and head."""

    name: str = setting(
        "antiberty", label="Model", group="Model",
        help="Backbone by its catalog name, `molfun models` lists them; choose one that knows your kind of protein.",
    )  # fmt: skip
    weights: str = setting(
        "pretrained", label="Weights", group="Model",
        help="'pretrained', 'random' (a control: the untrained architecture), or a folder in Hugging Face format with "
        "weights of your own.",
    )  # fmt: skip
    start_from: str = setting(
        "", label="Start from", group="Model", level="advanced",
        help="Id of a run of the same model and strategy whose best weights this one starts from, or ID/last; set it "
        "to go on from what that run learned.",
    )  # fmt: skip
    recycles: int = setting(
        0, ge=0, le=20, label="Recycling", group="Model", level="advanced",
        help="How often a structure model sees its own answer, in training any number up to it; raise it for better "
        "structures in more time. Without effect on language models.",
    )  # fmt: skip
    chunk_size: int = setting(
        0, ge=0, le=1024, label="Chunks of pairs", group="Model", level="advanced",
        help="Rows of pairs that a structure model's attention works on at a time; set 64 or less when memory runs "
        "out, the numbers stay the same, 0 is all at once. Without effect on language models.",
    )  # fmt: skip
    head: HeadSettings = HeadSettings()
