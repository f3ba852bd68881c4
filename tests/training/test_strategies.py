"""Exactly what trains under each strategy, at which rate; and that strategies start clean on any model."""

from __future__ import annotations

import copy

import pytest
import torch

from molfun.errors import ModelError, SettingError
from molfun.training import FinetuneStrategy, FullFinetune, HeadOnlyFinetune, LoRAFinetune, PartialFinetune
from molfun.training.groups import optimizer_groups
from tests.tiny import tiny_batch, tiny_model

STRATEGIES = {
    "head_only": lambda **kw: HeadOnlyFinetune(**kw),
    "lora": lambda **kw: LoRAFinetune(rank=4, **kw),
    "partial": lambda **kw: PartialFinetune(unfreeze_last_n=1, **kw),
    "full": lambda **kw: FullFinetune(**kw),
}


def trained_names(model: torch.nn.Module) -> set[str]:
    return {name for name, p in model.named_parameters() if p.requires_grad}


def names_with(model: torch.nn.Module, *parts: str) -> set[str]:
    return {name for name, _ in model.named_parameters() if any(part in f".{name}" for part in parts)}


def rates(strategy: FinetuneStrategy, model) -> dict[str, float]:
    return {group["name"]: group["lr"] for group in strategy.param_groups(model)}


def test_head_only_trains_the_head() -> None:
    model, strategy = tiny_model(), HeadOnlyFinetune(lr=3e-3)
    strategy.setup(model)
    assert trained_names(model) == names_with(model, ".head.")
    assert rates(strategy, model) == {"head": 3e-3}


def test_lora_trains_query_and_value_updates_and_the_head() -> None:
    model, strategy = tiny_model(), LoRAFinetune(rank=4, lr=1e-4, lr_head=0.0, lr_lora=2e-3)
    strategy.setup(model)
    assert trained_names(model) == names_with(model, ".head.", "query.lora_", "value.lora_")
    assert rates(strategy, model) == {"head": 0.0, "lora": 2e-3}
    assert strategy.describe()["target_modules"] == ["query", "value"]


@pytest.mark.parametrize("num", [0, 1, 2, 3])
def test_partial_trains_the_last_blocks_with_the_norm_behind_them(num: int) -> None:
    model, strategy = tiny_model(), PartialFinetune(unfreeze_last_n=num, lr_trunk=1e-5, lr=1e-3)
    strategy.setup(model)
    last = [f"encoder.layer.{i}." for i in range(3 - num, 3)]
    expected = names_with(model, ".head.", *last, *(["emb_layer_norm_after"] if num else []))
    assert trained_names(model) == expected
    assert rates(strategy, model) == {"trunk": 1e-5, "head": 1e-3}


def test_partial_refuses_more_blocks_than_there_are() -> None:
    with pytest.raises(SettingError, match="'unfreeze_last_n' is 12, but this model has 3 blocks"):
        PartialFinetune(unfreeze_last_n=12).setup(tiny_model())


def test_partial_refuses_a_structure_module_that_is_not_there() -> None:
    with pytest.raises(SettingError, match="no structure module"):
        PartialFinetune(unfreeze_last_n=1, unfreeze_structure_module=True).setup(tiny_model())


@pytest.mark.parametrize("family", ["esm", "bert"])
def test_full_decays_the_rate_towards_the_embedder(family: str) -> None:
    model, strategy = tiny_model(family=family), FullFinetune(lr=1e-3, layer_lr_decay=0.5, lr_head=7e-3)
    strategy.setup(model)
    expected = {"embedder": 1e-3 * 0.5**3, "block_1": 1e-3 * 0.5**2, "block_2": 5e-4, "block_3": 1e-3, "head": 7e-3}
    assert rates(strategy, model) == pytest.approx(expected | ({"output": 1e-3} if family == "esm" else {}))
    assert trained_names(model) == names_with(model, "") - names_with(model, "contact_head")


@pytest.mark.parametrize("kind", STRATEGIES)
def test_optimizer_groups_hold_each_trained_parameter_once(kind: str) -> None:
    model, strategy = tiny_model(), STRATEGIES[kind](weight_decay=0.1)
    strategy.setup(model)
    listed = [id(p) for group in optimizer_groups(strategy.param_groups(model), model, 0.1) for p in group["params"]]
    assert len(listed) == len(set(listed))
    assert set(listed) == {id(p) for p in model.parameters() if p.requires_grad}


