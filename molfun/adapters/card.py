"""What is known of a backbone before it is built: size, limits, letters, licence. Readable without torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from molfun.adapters.alphabet import Alphabet

BUILDER = "molfun.adapters.encoder:build_encoder"
# Packages that are installed for the weights inside them, at the version whose files were tried.
PACKAGE_VERSIONS = {"antiberty": "0.1.3"}


@dataclass(frozen=True)
class ModelCard:
    """One backbone as a person chooses it and as a builder needs it.

    Attributes:
        num_parameters: Of the trunk, without pooler and language-model head; 0 where nobody counted them.
        num_residues_limit: Longest sequence in residues that the model takes.
        knows: Which proteins it was trained on, in words; shown beside data that are something else.
        family: Key of the name table in `molfun.adapters.encoder_names`; anything for other builders.
        config: Architecture, as keyword arguments of the family's Hugging Face configuration.
        weights: Where pretrained weights come from: "package:<distribution>:<folder inside it>", "hub:<name>" or
            "hub:<name>:<file>"; "" where nobody ever trained the model. Other builders may write what they like.
        builder: "module:function", called with (card, weights, load=bool) -> adapter.
        predicts_structure: Whether it has a structure module.
    """

    name: str
    title: str
    family: str
    num_parameters: int
    num_blocks: int
    hidden_size: int
    num_residues_limit: int
    alphabet: Alphabet
    lora_targets: tuple[str, ...]
    licence: str
    citation: str
    knows: str
    weights: str
    config: Mapping[str, Any] = field(repr=False)
    builder: str = BUILDER
    predicts_structure: bool = False

    @property
    def short_title(self) -> str:
        """The title without the size, e.g. "AntiBERTy"."""
        return self.title.split(" (")[0]

    @property
    def hub_name(self) -> str:
        """Name of its pretrained weights on the Hugging Face hub, "" where they come in a package."""
        kind, _, place = self.weights.partition(":")
        return place.partition(":")[0] if kind == "hub" else ""

    @property
    def knows_all_families(self) -> bool:
        """True where the model was trained on proteins of every kind."""
        return "all families" in self.knows


def how_to_install(distribution: str) -> str:
    """Return the end of a sentence on a package of weights that is absent; what its code would need is left out."""
    version = PACKAGE_VERSIONS.get(distribution)
    return f"install it with: pip install --no-deps {distribution}{f'=={version}' if version else ''}"


def custom_card(name: str, *, alphabet: Alphabet, max_residues: int, **more: Any) -> ModelCard:
    """Return the card of a backbone of your own; everything else has a default.

    Args:
        name: As specs and the command line name it.
        alphabet: Token id of every letter, and the special tokens.
        max_residues: Longest sequence that the model takes.
        **more: Other attributes of `ModelCard`: `builder` where a package brings the model, `lora_targets`,
            `num_parameters`, `licence`, ...
    """
    rest: dict[str, Any] = {
        "title": name, "family": "custom", "num_parameters": 0, "num_blocks": 0, "hidden_size": 0,
        "lora_targets": ("q_proj", "v_proj"), "licence": "not told", "citation": "not told", "weights": "",
        "knows": "what its authors trained it on", "config": {}, "builder": "",
    }  # fmt: skip
    return ModelCard(name=name, alphabet=alphabet, num_residues_limit=max_residues, **{**rest, **more})
