"""The modules of a model that a strategy has set up: what each holds, what of it trains, and at which rate."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from peft.tuners.lora import LoraLayer
from torch import nn

from molfun.models.structure import MolfunStructureModel

# Below this share of layers or blocks, LoRA has probably missed what it was meant for.
LOW_COVERAGE = 0.1


def list_modules(model: MolfunStructureModel, groups: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return what every module holds itself, in the order of registration; works on the meta device.

    Args:
        model: The model.
        groups: Parameter groups: {"name", "lr", "params"}.

    Returns:
        {"path", "part", "role", "total", "trainable", "dtype", "group", "lr"} a module that has parameters of its own.
        `path` is dotted, `part` as in `MolfunStructureModel.named_parts`, `role` one of "frozen", "lora", "head",
        "unfrozen"; `group` is "" and `lr` None where nothing trains. Modules that never enter the loss are left out.
    """
    part_of = {id(p): part for part, parameters in model.named_parts().items() for p in parameters}
    group_of = {id(p): group for group in groups for p in group["params"]}
    return [
        _row(path, own, part_of, group_of)
        for path, own in _own_parameters(model)
        if any(id(p) in part_of for p in own.values())
    ]


def _own_parameters(model: nn.Module) -> Iterator[tuple[str, dict[str, nn.Parameter]]]:
    """Yield (path, parameters by name) of every module that has some of its own; shared ones come once."""
    seen: set[int] = set()
    for path, module in model.named_modules():
        own = {name: p for name, p in module.named_parameters(recurse=False) if id(p) not in seen}
        seen.update(id(p) for p in own.values())
        if own:
            yield path, own


def _row(
    path: str, own: Mapping[str, nn.Parameter], part_of: Mapping[int, str], group_of: Mapping[int, Mapping[str, Any]]
) -> dict[str, Any]:
    parameters = [p for p in own.values() if id(p) in part_of]
    trained = [p for p in parameters if p.requires_grad]
    part = part_of[id(parameters[0])]
    group = group_of[id(trained[0])] if trained else None
    return {
        "path": path, "part": part, "role": _role(path, part, is_trained=bool(trained)),
        "total": sum(p.numel() for p in parameters), "trainable": sum(p.numel() for p in trained),
        "dtype": str(parameters[0].dtype).removeprefix("torch."),
        "group": str(group["name"]) if group else "", "lr": float(group["lr"]) if group else None,
    }  # fmt: skip


def _role(path: str, part: str, *, is_trained: bool) -> str:
    if not is_trained:
        return "frozen"
    if ".lora_" in path:
        return "lora"
    return "head" if part == "head" else "unfrozen"


def lora_coverage(model: MolfunStructureModel) -> dict[str, Any]:
    """Count which layers LoRA reaches.

    Returns:
        {"layers", "reached", "blocks", "blocks_reached"}: linear layers of the trunk (those that never enter the loss
        left out) and how many of them have LoRA; blocks, and how many of them hold such a layer.
    """
    excluded = {id(m) for module in model.adapter.get_excluded_modules() for m in module.modules()}
    # The two factors of LoRA are linear layers as well, but none that it could reach.
    excluded |= {
        id(inner)
        for layer in model.adapter.modules()
        if isinstance(layer, LoraLayer)
        for inner in layer.modules()
        if inner is not layer
    }
    layers = [m for m in model.adapter.modules() if isinstance(m, nn.Linear | LoraLayer) and id(m) not in excluded]
    blocks = model.adapter.get_trunk_blocks()
    return {
        "layers": len(layers),
        "reached": sum(isinstance(m, LoraLayer) for m in layers),
        "blocks": len(blocks),
        "blocks_reached": sum(any(isinstance(m, LoraLayer) for m in block.modules()) for block in blocks),
    }


def coverage_warnings(coverage: Mapping[str, int]) -> list[str]:
    """Return in sentences what LoRA may have missed; nothing where it is not used.

    >>> coverage_warnings({"layers": 48, "reached": 2, "blocks": 8, "blocks_reached": 1})[0]
    'LoRA reaches 1 of 8 blocks; name target modules that all blocks have, or train the last blocks instead.'
    """
    if not coverage["reached"]:
        return []
    said = []
    if coverage["blocks_reached"] < coverage["blocks"]:
        said.append(
            f"LoRA reaches {coverage['blocks_reached']} of {coverage['blocks']} blocks; name target modules that all "
            "blocks have, or train the last blocks instead."
        )
    if coverage["reached"] < LOW_COVERAGE * coverage["layers"]:
        said.append(
            f"LoRA reaches {coverage['reached']} of {coverage['layers']} linear layers of the trunk "
            f"({100 * coverage['reached'] / coverage['layers']:.0f} %); name more target modules to change more."
        )
    return said
