"""The parameter breakdown: how much of each part trains, in which group, at which learning rate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from molfun.models.modules import coverage_warnings, list_modules, lora_coverage
from molfun.models.structure import MolfunStructureModel


def count_parts(model: MolfunStructureModel, groups: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Count a model that a strategy has set up; works on the meta device.

    Args:
        model: The model.
        groups: Parameter groups: {"name", "lr", "params"}.

    Returns:
        {"parts": [{"name", "total", "trainable", "lr"}], "groups": [{"name", "lr", "num_parameters"}],
        "blocks": [{"index", "total", "trainable", "lr"}], "modules": as `list_modules` gives them, "lora": as
        `lora_coverage` does, "total", "trainable", "warnings"}. `lr` is the highest rate of the part's parameters,
        None where nothing trains.
    """
    rates = {id(p): float(group["lr"]) for group in groups for p in group["params"]}
    parts: list[dict[str, Any]] = []
    for name, parameters in model.named_parts().items():
        trained = [p for p in parameters if p.requires_grad]
        parts.append({
            "name": name, "total": sum(p.numel() for p in parameters), "trainable": sum(p.numel() for p in trained),
            "lr": max((rates[id(p)] for p in trained), default=None),
        })  # fmt: skip
    blocks = [
        {"index": int(part["name"].removeprefix("block_")), **{k: part[k] for k in ("total", "trainable", "lr")}}
        for part in parts
        if part["name"].startswith("block_")
    ]
    listed = [
        {"name": g["name"], "lr": float(g["lr"]), "num_parameters": sum(p.numel() for p in g["params"])} for g in groups
    ]
    coverage = lora_coverage(model)
    return {
        "parts": parts, "groups": listed, "blocks": blocks, "modules": list_modules(model, groups), "lora": coverage,
        "total": sum(p["total"] for p in parts), "trainable": sum(p["trainable"] for p in parts),
        "warnings": [*_warnings(listed), *coverage_warnings(coverage)],
    }  # fmt: skip


def _warnings(groups: Sequence[Mapping[str, Any]]) -> list[str]:
    idle = [group["name"] for group in groups if group["lr"] == 0 and group["num_parameters"]]
    return [f"Group {name} has learning rate 0, so its parameters will not move." for name in idle]
