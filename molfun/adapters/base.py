"""The contract of an adapter: a backbone whose parts have names, so that a strategy can freeze, unfreeze or inject.

Owns nothing of training: what trains is decided in `molfun.training`. Legend of shapes in `molfun.types`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from molfun.adapters.alphabet import Alphabet
from molfun.adapters.catalog import ModelCard
from molfun.errors import ModelError
from molfun.types import Batch, Trunk


class BaseAdapter(nn.Module, ABC):
    """A backbone with named parts.

    Args:
        card: What the catalog says of the model.
        backbone: The module itself; its own parameter names are kept, so that its checkpoints load.
    """

    def __init__(self, card: ModelCard, backbone: nn.Module) -> None:
        super().__init__()
        self.card = card
        self.backbone = backbone
        # Where they come from: "pretrained", "random", a folder, or a run; "" where nobody said.
        self.weights = ""
        # Set by `prepare`; without effect on models that predict no structure.
        self.wants_structure, self.num_recycles, self.chunk_size = False, 0, 0

    @abstractmethod
    def forward(self, batch: Batch) -> Trunk:
        """Return the states after the last block, one float [B, L, D] a chain."""

    @abstractmethod
    def get_trunk_blocks(self) -> list[nn.Module]:
        """Return the repeated blocks, first to last; block numbers that people read start at 1."""

    @abstractmethod
    def get_input_embedder(self) -> nn.Module:
        """Return the module that runs before the first block."""

    def get_structure_module(self) -> nn.Module | None:
        """Return the structure module, or None where the model has none or nobody looks at what it finds."""
        return None

    def prepare(self, *, wants_structure: bool, num_recycles: int, chunk_size: int) -> None:
        """Say how a model that predicts structures is used.

        Args:
            wants_structure: Whether the head sees what the structure module finds; without it, that never trains.
            num_recycles: How often the trunk sees its own answer; in training any number up to it, drawn every step.
            chunk_size: Rows of pairs that attention works on at a time, 0 for all: less memory, the same numbers.
        """
        self.wants_structure, self.num_recycles, self.chunk_size = wants_structure, num_recycles, chunk_size

    def _num_recycles(self) -> int:
        """Return how often a folding trunk sees its own answer: in training any number up to the setting, drawn."""
        if not self.training or not self.num_recycles:
            return self.num_recycles
        return int(torch.randint(self.num_recycles + 1, ()))

    def confidence_layers(self) -> tuple[nn.Linear, nn.Sequential] | None:
        """Return the model's own layers for distances (64 bins) and lDDT (37 atoms of 50 bins), where it has any."""
        return None

    def get_output_modules(self) -> list[nn.Module]:
        """Return trunk modules that run behind the last block (a final norm); they train with the last block."""
        return []

    def get_excluded_modules(self) -> list[nn.Module]:
        """Return modules that never enter the loss (contact heads, poolers) and so are never trained."""
        return []

    def can_begin_at(self, depth: int, *, is_whole: bool) -> bool:
        """Tell whether `run_to` and `run_from` can divide the trunk behind so many blocks.

        Args:
            depth: Number of blocks before the division.
            is_whole: Whether what runs behind the last block lies before it, too.
        """
        return False

    def run_to(self, batch: Batch, depth: int, *, is_whole: bool) -> tuple[Tensor, ...]:
        """Return the states behind the first `depth` blocks, one float [B, L, D] a chain."""
        raise NotImplementedError

    def run_from(self, states: tuple[Tensor, ...], batch: Batch, depth: int) -> Trunk:
        """Return what `forward` returns, from the states behind the first `depth` blocks."""
        raise NotImplementedError

    def set_gradient_checkpointing(self, *, enabled: bool) -> None:
        """Let blocks in training mode compute again in the backward pass instead of keeping what is between.

        The form of torch that follows frozen inputs (not the reentrant one) must be used: the other silently leaves
        everything behind a frozen prefix without gradients.

        Raises:
            ModelError: The model has no such mechanism.
        """
        if enabled:
            raise ModelError(
                f"{self.card.title} has no gradient checkpointing; turn it off, or lower the batch size and raise "
                "accumulation."
            )

    @property
    def export_obstacle(self) -> str:
        """Why transformers and peft alone cannot run the trunk, "" where they can."""
        return (
            f"{self.card.title} is no encoder of transformers, so a script without Molfun could not run it; predict "
            "with the run itself instead (molfun predict, molfun.load)."
        )

    @property
    def peft_target_module(self) -> nn.Module:
        """Module into which LoRA is injected."""
        return self.backbone

    @property
    def default_peft_targets(self) -> list[str]:
        """Names of the layers that LoRA reaches unless the user names others."""
        return list(self.card.lora_targets)

    @property
    def alphabet(self) -> Alphabet:
        """Letter table of the model."""
        return self.card.alphabet

    @property
    @abstractmethod
    def hidden_size(self) -> int:
        """Width D of the trunk's states."""

    @property
    def pair_size(self) -> int:
        """Width P of the states of pairs of residues, 0 where there are none."""
        return 0

    @property
    def fold_size(self) -> int:
        """Width S of the states of a structure module, 0 where there is none."""
        return 0

    @property
    def max_residues(self) -> int:
        """Longest sequence in residues that the model takes."""
        return self.card.num_residues_limit

    def freeze_trunk(self) -> None:
        """Let no parameter of the trunk train."""
        self.requires_grad_(False)

    def unfreeze_trunk(self) -> None:
        """Let every parameter of the trunk train but the excluded ones."""
        self.requires_grad_(True)
        for module in self.get_excluded_modules():
            module.requires_grad_(False)

    def param_summary(self) -> dict[str, dict[str, int]]:
        """Return {part: {"total", "trainable"}} for embedder, each block, structure module and the rest, in this order.

        Excluded modules are left out: they are never used, so they are no part of the model that trains.
        """
        counts = {name: _count(parameters) for name, parameters in self.named_parts()}
        return {name: count for name, count in counts.items() if count["total"]}

    def named_parts(self) -> Iterator[tuple[str, list[nn.Parameter]]]:
        """Yield (part, parameters): "embedder", "block_1"..., "structure_module", "output", "other"."""
        seen = {id(p) for module in self.get_excluded_modules() for p in module.parameters()}
        structure = self.get_structure_module()
        blocks = list(enumerate(self.get_trunk_blocks(), start=1))
        parts: list[tuple[str, list[nn.Module]]] = [("embedder", [self.get_input_embedder()])]
        parts += [(f"block_{i}", [block]) for i, block in blocks]
        parts += [
            ("structure_module", [structure] if structure is not None else []),
            ("output", self.get_output_modules()),
        ]
        parts.append(("other", [self]))
        for name, modules in parts:
            parameters = [p for module in modules for p in module.parameters() if id(p) not in seen]
            seen.update(id(p) for p in parameters)
            yield name, parameters


def _count(parameters: list[nn.Parameter]) -> dict[str, int]:
    return {
        "total": sum(p.numel() for p in parameters),
        "trainable": sum(p.numel() for p in parameters if p.requires_grad),
    }


def device_of(module: nn.Module) -> torch.device:
    """Return the device of the first parameter of `module`."""
    return next(module.parameters()).device
