"""The modules of a model, counted on the meta device as they are in the model that trains."""

from __future__ import annotations

from typing import Any

import pytest
from torch import nn

from molfun.models.build import build_model
from molfun.models.modules import coverage_warnings, list_modules, lora_coverage
from molfun.models.settings import ModelSettings
from molfun.runs.breakdown import ask_of_model
from molfun.training.build import build_strategy
from molfun.training.preview import preview_parameters
from tests.tiny import tiny_model

KINDS = ("head_only", "lora", "partial", "full")


def set_up(kind: str, **settings: Any) -> tuple[nn.Module, list[dict[str, Any]], list[dict[str, Any]]]:
    """Return a tiny model that a strategy has set up, its groups and its modules."""
    model, strategy = tiny_model(), build_strategy({"kind": kind, **settings})
    strategy.setup(model)
    groups = strategy.param_groups(model)
    return model, groups, list_modules(model, groups)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["esm2_8m", "esm2_35m", "antiberty"])
def test_a_preview_without_weights_equals_the_model_that_is_built(name: str, kind: str) -> None:
    question = ask_of_model(name, strategy=kind, changes={"model.weights": "random"})
    spec = question.spec.model_dump(mode="json")
    counted = preview_parameters({"spec": spec, **question.about})
    model = build_model(ModelSettings.parse(spec["model"]), task="regression")
    strategy = build_strategy(spec["strategy"])
    strategy.setup(model)
    excluded = {id(p) for module in model.adapter.get_excluded_modules() for p in module.parameters()}
    real = {path: p for path, p in model.named_parameters() if id(p) not in excluded}
    assert counted["total"] == sum(p.numel() for p in real.values())
    assert counted["trainable"] == sum(p.numel() for p in real.values() if p.requires_grad)
    assert sum(row["total"] for row in counted["modules"]) == counted["total"]
    assert sum(row["trainable"] for row in counted["modules"]) == counted["trainable"]
    assert [row["path"] for row in counted["modules"]] == list(dict.fromkeys(path.rpartition(".")[0] for path in real))
    rates = {id(p): group["lr"] for group in strategy.param_groups(model) for p in group["params"]}
    for row in counted["modules"]:
        own = [p for path, p in real.items() if path.rpartition(".")[0] == row["path"]]
        assert row["trainable"] == sum(p.numel() for p in own if p.requires_grad), row
        assert {row["lr"]} == {rates[id(p)] if p.requires_grad else None for p in own}, row


@pytest.mark.parametrize(
    ("kind", "roles"),
    [
        ("head_only", {"frozen", "head"}),
        ("lora", {"frozen", "lora", "head"}),
        ("partial", {"frozen", "unfrozen", "head"}),
        ("full", {"unfrozen", "head"}),
    ],
)
def test_roles_say_what_a_module_is(kind: str, roles: set[str]) -> None:
    _, groups, modules = set_up(kind, **({"unfreeze_last_n": 1} if kind == "partial" else {}))
    assert {row["role"] for row in modules} == roles
    assert {row["group"] for row in modules if row["trainable"]} == {group["name"] for group in groups}
    assert {row["dtype"] for row in modules} == {"float32"}
    assert all((row["lr"] is None) == (row["trainable"] == 0) for row in modules)


def test_reach_of_lora() -> None:
    model, _, _ = set_up("lora")
    found = lora_coverage(model)
    assert (found["blocks_reached"], found["blocks"]) == (3, 3)
    assert 0 < found["reached"] < found["layers"]
    assert coverage_warnings(found) == []
    assert coverage_warnings(lora_coverage(set_up("head_only")[0])) == []


def test_a_reach_that_is_too_small_is_told() -> None:
    model, _, _ = set_up("lora", target_modules=["layer.1.attention.self.query"])
    assert lora_coverage(model)["blocks_reached"] == 1
    (told,) = coverage_warnings({**lora_coverage(model), "layers": 5})
    assert told.startswith("LoRA reaches 1 of 3 blocks; ")
    told = coverage_warnings({"layers": 100, "reached": 7, "blocks": 7, "blocks_reached": 7})[0]
    assert "7 of 100 linear layers of the trunk (7 %)" in told
