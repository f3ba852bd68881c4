"""Cards of the language models: AntiBERTy, ESM-2, ESM-C, ProtBert, ProtT5."""

from __future__ import annotations

from molfun.adapters.alphabet import ANTIBERTY, ESM2, PROTBERT, PROTT5
from molfun.adapters.card import ModelCard

PROTTRANS = "Elnaggar et al. 2021, IEEE TPAMI, doi:10.1109/TPAMI.2021.3095381"


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


def esm2(size: str, parameters: int, blocks: int, hidden: int, heads: int) -> ModelCard:
    """Return the card of an ESM-2 model; `size` is as in its public name."""
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


def _esmc(size: str, parameters: int, blocks: int, hidden: int, heads: int, intermediate: int, first: str) -> ModelCard:
    config = {
        "vocab_size": 64,
        "hidden_size": hidden,
        "num_hidden_layers": blocks,
        "num_attention_heads": heads,
        "intermediate_size": intermediate,
        "max_position_embeddings": 2048,
        "pad_token_id": 1,
        "mask_token_id": 32,
    }
    return ModelCard(
        name=f"esmc_{size.lower()}", title=f"ESM-C {size[:-1]} {size[-1]}", family="esmc", num_parameters=parameters,
        num_blocks=blocks, hidden_size=hidden, num_residues_limit=2046, alphabet=ESM2,
        lora_targets=("q_proj", "v_proj"), licence=f"MIT (weights of 2024: {first})",
        citation="ESM Team 2024, ESM Cambrian, EvolutionaryScale", knows="proteins of all families",
        weights=f"hub:biohub/ESMC-{size}", config=config,
    )  # fmt: skip


def _protbert() -> ModelCard:
    config = {
        "vocab_size": 30,
        "hidden_size": 1024,
        "num_hidden_layers": 30,
        "num_attention_heads": 16,
        "intermediate_size": 4096,
        "max_position_embeddings": 40_000,
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
        "pad_token_id": 0,
    }
    return ModelCard(
        name="protbert", title="ProtBert (420 M)", family="bert", num_parameters=418_881_536, num_blocks=30,
        hidden_size=1024, num_residues_limit=2046, alphabet=PROTBERT, lora_targets=("query", "value"),
        licence="AFL-3.0", citation=PROTTRANS, knows="proteins of all families", weights="hub:Rostlab/prot_bert",
        config=config,
    )  # fmt: skip


def _prott5() -> ModelCard:
    config = {
        "vocab_size": 128,
        "d_model": 1024,
        "d_kv": 128,
        "d_ff": 16_384,
        "num_layers": 24,
        "num_heads": 32,
        "relative_attention_num_buckets": 32,
        "relative_attention_max_distance": 128,
        "feed_forward_proj": "relu",
        "dropout_rate": 0.1,
        "layer_norm_epsilon": 1e-6,
        "pad_token_id": 0,
        "eos_token_id": 1,
    }
    return ModelCard(
        name="prott5", title="ProtT5 XL encoder (1.2 B)", family="t5", num_parameters=1_208_141_824, num_blocks=24,
        hidden_size=1024, num_residues_limit=2046, alphabet=PROTT5, lora_targets=("q", "v"), licence="AFL-3.0",
        citation=PROTTRANS, knows="proteins of all families", weights="hub:Rostlab/prot_t5_xl_uniref50", config=config,
    )  # fmt: skip


LANGUAGE_MODELS = (
    _antiberty(),
    esm2("8M", 7_409_081, 6, 320, 20),
    esm2("35M", 33_269_521, 12, 480, 20),
    esm2("150M", 147_728_601, 30, 640, 20),
    esm2("650M", 649_400_981, 33, 1280, 20),
    esm2("3B", 2_832_444_321, 36, 2560, 40),
    esm2("15B", 15_102_870_401, 48, 5120, 40),
    _esmc("300M", 332_011_200, 30, 960, 15, 2560, "Cambrian Open License"),
    _esmc("600M", 573_632_640, 36, 1152, 18, 3072, "Cambrian Non-Commercial License"),
    _protbert(),
    _prott5(),
)
