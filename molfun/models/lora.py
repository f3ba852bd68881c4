"""LoRA (Hu et al. 2021, arXiv:2106.09685) in a backbone, through the peft library."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from peft import LoraConfig, get_peft_model_state_dict, inject_adapter_in_model, set_peft_model_state_dict
from peft.tuners.lora import LoraLayer
from safetensors.torch import load_file, save_file
from torch import nn

from molfun.adapters.base import BaseAdapter
from molfun.errors import ModelError, nearest

ADAPTER = "default"


def inject_lora(
    adapter: BaseAdapter, *, rank: int, alpha: float, dropout: float = 0.0, target_modules: Sequence[str] | None = None
) -> LoraConfig:
    """Put low-rank updates beside the target layers of a frozen backbone, in place.

    At step 0 the output equals the base model's, because one of the two factors starts at zero.

    Args:
        adapter: Its `peft_target_module` is changed; freeze it first, or its own weights train too.
        rank: Rank of each update.
        alpha: Updates are scaled by alpha / rank.
        dropout: Share of inputs dropped before each update.
        target_modules: Last parts of layer names; None asks the adapter.

    Raises:
        ModelError: No layer has such a name; the layers that could be reached are listed.
    """
    targets = list(target_modules or adapter.default_peft_targets)
    _check_targets(adapter.peft_target_module, targets)
    config = LoraConfig(r=rank, lora_alpha=alpha, lora_dropout=dropout, target_modules=targets, bias="none")  # type: ignore[arg-type]
    inject_adapter_in_model(config, adapter.peft_target_module, adapter_name=ADAPTER)
    return config


def _check_targets(module: nn.Module, targets: list[str]) -> None:
    reachable = sorted({name.rpartition(".")[2] for name, m in module.named_modules() if isinstance(m, nn.Linear)})
    names = [name for name, _ in module.named_modules()]
    for target in targets:
        if not any(name == target or name.endswith(f".{target}") for name in names):
            raise ModelError(
                f"LoRA reaches no layer named {target!r}{nearest(target, reachable) or '.'} "
                f"This model has: {', '.join(reachable)}."
            )


def remove_lora(module: nn.Module) -> int:
    """Take every LoRA layer out again, in place, unmerged; return how many there were."""
    found = [(name, layer) for name, layer in module.named_modules() if isinstance(layer, LoraLayer)]
    for name, layer in found:
        parent, _, child = name.rpartition(".")
        setattr(module.get_submodule(parent), child, layer.get_base_layer())
    for holder in module.modules():
        # peft notes its settings on the model that it changed, and takes them for a second adapter's otherwise.
        if "peft_config" in vars(holder):
            del holder.peft_config
    return len(found)


def lora_parameters(module: nn.Module) -> list[nn.Parameter]:
    """Return the LoRA parameters below `module`."""
    return [p for name, p in module.named_parameters() if ".lora_" in name]


def save_lora(adapter: BaseAdapter, config: LoraConfig, folder: Path) -> None:
    """Write the updates in peft's own format: `adapter_model.safetensors` and `adapter_config.json`."""
    folder.mkdir(parents=True, exist_ok=True)
    state = get_peft_model_state_dict(adapter.peft_target_module, adapter_name=ADAPTER)
    # peft loads names of the wrapped model, which it calls base_model.model.
    named = {f"base_model.model.{key}": value.detach().contiguous().cpu() for key, value in state.items()}
    save_file(named, folder / "adapter_model.safetensors")
    config.save_pretrained(str(folder))


def load_lora(adapter: BaseAdapter, folder: Path) -> None:
    """Read updates written by `save_lora` into a backbone that already has LoRA layers of the same shape.

    Raises:
        ModelError: Some updates have no place in the model.
    """
    state = load_file(folder / "adapter_model.safetensors")
    named = {key.removeprefix("base_model.model."): value for key, value in state.items()}
    result: Any = set_peft_model_state_dict(adapter.peft_target_module, named, adapter_name=ADAPTER)
    if result.unexpected_keys:
        raise ModelError(
            f"{folder} holds {len(result.unexpected_keys)} LoRA tensors that this model has no place for "
            f"(first: {result.unexpected_keys[0]}); use the same target modules and rank."
        )
