"""OpenFold behind the contract: the numbers of its own forward pass, every strategy on a real protein.

These tests need OpenFold on PYTHONPATH; `molfun.adapters.openfold_package.INSTALL` says how to get it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from molfun.adapters.catalog import MODELS, ModelCard
from molfun.adapters.openfold import OpenFoldAdapter, build_openfold
from molfun.adapters.openfold_package import import_openfold
from molfun.data.batches import Collate, SequenceRows
from molfun.data.example_structures import example_structures
from molfun.errors import ModelError
from molfun.models.lora import inject_lora
from molfun.models.structure import MolfunStructureModel
from molfun.models.structure_head import StructureHead
from molfun.training import FullFinetune, HeadOnlyFinetune, LoRAFinetune, PartialFinetune
from molfun.training.base import FinetuneStrategy
from molfun.training.gradients import set_training_mode
from molfun.types import Batch, Trunk
from tests.tiny import SEQUENCES, tiny_batch

# Both are OpenFold's own.
pytestmark = [
    pytest.mark.filterwarnings("ignore:torch.get_autocast_gpu_dtype"),
    pytest.mark.filterwarnings("ignore:Using a non-tuple sequence"),
]

ALPHABET = MODELS["openfold"].alphabet
TINY = {
    "globals.c_z": 16, "globals.c_m": 24, "globals.c_e": 8, "globals.c_s": 32,
    "model.evoformer_stack.no_blocks": 3, "model.evoformer_stack.c_hidden_msa_att": 4,
    "model.evoformer_stack.c_hidden_opm": 4, "model.evoformer_stack.c_hidden_mul": 8,
    "model.evoformer_stack.c_hidden_pair_att": 4, "model.evoformer_stack.no_heads_msa": 2,
    "model.evoformer_stack.no_heads_pair": 2, "model.extra_msa.extra_msa_stack.no_blocks": 1,
    "model.extra_msa.extra_msa_stack.c_hidden_msa_att": 4, "model.extra_msa.extra_msa_stack.c_hidden_opm": 4,
    "model.extra_msa.extra_msa_stack.c_hidden_mul": 8, "model.extra_msa.extra_msa_stack.c_hidden_pair_att": 4,
    "model.extra_msa.extra_msa_stack.no_heads_msa": 2, "model.extra_msa.extra_msa_stack.no_heads_pair": 2,
    "model.structure_module.c_ipa": 4, "model.structure_module.c_resnet": 16, "model.structure_module.no_heads_ipa": 2,
    "model.structure_module.no_blocks": 2, "model.heads.lddt.c_hidden": 16,
}  # fmt: skip


def has_openfold() -> str:
    """Return why OpenFold cannot be imported, "" where it can."""
    try:
        import_openfold()
    except ModelError as error:
        return str(error)
    return ""


needs_openfold = pytest.mark.skipif(bool(has_openfold()), reason=has_openfold())


def tiny_card() -> ModelCard:
    card = MODELS["openfold"]
    return replace(card, num_blocks=3, hidden_size=48, config={**card.config, **TINY})


def tiny_openfold(*, wants_structure: bool = True, num_recycles: int = 0, chunk_size: int = 0) -> OpenFoldAdapter:
    """Return an untrained model in which no matrix is zero, as OpenFold begins: else hardly anything has a gradient."""
    torch.manual_seed(0)
    adapter = build_openfold(tiny_card(), "random")
    with torch.no_grad():
        for parameter in adapter.parameters():
            if parameter.ndim == 2 and not parameter.any():
                parameter.normal_(std=0.1)
    adapter.prepare(wants_structure=wants_structure, num_recycles=num_recycles, chunk_size=chunk_size)
    return adapter


def tiny_openfold_model(**more: Any) -> MolfunStructureModel:
    adapter = tiny_openfold(**more)
    return MolfunStructureModel(adapter, StructureHead(adapter.fold_size, adapter.pair_size, 16), task="structure")


def summed(trunk: Trunk) -> torch.Tensor:
    """Return a number that depends on everything that a head may look at."""
    total = sum(hidden.square().sum() for hidden in trunk.hidden)
    if trunk.folds is not None:
        assert trunk.pair is not None
        parts = (trunk.folds.frames_BKR7, trunk.folds.raw_angles_BKR72, trunk.folds.states_BRS, trunk.pair)
        total = total + sum(part.square().sum() for part in parts)
    return total  # type: ignore[return-value]


def own_features(sequence: str, num_recycles: int) -> dict[str, torch.Tensor]:
    """Return what OpenFold's pipeline makes of an alignment of one row, without masked residues."""
    from openfold.config import model_config
    from openfold.data.data_pipeline import make_dummy_msa_feats, make_sequence_features
    from openfold.data.feature_pipeline import FeaturePipeline

    config = model_config("finetuning_no_templ")
    config.data.common.use_templates = config.data.common.use_template_torsion_angles = False
    config.data.common.max_recycling_iters = num_recycles
    config.data.predict.masked_msa_replace_fraction = 0.0
    config.data.predict.max_extra_msa = 3
    raw = {**make_sequence_features(sequence, "query", len(sequence)), **make_dummy_msa_feats(sequence)}
    raw["no_recycling_iters"] = np.array(num_recycles)
    return FeaturePipeline(config.data).process_features(raw, "predict")


