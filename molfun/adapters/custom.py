"""Any `torch.nn.Module` behind the contract, by the names of its parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from typing_extensions import override

from molfun.adapters.base import BaseAdapter, device_of
from molfun.adapters.card import ModelCard
from molfun.adapters.checkpointing import set_checkpointing
from molfun.errors import DataError, ModelError, nearest
from molfun.types import Batch, Chain, Trunk, pad_rows

PROBE_LENGTHS = (7, 4)


class CustomAdapter(BaseAdapter):
    """A module of your own, of which you say what its parts are called.

    It is called with the tokens of one chain, int64 [B, L], and a mask, bool [B, L], which is False in padding, and
    returns the states of the tokens, float [B, L, D]. What is in padding must not change the states of the rest. A
    model that predicts structures returns a `Trunk` instead, with `hidden` and, of R residues, `pair`, `folds` and
    `chain_BR`. How wide all that is, one call with a few residues tells.

    Args:
        card: Of `molfun.adapters.card.custom_card`: letters, the longest sequence, LoRA targets.
        module: It keeps its own names of parameters.
        embedder: Dotted name of the module that runs before the blocks.
        blocks: Dotted name of the `ModuleList` or `Sequential` of repeated blocks, first to last.
        output: Names of modules that run behind the last block (a final norm).
        excluded: Names of modules that never enter the loss (heads of the pretraining, poolers).
        structure_module: Name of the module on which nothing but `folds` depends; "" where there is none.

    Raises:
        ModelError: A part has another name (the nearest one is given), or the module returns something else.
    """

    def __init__(
        self,
        card: ModelCard,
        module: nn.Module,
        *,
        embedder: str,
        blocks: str,
        output: Sequence[str] = (),
        excluded: Sequence[str] = (),
        structure_module: str = "",
    ) -> None:
        super().__init__(card, module)
        self.part_names = {
            "embedder": [embedder], "blocks": [blocks], "output": list(output), "excluded": list(excluded),
            "structure_module": [structure_module] if structure_module else [],
        }  # fmt: skip
        for what in self.part_names:
            self._parts(what)
        if not self.get_trunk_blocks():
            raise ModelError(
                f"The part {blocks!r} of {card.title} should hold the blocks, but it holds no module; name the "
                "ModuleList or Sequential that holds them."
            )
        probe = self._probe()
        self._sizes = [
            probe.hidden[0].shape[-1],
            0 if probe.pair is None else probe.pair.shape[-1],
            0 if probe.folds is None else probe.folds.states_BRS.shape[-1],
        ]

    def _parts(self, what: str) -> list[nn.Module]:
        return [_find(self.backbone, name, what, self.card.title) for name in self.part_names[what]]

    @torch.no_grad()
    def _probe(self) -> Trunk:
        """Return what the module makes of two short rows, one of them padded."""
        modes = {module: module.training for module in self.backbone.modules()}
        letters = (self.alphabet.letters * max(PROBE_LENGTHS))[: max(PROBE_LENGTHS)]
        rows = [self.alphabet.encode(letters[:length]) for length in PROBE_LENGTHS]
        tokens_BL = pad_rows(rows, self.alphabet.pad_id).to(device_of(self.backbone))
        mask_BL = torch.arange(len(rows[0]))[None] < torch.tensor([len(row) for row in rows])[:, None]
        mask_BL = mask_BL.to(tokens_BL.device)
        try:
            trunk = self.eval()._call(Chain(tokens_BL, mask_BL, mask_BL))
            self._check(trunk, tuple(tokens_BL.shape))
            return trunk
        finally:
            for module, mode in modes.items():
                module.training = mode
            self.training = True

    def _call(self, chain: Chain) -> Trunk:
        found: Any = self.backbone(chain.tokens_BL, chain.mask_BL)
        return found if isinstance(found, Trunk) else Trunk((found,), (chain.residues_BL,))

    def _check(self, trunk: Trunk, shape: tuple[int, ...]) -> None:
        """Hold that the module returned states of tokens of a shape [B, L].

        Raises:
            ModelError: It returned something else.
        """
        found: Any = trunk.hidden[0]
        is_states = isinstance(found, Tensor) and found.is_floating_point() and found.ndim == 3
        if not is_states or tuple(found.shape[:2]) != shape:
            came = f"a {found.dtype} tensor {list(found.shape)}" if isinstance(found, Tensor) else type(found).__name__
            raise ModelError(
                f"{self.card.title} should return a float tensor {[*shape, 'D']} (or a Trunk) for tokens "
                f"{list(shape)}, but returned {came}; wrap it in a module that returns the states alone."
            )

    @override
    def forward(self, batch: Batch) -> Trunk:
        found = [self._call(chain) for chain in batch.chains]
        if found[0].pair is None and found[0].folds is None:
            hidden = tuple(trunk.hidden[0] for trunk in found)
            return Trunk(hidden, tuple(chain.residues_BL for chain in batch.chains))
        if len(found) > 1:
            raise DataError(
                f"{self.card.title} predicts the structure of one chain, but rows have {len(found)}; choose one "
                "sequence column."
            )
        return found[0] if self.wants_structure else replace(found[0], folds=None)

    @override
    def get_trunk_blocks(self) -> list[nn.Module]:
        return list(self._parts("blocks")[0].children())

    @override
    def get_input_embedder(self) -> nn.Module:
        return self._parts("embedder")[0]

    @override
    def get_structure_module(self) -> nn.Module | None:
        return next(iter(self._parts("structure_module")), None) if self.wants_structure else None

    @override
    def get_output_modules(self) -> list[nn.Module]:
        return self._parts("output")

    @override
    def get_excluded_modules(self) -> list[nn.Module]:
        return self._parts("excluded") + ([] if self.wants_structure else self._parts("structure_module"))

    @override
    def set_gradient_checkpointing(self, *, enabled: bool) -> None:
        set_checkpointing(self.get_trunk_blocks(), enabled=enabled)

    @property
    @override
    def hidden_size(self) -> int:
        return int(self._sizes[0])

    @property
    @override
    def pair_size(self) -> int:
        return int(self._sizes[1])

    @property
    @override
    def fold_size(self) -> int:
        return int(self._sizes[2])


def _find(module: nn.Module, name: str, what: str, title: str) -> nn.Module:
    """Return a part by its dotted name.

    Raises:
        ModelError: There is none; the nearest name is given, and those at the top.
    """
    parts = dict(module.named_modules())
    if name and name in parts:
        return parts[name]
    top = ", ".join(name for name, _ in module.named_children())
    raise ModelError(
        f"{title} has no part named {name!r} ({what}){nearest(name, [part for part in parts if part]) or '.'} "
        f"At its top are: {top or 'none'}."
    )
