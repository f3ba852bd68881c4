"""Cards of the models that predict structures: ESMFold and OpenFold."""

from __future__ import annotations

from dataclasses import replace

from molfun.adapters.alphabet import ALPHAFOLD
from molfun.adapters.card import ModelCard
from molfun.adapters.language_models import esm2

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
    stem = dict(esm2("3B", 0, 36, 2560, 40).config)
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


def _esmfold_small() -> ModelCard:
    """Return the same architecture in a size that a laptop trains in minutes, to try out data and settings."""
    whole = _esmfold()
    fold = whole.config["esmfold_config"]
    structure_module = fold["trunk"]["structure_module"] | {
        "sequence_dim": 64, "pairwise_dim": 32, "ipa_dim": 8, "resnet_dim": 64, "num_heads_ipa": 4, "num_blocks": 4,
    }  # fmt: skip
    trunk = fold["trunk"] | {
        "num_blocks": 4, "sequence_state_dim": 64, "pairwise_state_dim": 32, "sequence_head_width": 16,
        "pairwise_head_width": 16, "structure_module": structure_module,
    }  # fmt: skip
    stem = {"hidden_size": 64, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 256}
    return replace(
        whole, name="esmfold_small", title="ESMFold small (0.7 M)", num_parameters=742_750, num_blocks=4,
        hidden_size=96, knows="nothing: it was never trained", weights="",
        config={**whole.config, **stem} | {"esmfold_config": fold | {"lddt_head_hid_dim": 64, "trunk": trunk}},
    )  # fmt: skip


# Without the beginning, attention among extra sequences of an alignment and the structure module would be reached, too.
OPENFOLD_LORA = r"evoformer\.blocks\.\d+\..*linear_(q|v)"


def _openfold() -> ModelCard:
    return ModelCard(
        name="openfold", title="OpenFold (93 M)", family="openfold", num_parameters=92_899_674, num_blocks=48,
        hidden_size=512, num_residues_limit=1024, alphabet=ALPHAFOLD, lora_targets=(OPENFOLD_LORA,),
        licence="Apache-2.0 (weights CC BY 4.0)", citation="Ahdritz et al. 2024, Nat. Methods 21:1514",
        knows="proteins of all families, but with alignments; here it reads the sequence alone",
        weights="hub:nz/OpenFold:finetuning_no_templ_2.pt", config={"preset": "finetuning_no_templ"},
        builder="molfun.adapters.openfold:build_openfold", predicts_structure=True,
    )  # fmt: skip


FOLDING_MODELS = (_esmfold(), _esmfold_small(), _openfold())
