"""A true ESM-2 architecture small enough for a test, and batches for it."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace

import torch

from molfun.adapters.alphabet import Alphabet
from molfun.adapters.catalog import MODELS, ModelCard
from molfun.adapters.encoder import EncoderAdapter, build_encoder
from molfun.adapters.esmfold import ESMFoldAdapter, build_esmfold
from molfun.data.batches import Collate, SequenceRows
from molfun.models.build import build_head
from molfun.models.settings import HeadSettings
from molfun.models.structure import MolfunStructureModel
from molfun.models.structure_head import StructureHead
from molfun.types import Batch

SEQUENCES = ("MKTAYIAKQRQISFVKSHFSRQ", "GSHMLEDPVD", "EVQLVESGGGLVQPGGSLRLSCAAS", "AAAA", "QVQLKESGPGLVAPS")


# Families as tests name them, and a model of each.
MODEL_OF = {"esm": "esm2_8m", "bert": "antiberty", "protbert": "protbert", "esmc": "esmc_300m", "t5": "prott5"}


def tiny_card(family: str = "esm", *, num_blocks: int = 3) -> ModelCard:
    """Return the card of a family with small numbers."""
    card = MODELS[MODEL_OF[family]]
    sizes = {"hidden_size": 32, "num_hidden_layers": num_blocks, "num_attention_heads": 4, "intermediate_size": 64}
    if family == "t5":
        sizes = {"d_model": 32, "num_layers": num_blocks, "num_heads": 4, "d_kv": 8, "d_ff": 64}
    if family == "protbert":
        sizes["max_position_embeddings"] = 512
    return replace(card, num_blocks=num_blocks, hidden_size=32, config={**card.config, **sizes})


def tiny_adapter(family: str = "esm", *, num_blocks: int = 3) -> EncoderAdapter:
    """Return an untrained backbone."""
    torch.manual_seed(0)
    return build_encoder(tiny_card(family, num_blocks=num_blocks), "random")


def tiny_model(
    task: str = "regression", *, family: str = "esm", num_blocks: int = 3, num_chains: int = 1,
    head: HeadSettings | None = None,
    target_mean: float = 0.0, target_std: float = 1.0,
) -> MolfunStructureModel:  # fmt: skip
    """Return an untrained model; classification and per residue have 3 classes."""
    adapter = tiny_adapter(family, num_blocks=num_blocks)
    layers = build_head(
        head or HeadSettings(),
        task=task,
        hidden_size=32,
        num_chains=num_chains,
        num_outputs=1 if task == "regression" else 3,
    )
    return MolfunStructureModel(adapter, layers, task=task, target_mean=target_mean, target_std=target_std)


def tiny_batch(
    alphabet: Alphabet, task: str = "regression", *, sequences: Sequence[str] = SEQUENCES, num_chains: int = 1
) -> Batch:
    """Return one batch with targets that follow from the sequences."""
    chains = [list(sequences)] * num_chains
    targets = {
        "regression": [float(s.count("G") + 0.1 * len(s)) for s in sequences],
        "classification": [len(s) % 3 for s in sequences],
        "per_residue": [[ord(letter) % 3 for letter in s] for s in sequences],
    }[task]
    rows = SequenceRows(chains, encoder=alphabet, max_residues=1000, targets=targets)
    return Collate(alphabet, task)([rows[i] for i in range(len(rows))])  # type: ignore[arg-type]


def tiny_fold_card(*, num_blocks: int = 2) -> ModelCard:
    """Return the card of ESMFold with small numbers."""
    card = MODELS["esmfold"]
    config = copy.deepcopy(dict(card.config))
    config |= {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    config["esmfold_config"]["lddt_head_hid_dim"] = 16
    trunk = config["esmfold_config"]["trunk"]
    trunk |= {
        "num_blocks": num_blocks, "sequence_state_dim": 32, "pairwise_state_dim": 16, "sequence_head_width": 8,
        "pairwise_head_width": 8, "position_bins": 8,
    }  # fmt: skip
    trunk["structure_module"] |= {
        "sequence_dim": 32, "pairwise_dim": 16, "ipa_dim": 8, "resnet_dim": 16, "num_heads_ipa": 2, "num_qk_points": 2,
        "num_v_points": 2, "num_blocks": 2, "num_resnet_blocks": 1,
    }  # fmt: skip
    return replace(card, num_blocks=num_blocks, hidden_size=48, config=config)


def tiny_fold_adapter(*, num_blocks: int = 2, wants_structure: bool = True, num_recycles: int = 0) -> ESMFoldAdapter:
    """Return an untrained folding model."""
    torch.manual_seed(0)
    adapter = build_esmfold(tiny_fold_card(num_blocks=num_blocks), "random")
    adapter.prepare(wants_structure=wants_structure, num_recycles=num_recycles, chunk_size=0)
    return adapter


def tiny_fold_model(*, num_blocks: int = 2, num_recycles: int = 0) -> MolfunStructureModel:
    """Return an untrained model of the task "structure"."""
    adapter = tiny_fold_adapter(num_blocks=num_blocks, num_recycles=num_recycles)
    head = StructureHead(adapter.fold_size, adapter.pair_size, hidden_size=16)
    return MolfunStructureModel(adapter, head, task="structure")
