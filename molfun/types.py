"""Tensors that travel between rooms, and the legend of shape letters.

B rows of a batch · L tokens of the longest chain, specials and padding included · D hidden size · C classes
R residues of all chains of a row, one behind the other, padding at the end · A 14 heavy atoms of a residue, in the
order of `molfun.data.atoms` · K passes of a structure module · G 8 rigid groups of a residue
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Protocol, Self

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

    def pin_memory(self) -> Chain:
        """Return a copy in memory that a GPU reads while it computes; what a DataLoader calls."""
        return Chain(*(t.pin_memory() for t in (self.tokens_BL, self.mask_BL, self.residues_BL)))


@dataclass(frozen=True)
class Rows:
    """Tensors that belong to the same rows, which is their first dimension: picked, moved and cast together."""

    def map(self, change: Callable[[Tensor], Tensor]) -> Self:
        """Return a copy with every tensor changed."""
        return type(self)(**{name: change(tensor) for name, tensor in vars(self).items()})

    @property
    def shape(self) -> torch.Size:
        """[B]: one item a row."""
        return next(iter(vars(self).values())).shape[:1]

    def __getitem__(self, rows: Tensor) -> Self:
        """Return some rows, chosen by a bool or int64 tensor [B]."""
        return self.map(lambda tensor: tensor[rows.to(tensor.device)])

    def to(self, device: torch.device, *, non_blocking: bool = False) -> Self:
        """Return a copy on `device`."""
        return self.map(lambda tensor: tensor.to(device, non_blocking=non_blocking))

    def float(self) -> Self:
        """Return a copy whose floating-point tensors are float32."""
        return self.map(lambda tensor: tensor.float() if tensor.is_floating_point() else tensor)


@dataclass(frozen=True)
class Structures(Rows):
    """Measured structures of the rows of a batch.

    Attributes:
        aatype_BR: int64, residue types 0..19 in the order of `molfun.data.atoms`, 20 for any other, padding too.
        positions_BRA3: float32 [B, R, 14, 3], in angstrom; 0 where an atom is not known.
        mask_BRA: bool, True where an atom is known.
        number_BR: int64, residue numbers within a chain, so that a gap in them is one in the chain; 0 in padding.
        chain_BR: int64, number of the chain of each residue, from 0; -1 in padding.
    """

    aatype_BR: Tensor
    positions_BRA3: Tensor
    mask_BRA: Tensor
    number_BR: Tensor
    chain_BR: Tensor


@dataclass(frozen=True)
class FoldStates(Rows):
    """What a structure module gives to a head. Residues as in `Structures`.

    Attributes:
        aatype_BR: int64, residue types.
        frames_BKR7: As in `Folds`.
        raw_angles_BKR72: As in `Folds`.
        states_BRS: float [B, R, S], states of the residues after the last pass.
    """

    aatype_BR: Tensor
    frames_BKR7: Tensor
    raw_angles_BKR72: Tensor
    states_BRS: Tensor


@dataclass(frozen=True)
class Folds(Rows):
    """Predicted structures of the rows of a batch, as a structure module gives them. Residues as in `Structures`.

    Attributes:
        frames_BKR7: float32, backbone frames after each pass: unit quaternion (w, x, y, z), then C-alpha in angstrom.
        group_frames_BRG44: float32 [B, R, 8, 4, 4], rigid groups to global after the last pass (backbone, pre-omega,
            phi, psi, chi 1 to 4), as homogeneous matrices.
        angles_BKR72: float32 [B, K, R, 7, 2], sine and cosine of omega, phi, psi and chi 1 to 4, normalised.
        raw_angles_BKR72: float32, the same before they were normalised.
        positions_BRA3: float32 [B, R, 14, 3], atoms after the last pass, in angstrom.
        distogram_BRRN: float32 [B, R, R, 64], logits of the distance between C-beta atoms, in bins of 0.3125 angstrom
            from 2.3125 to 21.6875, the first and the last one open.
        plddt_BRN: float32 [B, R, 50], logits of the lDDT of each C-alpha, in bins of 0.02 from 0 to 1.
    """

    frames_BKR7: Tensor
    group_frames_BRG44: Tensor
    angles_BKR72: Tensor
    raw_angles_BKR72: Tensor
    positions_BRA3: Tensor
    distogram_BRRN: Tensor
    plddt_BRN: Tensor


@dataclass(frozen=True)
class Batch:
    """Rows that go through the model together.

    Attributes:
        chains: One entry a sequence column.
        targets: float32 [B] (regression), int64 [B] (classification), int64 or float32 [B, L] (per residue, aligned
            with `chains[0].tokens_BL`), or None when predicting and for structures.
        target_mask: bool, same shape as `targets` ([B] for structures); False rows or residues take no part in loss and
            metrics.
        structures: Measured structures where those are the target.
        row_ids: int64 [B], row numbers in the dataset's table.
    """

    chains: tuple[Chain, ...]
    targets: Tensor | None
    target_mask: Tensor | None
    row_ids: Tensor
    structures: Structures | None = None

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
        targets = None if self.targets is None else self.targets.to(device, non_blocking=True)
        mask = None if self.target_mask is None else self.target_mask.to(device, non_blocking=True)
        structures = None if self.structures is None else self.structures.to(device, non_blocking=True)
        chains = tuple(chain.to(device) for chain in self.chains)
        return replace(self, chains=chains, targets=targets, target_mask=mask, structures=structures)

    def pin_memory(self) -> Batch:
        """Return a copy in memory that a GPU reads while it computes; `row_ids` stay as they are."""
        targets = None if self.targets is None else self.targets.pin_memory()
        mask = None if self.target_mask is None else self.target_mask.pin_memory()
        structures = None if self.structures is None else self.structures.map(Tensor.pin_memory)
        chains = tuple(chain.pin_memory() for chain in self.chains)
        return replace(self, chains=chains, targets=targets, target_mask=mask, structures=structures)

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
        pair: float [B, R, R, P], states of pairs of residues of all chains, where the backbone has any.
        folds: What its structure module found, where it was asked for.
        chain_BR: int64, number of the chain of each residue, -1 in padding; there wherever `pair` or `folds` is.
    """

    hidden: tuple[Tensor, ...]
    residues: tuple[Tensor, ...]
    pair: Tensor | None = None
    folds: FoldStates | None = None
    chain_BR: Tensor | None = None


def pad_rows(rows: Iterable[list[int]], pad: int) -> Tensor:
    """Stack integer lists of unequal length into an int64 tensor [B, L], filled up with `pad` on the right."""
    tensors = [torch.as_tensor(row, dtype=torch.int64) for row in rows]
    return torch.nn.utils.rnn.pad_sequence(tensors, batch_first=True, padding_value=pad)
