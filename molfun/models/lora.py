"""LoRA (Hu et al. 2021, arXiv:2106.09685) in a backbone, through the peft library."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from peft import LoraConfig, inject_adapter_in_model
from peft.tuners.lora import LoraLayer
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from molfun.adapters.base import BaseAdapter
from molfun.errors import ModelError, nearest

ADAPTER = "default"
WEIGHTS_NAME = "adapter_model.safetensors"


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
        target_modules: Last parts of layer names, or patterns of whole names (regular expressions); None asks the
            adapter.

    Raises:
        ModelError: No layer has such a name (the layers that could be reached are listed), or a pattern is none.
    """
    targets = list(target_modules or adapter.default_peft_targets)
    _check_targets(adapter.peft_target_module, targets)
    # peft takes one pattern, or names.
    told = "|".join(map(_pattern_of, targets)) if any(map(_is_pattern, targets)) else targets
    config = LoraConfig(r=rank, lora_alpha=alpha, lora_dropout=dropout, target_modules=told, bias="none")  # type: ignore[arg-type]
    inject_adapter_in_model(config, adapter.peft_target_module, adapter_name=ADAPTER)
    return config


def _check_targets(module: nn.Module, targets: list[str]) -> None:
    reachable = sorted({name.rpartition(".")[2] for name, m in module.named_modules() if isinstance(m, nn.Linear)})
    names = [name for name, _ in module.named_modules()]
    for target in targets:
        try:
            is_there = any(re.fullmatch(_pattern_of(target), name) for name in names)
        except re.error as error:
            raise ModelError(
                f"The target module {target!r} is no name of a layer, and as a regular expression it is wrong: "
                f"{error}. Name layers, such as {', '.join(reachable[:2])}, or mend the expression."
            ) from None
        if not is_there:
            raise ModelError(
                f"LoRA reaches no layer named {target!r}{nearest(target, reachable) or '.'} "
                f"This model has: {', '.join(reachable)}."
            )


def _is_pattern(target: str) -> bool:
    return re.escape(target).replace("\\.", ".") != target


def _pattern_of(target: str) -> str:
    return target if _is_pattern(target) else rf"(.*\.)?{re.escape(target)}"


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


def lora_keys(adapter: BaseAdapter) -> dict[str, nn.Parameter]:
    """Return the LoRA parameters of a backbone by the names that they have in peft's files."""
    # peft names them as parts of the model that it would have wrapped, without the name of the adapter.
    return {
        f"base_model.model.{name.replace(f'.{ADAPTER}', '')}": parameter
        for name, parameter in adapter.peft_target_module.named_parameters()
        if ".lora_" in name
    }


def write_lora(tensors: Mapping[str, Tensor], config: LoraConfig, folder: Path) -> None:
    """Write updates in peft's own format: `adapter_model.safetensors` and `adapter_config.json`.

    Args:
        tensors: By the names of `lora_keys`, on the CPU.
        config: As `inject_lora` returned it.
        folder: Made where it is absent.
    """
    folder.mkdir(parents=True, exist_ok=True)
    save_file({key: value.contiguous() for key, value in tensors.items()}, folder / WEIGHTS_NAME)
    config.save_pretrained(str(folder))


def save_lora(adapter: BaseAdapter, config: LoraConfig, folder: Path) -> None:
    """Write the updates of a backbone as `write_lora` does."""
    write_lora({key: p.detach().cpu() for key, p in lora_keys(adapter).items()}, config, folder)


def read_lora(folder: Path) -> dict[str, Tensor]:
    """Return the updates in a folder by the names of `lora_keys`, on the CPU."""
    return load_file(folder / WEIGHTS_NAME)