@needs_openfold
@pytest.mark.parametrize("num_recycles", [0, 2])
@torch.no_grad()
def test_a_structure_is_that_of_openfold(num_recycles: int) -> None:
    sequence = "MKTAYIAKQRQXGGSHMLEDPVDWCF"
    adapter = tiny_openfold(num_recycles=num_recycles).eval()
    features = own_features(sequence, num_recycles)
    expected = adapter.backbone({name: tensor[None] for name, tensor in features.items()})
    trunk = adapter(tiny_batch(ALPHABET, sequences=[sequence]))
    assert trunk.folds is not None
    assert trunk.pair is not None
    pairs = (
        (trunk.hidden[0][..., :32], expected["single"]), (trunk.pair, expected["pair"]),
        (trunk.folds.frames_BKR7.transpose(0, 1), expected["sm"]["frames"]),
        (trunk.folds.raw_angles_BKR72.transpose(0, 1), expected["sm"]["unnormalized_angles"]),
        (trunk.folds.states_BRS, expected["sm"]["single"]),
    )  # fmt: skip
    for own, other in pairs:
        torch.testing.assert_close(own, other, rtol=1e-5, atol=1e-5)
    head = StructureHead(adapter.fold_size, adapter.pair_size, 16)
    torch.testing.assert_close(head(trunk).positions_BRA3, expected["sm"]["positions"][-1], rtol=1e-5, atol=5e-5)


@needs_openfold
@torch.no_grad()
def test_padding_and_chunks_change_nothing() -> None:
    model = tiny_openfold_model(num_recycles=1).eval()
    together = model(tiny_batch(ALPHABET))["preds"]
    for i, sequence in enumerate(SEQUENCES):
        alone = model(tiny_batch(ALPHABET, sequences=[sequence]))["preds"]
        torch.testing.assert_close(
            together.positions_BRA3[i, : len(sequence)], alone.positions_BRA3[0], rtol=1e-5, atol=2e-5
        )
    model.adapter.prepare(wants_structure=True, num_recycles=1, chunk_size=4)
    chunked = model(tiny_batch(ALPHABET))["preds"]
    torch.testing.assert_close(chunked.positions_BRA3, together.positions_BRA3, rtol=1e-5, atol=2e-5)


@needs_openfold
@torch.no_grad()
def test_chains_stand_far_apart() -> None:
    adapter = tiny_openfold().eval()
    batch = tiny_batch(ALPHABET, sequences=["MKTAY", "GSH"], num_chains=2)
    trunk = adapter(batch)
    assert [tuple(hidden.shape) for hidden in trunk.hidden] == [(2, 5, 48), (2, 5, 48)]
    assert trunk.chain_BR.tolist() == [[0] * 5 + [1] * 5, [0] * 3 + [1] * 3 + [-1] * 4]
    together = adapter(tiny_batch(ALPHABET, sequences=["MKTAYMKTAY", "GSHGSH"])).hidden[0]
    assert (together[0, 5:] - trunk.hidden[1][0]).abs().max() > 1e-3


@needs_openfold
def test_sixteen_bits_give_finite_atoms() -> None:
    model = tiny_openfold_model(num_recycles=1)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = model(tiny_batch(ALPHABET))["preds"]
    assert found.positions_BRA3.dtype == torch.float32
    assert found.positions_BRA3.isfinite().all()


@needs_openfold
@pytest.mark.parametrize("wants_structure", [True, False])
@pytest.mark.parametrize("num_recycles", [0, 2])
def test_everything_that_counts_as_trainable_gets_a_gradient(wants_structure: bool, num_recycles: int) -> None:
    adapter = tiny_openfold(wants_structure=wants_structure, num_recycles=num_recycles)
    adapter.unfreeze_trunk()
    summed(adapter(tiny_batch(ALPHABET, num_chains=2))).backward()
    assert {name for name, p in adapter.named_parameters() if (p.grad is not None) != p.requires_grad} == set()
    assert (adapter.get_structure_module() is not None) is wants_structure


@needs_openfold
def test_what_is_excluded_is_not_reached() -> None:
    adapter = tiny_openfold()
    adapter.requires_grad_(True)
    summed(adapter(tiny_batch(ALPHABET))).backward()
    excluded = {id(p) for module in adapter.get_excluded_modules() for p in module.parameters()}
    reached = {name for name, p in adapter.named_parameters() if id(p) in excluded and p.grad is not None}
    # A constant that is added to all pairs alike.
    assert reached == {"backbone.extra_msa_stack.blocks.0.outer_product_mean.linear_out.bias"}


