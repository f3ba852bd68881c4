from __future__ import annotations

import json

import pytest
import torch

from molfun.models.parameters import count_parts
from molfun.training.build import build_strategy
from molfun.training.preview import answer
from tests.tiny import tiny_model


@pytest.mark.parametrize("kind", ["head_only", "lora", "partial", "full"])
def test_counts_equal_those_of_the_model(kind: str) -> None:
    model, strategy = (
        tiny_model(),
        build_strategy({"kind": kind, **({"unfreeze_last_n": 2} if kind == "partial" else {})}),
    )
    strategy.setup(model)
    counted = count_parts(model, strategy.param_groups(model))
    excluded = sum(p.numel() for m in model.adapter.get_excluded_modules() for p in m.parameters())
    assert counted["total"] == sum(p.numel() for p in model.parameters()) - excluded
    assert counted["trainable"] == sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert sum(group["num_parameters"] for group in counted["groups"]) == counted["trainable"]
    assert [block["index"] for block in counted["blocks"]] == [1, 2, 3]


def test_groups_with_rate_zero_are_warned_about() -> None:
    model, strategy = tiny_model(), build_strategy({"kind": "lora", "lr_lora": 0.0})
    strategy.setup(model)
    assert count_parts(model, strategy.param_groups(model))["warnings"] == [
        "Group lora has learning rate 0, so its parameters will not move."
    ]


@pytest.mark.parametrize(
    ("model", "kind", "trainable"),
    [
        ("antiberty", "lora", 131_072 + 512 * 2 + 513),
        ("esm2_650m", "head_only", 1280 * 2 + 1281),
        ("esm2_15b", "lora", 7_864_320 + 5120 * 2 + 5121),
    ],
)
def test_preview_counts_any_size_without_weights(model: str, kind: str, trainable: int) -> None:
    spec = {"model": {"name": model}, "strategy": {"kind": kind}}
    request = {"spec": spec, "task": "regression", "num_outputs": 1, "num_chains": 1}
    counted = answer(json.dumps(request))
    assert counted["trainable"] == trainable
    assert not torch.cuda.is_initialized()


def test_preview_answers_problems_in_words() -> None:
    spec = {"model": {"name": "antiberty"}, "strategy": {"kind": "partial", "unfreeze_last_n": 12}}
    counted = answer(json.dumps({"spec": spec, "task": "regression", "num_outputs": 1, "num_chains": 1}))
    assert counted == {"error": "Setting 'unfreeze_last_n' is 12, but this model has 8 blocks; lower it."}
