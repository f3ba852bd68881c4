"""The backbones by name: size, limits, letters, LoRA targets, licence, builder. Readable without torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from molfun.adapters.alphabet import ALPHAFOLD, ANTIBERTY, ESM2, Alphabet
from molfun.errors import ModelError, nearest

BUILDER = "molfun.adapters.encoder:build_encoder"


@dataclass(frozen=True)
class ModelCard:
    """One backbone as a person chooses it and as a builder needs it.

    Attributes:
        num_parameters: Of the trunk, without pooler and language-model head.
        num_residues_limit: Longest sequence in residues that the model takes.
        knows: Which proteins it was trained on, in words; shown beside data that are something else.
        family: Key of the name table in `molfun.adapters.encoder`.
        config: Architecture, as keyword arguments of the family's Hugging Face configuration.
        weights: Where pretrained weights come from: "package:<distribution>:<folder inside it>" or "hub:<name>".
        builder: "module:function", called with (card, weights) -> adapter.
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
        return place if kind == "hub" else ""

    @property
    def knows_all_families(self) -> bool:
        """True where the model was trained on proteins of every kind."""
        return "all families" in self.knows


def _antiberty() -> ModelCard:
    config = {
        "vocab_size": 25,
        "hidden_size": 512,
        "num_hidden_layers": 8,
        "num_attention_heads": 8,
        "intermediate_size": 2048,
        "max_position_embeddings": 512,
        "hidden_dropout_prob": 0.1,
        "attention_probs_dropout_prob": 0.1,
        "pad_token_id": 0,
    }
    return ModelCard(
        name="antiberty", title="AntiBERTy (26 M)", family="bert", num_parameters=25_496_064, num_blocks=8,
        hidden_size=512, num_residues_limit=510, alphabet=ANTIBERTY, lora_targets=("query", "value"), licence="MIT",
        citation="Ruffolo, Gray, Sulam 2021, arXiv:2112.07782", knows="antibody variable domains only",
        weights="package:antiberty:trained_models/AntiBERTy_md_smooth", config=config,
    )  # fmt: skip


def _esm2(size: str, parameters: int, blocks: int, hidden: int, heads: int) -> ModelCard:
    config = {
        "vocab_size": 33,
        "hidden_size": hidden,
        "num_hidden_layers": blocks,
        "num_attention_heads": heads,
        "intermediate_size": 4 * hidden,
        "max_position_embeddings": 1026,
        "position_embedding_type": "rotary",
        "token_dropout": True,
        "emb_layer_norm_before": False,
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
        "layer_norm_eps": 1e-5,
        "pad_token_id": 1,
        "mask_token_id": 32,
    }
    return ModelCard(
        name=f"esm2_{size.lower()}", title=f"ESM-2 {size[:-1]} {size[-1]}", family="esm", num_parameters=parameters,
        num_blocks=blocks, hidden_size=hidden, num_residues_limit=1022, alphabet=ESM2, lora_targets=("query", "value"),
        licence="MIT", citation="Lin et al. 2023, Science 379:1123", knows="proteins of all families",
        weights=f"hub:facebook/esm2_t{blocks}_{size}_UR50D", config=config,
    )  # fmt: skip


# The projections of attention in the folding trunk. Their last names alone would also reach the stem, which gets no
# gradient, and the structure module.
ESMFOLD_LORA = r"trunk\.blocks\.\d+\.(seq_attention\.proj|tri_att_(start|end)\.mha\.linear_(q|v))"


def _esmfold() -> ModelCard:
    structure_module = {
        "sequence_dim": 384, "pairwise_dim": 128, "ipa_dim": 16, "resnet_dim": 128, "num_heads_ipa": 12,
        "num_qk_points": 4, "num_v_points": 8, "dropout_rate": 0.1, "num_blocks": 8, "num_transition_layers": 1,
        "num_resnet_blocks": 2, "num_angles": 7, "trans_scale_factor": 10, "epsilon": 1e-8, "inf": 1e5,
    }  # fmt: skip
    trunk = {
        "num_blocks": 48, "sequence_state_dim": 1024, "pairwise_state_dim": 128, "sequence_head_width": 32,
        "pairwise_head_width": 32, "position_bins": 32, "dropout": 0.0, "layer_drop": 0.0, "cpu_grad_checkpoint": False,
        "max_recycles": 4, "chunk_size": None, "structure_module": structure_module,
    }  # fmt: skip
    stem = dict(_esm2("3B", 0, 36, 2560, 40).config)
    config = stem | {
        "is_folding_model": True,
        "esmfold_config": {
            "fp16_esm": False, "use_esm_attn_map": False, "esm_ablate_pairwise": False, "esm_ablate_sequence": False,
            "embed_aa": True, "bypass_lm": False, "lddt_head_hid_dim": 128, "trunk": trunk,
        },
    }  # fmt: skip
    return ModelCard(
        name="esmfold", title="ESMFold (3.5 B)", family="esmfold", num_parameters=3_525_038_915, num_blocks=48,
        hidden_size=1152, num_residues_limit=1024, alphabet=ALPHAFOLD, lora_targets=(ESMFOLD_LORA,), licence="MIT",
        citation="Lin et al. 2023, Science 379:1123", knows="proteins of all families",
        weights="hub:facebook/esmfold_v1", config=config, builder="molfun.adapters.esmfold:build_esmfold",
        predicts_structure=True,
    )  # fmt: skip


MODELS: dict[str, ModelCard] = {
    card.name: card
    for card in (
        _antiberty(),
        _esm2("8M", 7_409_081, 6, 320, 20),
        _esm2("35M", 33_269_521, 12, 480, 20),
        _esm2("150M", 147_728_601, 30, 640, 20),
        _esm2("650M", 649_400_981, 33, 1280, 20),
        _esm2("3B", 2_832_444_321, 36, 2560, 40),
        _esm2("15B", 15_102_870_401, 48, 5120, 40),
        _esmfold(),
    )
}


def find_model(name: str) -> ModelCard:
    """Return the card of a backbone.

    Raises:
        ModelError: No model has that name; the nearest known one is given.
    """
    if name not in MODELS:
        raise ModelError(f"No model is named {name!r}{nearest(name, MODELS) or '; `molfun models` lists them.'}")
    return MODELS[name]
