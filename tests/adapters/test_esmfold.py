"""ESMFold behind the contract: the numbers of transformers' own model, chains joined, nothing that never trains."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from molfun.adapters.catalog import MODELS
from molfun.adapters.chains import NUM_LINKERS, NUMBER_JUMP, join_chains
from molfun.adapters.esmfold import build_esmfold
from molfun.errors import ModelError
from molfun.models.lora import inject_lora
from molfun.models.structure import MolfunStructureModel
from molfun.models.structure_head import StructureHead
from molfun.training.gradients import set_training_mode
from molfun.types import Batch, Trunk
from tests.tiny import SEQUENCES, tiny_batch, tiny_fold_adapter, tiny_fold_card, tiny_fold_model

ALPHABET = MODELS["esmfold"].alphabet


def summed(trunk: Trunk) -> torch.Tensor:
    """Return a number that depends on everything that a head may look at."""
    total = sum(hidden.float().square().sum() for hidden in trunk.hidden)
    if trunk.folds is not None:
        assert trunk.pair is not None
        parts = (trunk.folds.frames_BKR7, trunk.folds.raw_angles_BKR72, trunk.folds.states_BRS, trunk.pair)
        total = total + sum(part.float().square().sum() for part in parts)
    return total  # type: ignore[return-value]


@pytest.mark.parametrize("num_recycles", [0, 2])
@torch.no_grad()
def test_a_structure_is_that_of_transformers(num_recycles: int) -> None:
    adapter = tiny_fold_adapter(num_recycles=num_recycles)
    head = StructureHead(adapter.fold_size, adapter.pair_size, hidden_size=16)
    head.copy_confidence(*adapter.confidence_layers())
    model = MolfunStructureModel(adapter, head, task="structure").eval()
    batch = tiny_batch(ALPHABET)
    real_BR = batch.chains[0].mask_BL
    found = model(batch)["preds"]
    expected = adapter.backbone(batch.chains[0].tokens_BL, real_BR.long(), num_recycles=num_recycles)
    pairs = (
        (found.positions_BRA3, expected.positions[-1]), (found.frames_BKR7[:, -1], expected.frames[-1]),
        (found.frames_BKR7[:, 0], expected.frames[0]), (found.angles_BKR72[:, -1], expected.angles[-1]),
        (found.group_frames_BRG44, expected.sidechain_frames[-1]), (found.distogram_BRRN, expected.distogram_logits),
        (found.plddt_BRN, expected.lddt_head[-1][:, :, 1]),
    )  # fmt: skip
    for own, other in pairs:
        torch.testing.assert_close(own[real_BR], other[real_BR], rtol=0, atol=2e-5)


@torch.no_grad()
def test_padding_changes_nothing() -> None:
    model = tiny_fold_model(num_recycles=1).eval()
    together = model(tiny_batch(ALPHABET))["preds"]
    for i, sequence in enumerate(SEQUENCES):
        alone = model(tiny_batch(ALPHABET, sequences=[sequence]))["preds"]
        size = len(sequence)
        torch.testing.assert_close(together.positions_BRA3[i, :size], alone.positions_BRA3[0], rtol=0, atol=2e-5)
        torch.testing.assert_close(together.plddt_BRN[i, :size], alone.plddt_BRN[0], rtol=0, atol=2e-5)


def test_chains_are_joined_by_linkers() -> None:
    batch = tiny_batch(ALPHABET, sequences=["MKTAY", "GSH"], num_chains=2)
    joined = join_chains(batch.chains, linker_id=ALPHABET.ids["G"], pad_id=ALPHABET.pad_id)
    assert joined.tokens_BJ.shape == (2, 5 + NUM_LINKERS + 5)
    assert joined.chain_BR.tolist() == [[0] * 5 + [1] * 5, [0] * 3 + [1] * 3 + [-1] * 4]
    first = joined.number_BJ[0]
    assert first[joined.place_BR[0]].tolist() == [
        *range(5),
        *range(5 + NUM_LINKERS + NUMBER_JUMP, 10 + NUM_LINKERS + NUMBER_JUMP),
    ]
    assert (joined.tokens_BJ[0, 5 : 5 + NUM_LINKERS] == ALPHABET.ids["G"]).all()
    assert joined.mask_BJ.sum(1).tolist() == [10 + NUM_LINKERS, 6 + NUM_LINKERS]


@torch.no_grad()
def test_each_chain_gets_its_own_states() -> None:
    adapter = tiny_fold_adapter().eval()
    batch = tiny_batch(ALPHABET, sequences=["MKTAY", "GSH"], num_chains=2)
    joined = join_chains(batch.chains, linker_id=ALPHABET.ids["G"], pad_id=ALPHABET.pad_id)
    trunk = adapter(batch)
    single, pair, _ = adapter._fold(joined)
    assert [tuple(hidden.shape) for hidden in trunk.hidden] == [(2, 5, 48), (2, 5, 48)]
    # The second chain of the second row stands behind three residues and the linkers.
    place = 3 + NUM_LINKERS
    torch.testing.assert_close(trunk.hidden[1][1, :3, :32], single[1, place : place + 3])
    assert not trunk.hidden[1][1, 3:].any()
    torch.testing.assert_close(trunk.pair[0, 1, 6], pair[0, 1, 5 + NUM_LINKERS + 1])


@pytest.mark.parametrize("wants_structure", [True, False])
@pytest.mark.parametrize("num_recycles", [0, 2])
def test_everything_that_counts_as_trainable_gets_a_gradient(wants_structure: bool, num_recycles: int) -> None:
    adapter = tiny_fold_adapter(wants_structure=wants_structure, num_recycles=num_recycles)
    adapter.unfreeze_trunk()
    summed(adapter(tiny_batch(ALPHABET, num_chains=2))).backward()
    assert {name for name, p in adapter.named_parameters() if (p.grad is not None) != p.requires_grad} == set()
    assert not any(p.requires_grad for p in adapter.backbone.esm.parameters())
    assert (adapter.get_structure_module() is not None) is wants_structure


def test_lora_reaches_the_attention_of_every_block_and_nothing_else() -> None:
    model = tiny_fold_model()
    model.adapter.freeze_trunk()
    model.lora_config = inject_lora(model.adapter, rank=2, alpha=4)
    found = {name.split(".lora_")[0] for name, p in model.adapter.named_parameters() if p.requires_grad}
    layers = ("seq_attention.proj", "tri_att_start.mha.linear_q", "tri_att_start.mha.linear_v",
              "tri_att_end.mha.linear_q", "tri_att_end.mha.linear_v")  # fmt: skip
    assert found == {f"backbone.trunk.blocks.{i}.{layer}" for i in range(2) for layer in layers}
    with pytest.raises(ModelError, match=r"reaches no layer named 'q_proj'.*This model has: .*linear_q"):
        inject_lora(tiny_fold_adapter(), rank=2, alpha=4, target_modules=["q_proj"])


def test_gradient_checkpointing_changes_no_gradient_and_survives_a_copy() -> None:
    def gradients(adapter: torch.nn.Module) -> dict[str, torch.Tensor]:
        adapter.zero_grad()
        torch.manual_seed(1)
        summed(adapter(batch)).backward()
        return {name: p.grad.clone() for name, p in adapter.named_parameters() if p.grad is not None}

    adapter, batch = tiny_fold_adapter(num_recycles=1), tiny_batch(ALPHABET)
    adapter.unfreeze_trunk()
    set_training_mode(adapter)
    plain = gradients(adapter)
    adapter.set_gradient_checkpointing(enabled=True)
    torch.testing.assert_close(gradients(adapter), plain, rtol=0, atol=1e-6)
    other = copy.deepcopy(adapter)
    with torch.no_grad():
        for parameter in other.get_trunk_blocks()[0].parameters():
            parameter.zero_()
    assert not torch.allclose(gradients(other)["backbone.esm_s_mlp.1.weight"], plain["backbone.esm_s_mlp.1.weight"])
    adapter.set_gradient_checkpointing(enabled=False)
    torch.testing.assert_close(gradients(adapter), plain, rtol=0, atol=0)


@torch.no_grad()
def test_chunks_give_the_same_numbers() -> None:
    adapter, batch = tiny_fold_adapter().eval(), tiny_batch(ALPHABET)
    whole = adapter(batch)
    adapter.prepare(wants_structure=True, num_recycles=0, chunk_size=4)
    chunked = adapter(batch)
    torch.testing.assert_close(chunked.hidden[0], whole.hidden[0], rtol=0, atol=1e-5)


def test_recycling_is_drawn_in_training_and_fixed_otherwise() -> None:
    adapter = tiny_fold_adapter(num_recycles=3)
    adapter.train()
    torch.manual_seed(0)
    assert {adapter._num_recycles() for _ in range(50)} == {0, 1, 2, 3}
    adapter.eval()
    assert {adapter._num_recycles() for _ in range(5)} == {3}


def test_real_size_is_counted_without_weights() -> None:
    card = MODELS["esmfold"]
    with torch.device("meta"):
        adapter = build_esmfold(card, "random", load=False)
        adapter.prepare(wants_structure=True, num_recycles=0, chunk_size=0)
        model = MolfunStructureModel(adapter, StructureHead(adapter.fold_size, adapter.pair_size), task="structure")
    assert len(adapter.get_trunk_blocks()) == card.num_blocks == 48
    assert adapter.hidden_size == card.hidden_size
    assert sum(p.numel() for p in adapter.backbone.parameters()) == card.num_parameters
    parts = {name: sum(p.numel() for p in parameters) for name, parameters in model.named_parts().items()}
    assert parts["block_1"] == parts["block_48"] == 14_293_888
    assert parts["structure_module"] == 2_019_116


def test_a_saved_model_is_read_again(tmp_path: Path) -> None:
    first = tiny_fold_adapter()
    first.backbone.save_pretrained(tmp_path)
    again = build_esmfold(tiny_fold_card(), str(tmp_path))
    again.prepare(wants_structure=True, num_recycles=0, chunk_size=0)
    batch = tiny_batch(ALPHABET)
    torch.testing.assert_close(again.eval()(batch).hidden[0], first.eval()(batch).hidden[0], rtol=0, atol=0)


def test_another_model_in_the_folder_is_named(tmp_path: Path) -> None:
    tiny_fold_adapter().backbone.save_pretrained(tmp_path)
    with pytest.raises(ModelError, match=r"another model than ESMFold.*hidden_size is 16, expected 2560"):
        build_esmfold(MODELS["esmfold"], str(tmp_path))
    (tmp_path / "config.json").write_text('{"model_type": "esm"}')
    with pytest.raises(ModelError, match="holds no folding model"):
        build_esmfold(MODELS["esmfold"], str(tmp_path))


def test_unknown_letters_are_read_as_x() -> None:
    batch = tiny_batch(replace(ALPHABET), sequences=["MKXAY"])
    assert isinstance(batch, Batch)
    assert batch.chains[0].tokens_BL[0, 2] == 20