@needs_openfold
def test_lora_reaches_the_attention_of_every_block_and_nothing_else() -> None:
    adapter = tiny_openfold().eval()
    adapter.freeze_trunk()
    batch = tiny_batch(ALPHABET)
    before = adapter(batch)
    inject_lora(adapter, rank=2, alpha=4)
    torch.testing.assert_close(adapter.eval()(batch).hidden[0], before.hidden[0], rtol=0, atol=0)
    found = {name.split(".lora_")[0] for name, p in adapter.named_parameters() if p.requires_grad}
    layers = ("msa_att_row.mha", "msa_att_col._msa_att.mha", "pair_stack.tri_att_start.mha",
              "pair_stack.tri_att_end.mha")  # fmt: skip
    assert found == {
        f"backbone.evoformer.blocks.{i}.{layer}.linear_{what}" for i in range(3) for layer in layers for what in "qv"
    }


@needs_openfold
def test_gradient_checkpointing_changes_no_gradient_behind_a_frozen_prefix() -> None:
    """Dropout included; OpenFold's own form of it leaves LoRA and Partial without gradients."""

    def gradients(make: Callable[[], FinetuneStrategy], enabled: bool) -> dict[str, torch.Tensor]:
        model = tiny_openfold_model(num_recycles=1)
        make().setup(model)
        set_training_mode(model)
        model.adapter.set_gradient_checkpointing(enabled=enabled)
        torch.manual_seed(1)
        summed(model.adapter(tiny_batch(ALPHABET))).backward()
        return {name: p.grad for name, p in model.adapter.named_parameters() if p.requires_grad}

    for make in (LoRAFinetune, partial(PartialFinetune, unfreeze_last_n=1), FullFinetune):
        plain, checkpointed = gradients(make, False), gradients(make, True)
        assert None not in checkpointed.values()
        torch.testing.assert_close(checkpointed, plain, rtol=1e-5, atol=1e-6)


@pytest.fixture(scope="module")
def protein() -> Batch:
    """Return the shortest of the example proteins as a batch."""
    frame = example_structures()
    row = frame.loc[frame["num_residues"].idxmin()]
    rows = SequenceRows(
        [[row["sequence"]]], encoder=ALPHABET, max_residues=1024, structures=[row["structure"]]
    )  # fmt: skip
    return Collate(ALPHABET, "structure")([rows[0]])


@needs_openfold
@pytest.mark.parametrize(
    "make",
    [
        HeadOnlyFinetune, partial(LoRAFinetune, rank=4),
        partial(PartialFinetune, unfreeze_last_n=1, unfreeze_structure_module=True), FullFinetune,
    ],
)  # fmt: skip
def test_a_strategy_learns_a_real_protein(make: Callable[..., FinetuneStrategy], protein: Batch) -> None:
    strategy = make(lr=2e-3, loss_fn="structure_without_violation", amp=False, warmup_steps=2)
    history = strategy.fit(tiny_openfold_model(), [protein], epochs=6, seed=0)
    assert history[-1]["train_loss"] < history[0]["train_loss"]


@needs_openfold
@torch.no_grad()
def test_weights_are_read_from_a_folder(tmp_path: Path) -> None:
    adapter = tiny_openfold().eval()
    torch.save(adapter.backbone.state_dict(), tmp_path / "finetuning_no_templ_2.pt")
    with pytest.raises(ModelError, match=r"config.json"):
        build_openfold(tiny_card(), str(tmp_path))
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "openfold"}))
    again = build_openfold(tiny_card(), str(tmp_path)).eval()
    batch = tiny_batch(ALPHABET)
    torch.testing.assert_close(again(batch).hidden[0], adapter(batch).hidden[0], rtol=0, atol=0)
    with pytest.raises(ModelError, match=r"The weights in .* do not fit: Error.* without templates"):
        build_openfold(replace(tiny_card(), config={**tiny_card().config, "globals.c_s": 40}), str(tmp_path))
    (tmp_path / "other.pt").touch()
    with pytest.raises(ModelError, match=r"should hold one file of weights .* holds 2"):
        build_openfold(tiny_card(), str(tmp_path))


@needs_openfold
def test_random_weights_follow_the_seed_and_leave_numpys_alone() -> None:
    before = np.random.get_state()[1].tolist()
    first, second = (build_openfold_with(seed) for seed in (0, 0))
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert np.random.get_state()[1].tolist() == before


def build_openfold_with(seed: int) -> OpenFoldAdapter:
    torch.manual_seed(seed)
    return build_openfold(tiny_card(), "random")


@needs_openfold
def test_the_card_counts_the_true_architecture() -> None:
    card = MODELS["openfold"]
    with torch.device("meta"):
        adapter = build_openfold(card, "random", load=False)
    adapter.prepare(wants_structure=True, num_recycles=0, chunk_size=0)
    assert sum(p.numel() for p in adapter.parameters()) == card.num_parameters
    assert (len(adapter.get_trunk_blocks()), adapter.hidden_size) == (card.num_blocks, card.hidden_size)


@pytest.mark.skipif(not has_openfold(), reason="OpenFold is here")
def test_without_openfold_the_way_to_it_is_told() -> None:
    with pytest.raises(
        ModelError, match=r"The package OpenFold cannot be used here: .*PYTHONPATH.* pip install ml_collections"
    ):
        build_openfold(MODELS["openfold"], "random")
