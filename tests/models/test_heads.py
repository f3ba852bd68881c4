from __future__ import annotations

import pytest
import torch

from molfun.errors import SettingError
from molfun.models.build import build_head
from molfun.models.heads import AttentionPooling, ClsPooling, InterfacePooling, MeanPooling, build_pooling
from molfun.models.settings import HeadSettings
from molfun.models.structure import MolfunStructureModel
from tests.tiny import SEQUENCES, tiny_batch, tiny_model

POOLINGS = ("mean", "cls", "attention")


def test_mean_pooling_ignores_specials_and_padding() -> None:
    hidden_BLD = torch.tensor([[[9.0], [1.0], [3.0], [9.0], [7.0]]])
    residues_BL = torch.tensor([[False, True, True, False, False]])
    assert MeanPooling()(hidden_BLD, residues_BL).item() == 2.0


def test_cls_pooling_takes_the_first_token() -> None:
    hidden_BLD = torch.arange(6.0).reshape(1, 3, 2)
    assert ClsPooling()(hidden_BLD, torch.ones(1, 3, dtype=torch.bool)).tolist() == [[0.0, 1.0]]


def test_attention_pooling_is_a_softmax_over_residues() -> None:
    pool = AttentionPooling(1)
    pool.score.weight.data.fill_(1.0)
    hidden_BLD = torch.tensor([[[0.0], [torch.log(torch.tensor(3.0)).item()], [100.0]]])
    pooled = pool(hidden_BLD, torch.tensor([[True, True, False]]))
    assert pooled.item() == pytest.approx(0.75 * torch.log(torch.tensor(3.0)).item(), rel=1e-6)


def test_interface_pooling_weighs_pairs_of_two_chains() -> None:
    pool = InterfacePooling(1)
    pool.score.weight.data.fill_(1.0)
    three = torch.log(torch.tensor(3.0)).item()
    # Residues 0 and 1 are a chain, 2 is another, 3 is padding: the pairs (0, 2) and (1, 2) count, in both orders.
    pair_BRRP = torch.full((1, 4, 4, 1), 100.0)
    pair_BRRP[0, 0, 2] = pair_BRRP[0, 2, 0] = 0.0
    pair_BRRP[0, 1, 2], pair_BRRP[0, 2, 1] = three + 1.0, three - 1.0
    pooled = pool(pair_BRRP, torch.tensor([[0, 0, 1, -1]]))
    assert pooled.item() == pytest.approx(0.75 * three, rel=1e-6)


@pytest.mark.parametrize(
    ("num_chains", "pair_size", "said"), [(1, 8, "needs two sequence columns"), (2, 0, "which language models lack")]
)
def test_interface_pooling_needs_pairs_of_chains(num_chains: int, pair_size: int, said: str) -> None:
    settings = HeadSettings(pooling="interface")
    with pytest.raises(SettingError, match=said):
        build_head(
            settings, task="regression", hidden_size=8, num_chains=num_chains, num_outputs=1, pair_size=pair_size
        )


def test_unknown_pooling_is_refused() -> None:
    with pytest.raises(SettingError, match="expected mean, cls, attention or interface"):
        build_pooling("max", 8)


def test_unknown_task_is_refused() -> None:
    model = tiny_model()
    with pytest.raises(SettingError, match="No task is named 'regresion', did you mean 'regression'"):
        MolfunStructureModel(model.adapter, model.head, task="regresion")


def test_per_residue_head_takes_one_chain_only() -> None:
    with pytest.raises(SettingError, match="takes one sequence column, not 2"):
        build_head(HeadSettings(), task="per_residue", hidden_size=8, num_chains=2, num_outputs=3)


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("num_chains", [1, 2])
@pytest.mark.parametrize("hidden_size", [0, 16])
@pytest.mark.parametrize(("task", "shape"), [("regression", (5,)), ("classification", (5, 3))])
def test_pooled_heads_give_one_output_a_row(pooling, num_chains, hidden_size, task, shape) -> None:
    model = tiny_model(task, num_chains=num_chains, head=HeadSettings(pooling=pooling, hidden_size=hidden_size))
    preds = model(tiny_batch(model.adapter.alphabet, task, num_chains=num_chains))["preds"]
    assert preds.shape == shape
    assert preds.dtype == torch.float32


@pytest.mark.parametrize("family", ["esm", "bert"])
@pytest.mark.parametrize("pooling", POOLINGS)
def test_padding_changes_no_prediction(family: str, pooling: str) -> None:
    model = tiny_model(family=family, head=HeadSettings(pooling=pooling)).eval()
    together = model(tiny_batch(model.adapter.alphabet))["preds"]
    alone = torch.cat([model(tiny_batch(model.adapter.alphabet, sequences=[s]))["preds"] for s in SEQUENCES])
    torch.testing.assert_close(together, alone, atol=2e-6, rtol=1e-5)


def test_per_residue_predictions_line_up_with_residues() -> None:
    model = tiny_model("per_residue").eval()
    batch = tiny_batch(model.adapter.alphabet, "per_residue")
    preds = model(batch)["preds"]
    assert preds.shape == (*batch.chains[0].tokens_BL.shape, 3)
    assert batch.target_mask is not None
    assert batch.target_mask.sum(1).tolist() == [len(s) for s in SEQUENCES]
    assert torch.equal(batch.target_mask, batch.chains[0].residues_BL)


def test_regression_predictions_are_in_the_users_unit() -> None:
    plain, scaled = tiny_model().eval(), tiny_model(target_mean=10.0, target_std=4.0).eval()
    scaled.head.load_state_dict(plain.head.state_dict())
    batch = tiny_batch(plain.adapter.alphabet)
    torch.testing.assert_close(scaled(batch)["preds"], plain(batch)["preds"] * 4 + 10)


def test_second_chain_changes_the_prediction() -> None:
    model = tiny_model(num_chains=2).eval()
    batch = tiny_batch(model.adapter.alphabet, num_chains=2)
    other = tiny_batch(model.adapter.alphabet, sequences=tuple(reversed(SEQUENCES)))
    swapped = type(batch)((batch.chains[0], other.chains[0]), batch.targets, batch.target_mask, batch.row_ids)
    assert not torch.allclose(model(batch)["preds"], model(swapped)["preds"])
