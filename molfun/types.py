"""Tensors that travel between rooms, and the legend of shape letters.

B rows of a batch · L tokens of the longest chain, specials and padding included · D hidden size · C classes
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Protocol

import torch
from torch import Tensor


class Loader(Protocol):
    """Batches that can be counted and gone through once an epoch: a DataLoader, or a list."""

    def __len__(self) -> int:
        """Return the number of batches."""
        ...

    def __iter__(self) -> Iterator[Any]:
        """Yield `Batch` objects."""
        ...


class SequenceEncoder(Protocol):
    """What a batch needs to know of a model's letter table (fulfilled by `molfun.adapters.alphabet.Alphabet`)."""

    @property
    def pad_id(self) -> int:
        """Token id of padding."""
        ...

    def encode(self, sequence: str) -> list[int]:
        """Return token ids of one sequence, special tokens included."""
        ...

    def residue_span(self, num_tokens: int) -> tuple[int, int]:
        """Return (first, end) of the residues within a row of `num_tokens` tokens, specials left out."""
        ...


@dataclass(frozen=True)
class Chain:
    """One sequence column of a batch.

    Attributes:
        tokens_BL: int64, token ids, padded with the model's pad id.
        mask_BL: bool, True where a token is real (residue or special).
        residues_BL: bool, True where a token is a residue.
    """

    tokens_BL: Tensor
    mask_BL: Tensor
    residues_BL: Tensor

    def to(self, device: torch.device) -> Chain:
        """Return a copy on `device`."""
        return Chain(*(t.to(device, non_blocking=True) for t in (self.tokens_BL, self.mask_BL, self.residues_BL)))


@dataclass(frozen=True)
class Batch:
    """Rows that go through the model together.

    Attributes:
        chains: One entry a sequence column.
        targets: float32 [B] (regression), int64 [B] (classification), int64 or float32 [B, L] (per residue, aligned
            with `chains[0].tokens_BL`), or None when predicting.
        target_mask: bool, same shape as `targets`; False rows or residues take no part in loss and metrics.
        row_ids: int64 [B], row numbers in the dataset's table.
    """

    chains: tuple[Chain, ...]
    targets: Tensor | None
    target_mask: Tensor | None
    row_ids: Tensor

    @property
    def size(self) -> int:
        """Number of rows."""
        return int(self.row_ids.shape[0])

    @property
    def num_tokens(self) -> int:
        """Number of real tokens over all chains, padding left out."""
        return sum(int(chain.mask_BL.sum()) for chain in self.chains)

    @property
    def num_positions(self) -> int:
        """Number of token positions over all chains, padding included."""
        return sum(chain.tokens_BL.numel() for chain in self.chains)

    def to(self, device: torch.device) -> Batch:
        """Return a copy on `device`; `row_ids` stay on the CPU."""
        move = None if self.targets is None else self.targets.to(device, non_blocking=True)
        mask = None if self.target_mask is None else self.target_mask.to(device, non_blocking=True)
        return replace(self, chains=tuple(c.to(device) for c in self.chains), targets=move, target_mask=mask)

    def as_filler(self) -> Batch:
        """Return a copy in which nothing counts: no target does, and every row id is -1."""
        mask = None if self.target_mask is None else torch.zeros_like(self.target_mask)
        return replace(self, target_mask=mask, row_ids=torch.full_like(self.row_ids, -1))


@dataclass(frozen=True)
class Trunk:
    """What a backbone gives to a head: one entry a chain.

    Attributes:
        hidden: float [B, L, D] each, states after the last block.
        residues: bool [B, L] each, True at residues.
    """

    hidden: tuple[Tensor, ...]
    residues: tuple[Tensor, ...]


def pad_rows(rows: Iterable[list[int]], pad: int) -> Tensor:
    """Stack integer lists of unequal length into an int64 tensor [B, L], filled up with `pad` on the right."""
    tensors = [torch.as_tensor(row, dtype=torch.int64) for row in rows]
    return torch.nn.utils.rnn.pad_sequence(tensors, batch_first=True, padding_value=pad)