def test_weight_decay_leaves_biases_norms_and_embeddings_alone() -> None:
    model, strategy = tiny_model(), FullFinetune(weight_decay=0.1)
    strategy.setup(model)
    names = {id(p): name for name, p in model.named_parameters()}
    groups = optimizer_groups(strategy.param_groups(model), model, 0.1)
    undecayed = {names[id(p)] for group in groups if not group["weight_decay"] for p in group["params"]}
    trained = trained_names(model)
    assert undecayed == {n for n in trained if n.endswith(".bias") or "orm" in n or "embeddings" in n}


@pytest.mark.parametrize("kind", STRATEGIES)
@pytest.mark.parametrize("family", ["esm", "bert"])
def test_after_backward_exactly_the_trained_parameters_have_gradients(kind: str, family: str) -> None:
    model = tiny_model(family=family)
    strategy = STRATEGIES[kind]()
    strategy.setup(model)
    model(tiny_batch(model.adapter.alphabet))["preds"].sum().backward()
    assert {n for n, p in model.named_parameters() if p.grad is not None} == trained_names(model)


@pytest.mark.parametrize("first", STRATEGIES)
@pytest.mark.parametrize("second", STRATEGIES)
def test_a_second_strategy_on_the_same_model_starts_clean(first: str, second: str) -> None:
    used, fresh = tiny_model(), tiny_model()
    STRATEGIES[first]().setup(used)
    STRATEGIES[second]().setup(used)
    STRATEGIES[second]().setup(fresh)
    assert trained_names(used) == trained_names(fresh)
    assert [n for n, _ in used.named_parameters()] == [n for n, _ in fresh.named_parameters()]


@pytest.mark.parametrize("kind", STRATEGIES)
def test_one_strategy_prepares_a_second_model_too(kind: str) -> None:
    strategy, first, second = STRATEGIES[kind](), tiny_model(), tiny_model()
    strategy.setup(first)
    strategy.setup(second)
    assert trained_names(first) == trained_names(second)


def test_setup_is_idempotent_and_survives_a_copy() -> None:
    strategy, model = LoRAFinetune(rank=4), tiny_model()
    strategy.setup(model)
    torch.nn.init.ones_(next(p for n, p in model.named_parameters() if "lora_B" in n))
    twin = copy.deepcopy(model)
    strategy.setup(model)
    strategy.setup(twin)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), twin.parameters(), strict=True))


def test_a_target_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ModelError, match="no layer named 'qery', did you mean 'query'"):
        LoRAFinetune(target_modules=["qery"]).setup(tiny_model())


def test_strategies_show_their_settings_in_their_signature() -> None:
    import inspect

    parameters = inspect.signature(LoRAFinetune).parameters
    assert parameters["rank"].default == 8
    assert parameters["lr"].default == 1e-4
    assert all(p.kind is p.KEYWORD_ONLY for p in parameters.values())


def test_unknown_setting_names_the_nearest() -> None:
    with pytest.raises(SettingError, match="'rnk', did you mean 'rank'"):
        LoRAFinetune(rnk=3)


def test_describe_holds_every_setting() -> None:
    strategy = FullFinetune(lr=2e-4)
    described = strategy.describe()
    assert described["strategy"] == "FullFinetune"
    assert {"lr": 2e-4, "weight_decay": 0.01, "min_lr": 1e-6, "loss_fn": "mse"}.items() <= described.items()


def test_groups_that_do_not_hold_each_parameter_once_are_refused() -> None:
    model = tiny_model()
    HeadOnlyFinetune().setup(model)
    head = {"name": "head", "lr": 1e-3, "params": list(model.head.parameters())}
    with pytest.raises(ModelError, match=r"4 are there several times \(head\.norm\.weight, .*leave each in one group"):
        optimizer_groups([head, head], model, 0.1)
    with pytest.raises(ModelError, match=r"leaves out 4 \(head\.norm\.weight, .*add them to a group"):
        optimizer_groups([], model, 0.1)
