"""Chains of a row as one sequence, for backbones that read a complex as one chain, and back again.

Source of linker and jump: the public inference code of ESMFold (Lin et al. 2023, Science 379:1123).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from molfun.types import Chain

NUM_LINKERS = 25
NUMBER_JUMP = 512  # between the numbers of the last residue of a chain and the first of the next


@dataclass(frozen=True)
class JoinedChains:
    """The chains of each row one behind the other; J positions, linkers and padding included.

    Attributes:
        tokens_BJ: int64.
        mask_BJ: bool, True where a residue or a linker is.
        number_BJ: int64, number of each residue as the model counts them.
        place_BR: int64, where in J each residue stands; 0 in padding.
        chain_BR: int64, number of the chain of each residue; -1 in padding.
    """

    tokens_BJ: Tensor
    mask_BJ: Tensor
    number_BJ: Tensor
    place_BR: Tensor
    chain_BR: Tensor

    @property
    def residues_BR(self) -> Tensor:
        """Where a residue is, bool [B, R]."""
        return self.chain_BR >= 0

    def pick(self, values: Tensor, dim: int = 1) -> Tensor:
        """Return values of residues only: J becomes R in a dimension of a tensor [B, ...].

        Without linkers J and R are the same, and nothing is copied.
        """
        if values.shape[dim] == self.place_BR.shape[1]:
            return values
        shape = [1] * values.ndim
        shape[0], shape[dim] = self.place_BR.shape
        return torch.take_along_dim(values, self.place_BR.view(shape), dim)

    def split(self, values_BRD: Tensor, chains: Sequence[Chain]) -> tuple[Tensor, ...]:
        """Return the values of each chain, [B, L, D] in the places of its tokens; 0 in padding."""
        if len(chains) == 1:
            return (values_BRD,)
        found = []
        for number, chain in enumerate(chains):
            own = values_BRD.new_zeros(*chain.residues_BL.shape, values_BRD.shape[-1])
            # Boolean indexing runs row by row, left to right: residues of a chain are in the same order on both sides.
            own[chain.residues_BL] = values_BRD[self.chain_BR == number]
            found.append(own)
        return tuple(found)


def join_chains(
    chains: Sequence[Chain], *, linker_id: int, pad_id: int, num_linkers: int = NUM_LINKERS
) -> JoinedChains:
    """Join the chains of each row, with linkers between two; residue numbers of a chain are 512 on from the last one's.

    Args:
        chains: Of one batch; tokens without specials.
        linker_id: Token of a linker (glycine).
        pad_id: Token of padding.
        num_linkers: Between two chains.
    """
    if len(chains) == 1:
        return _alone(chains[0])
    rows = [
        _join_row([c.tokens_BL[i][c.residues_BL[i]] for c in chains], linker_id, num_linkers)
        for i in range(_num_rows(chains))
    ]
    tokens, numbers, places, owners = ([row[i] for row in rows] for i in range(4))
    lengths = torch.tensor([len(row_tokens) for row_tokens in tokens], device=tokens[0].device)
    tokens_BJ = pad_sequence(tokens, batch_first=True, padding_value=pad_id)
    return JoinedChains(
        tokens_BJ, torch.arange(tokens_BJ.shape[1], device=lengths.device) < lengths[:, None],
        pad_sequence(numbers, batch_first=True), pad_sequence(places, batch_first=True),
        pad_sequence(owners, batch_first=True, padding_value=-1),
    )  # fmt: skip


def _alone(chain: Chain) -> JoinedChains:
    numbers_BJ = torch.arange(chain.tokens_BL.shape[1], device=chain.tokens_BL.device).expand_as(chain.tokens_BL)
    owners_BR = torch.where(chain.residues_BL, 0, -1)
    return JoinedChains(chain.tokens_BL, chain.mask_BL, numbers_BJ, numbers_BJ * chain.residues_BL, owners_BR)


def _num_rows(chains: Sequence[Chain]) -> int:
    return int(chains[0].tokens_BL.shape[0])


def _join_row(tokens: Sequence[Tensor], linker_id: int, num_linkers: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return tokens and numbers [J], places and chains [R] of one row."""
    device = tokens[0].device
    linker = torch.full((num_linkers,), linker_id, device=device)
    parts = [part for own in tokens for part in (own, linker)][:-1]
    jumps = [torch.full_like(part, NUMBER_JUMP * (i // 2)) for i, part in enumerate(parts)]
    owners = torch.cat([torch.full_like(part, -1 if i % 2 else i // 2) for i, part in enumerate(parts)])
    joined = torch.cat(parts)
    is_residue = owners >= 0
    return (
        joined, torch.arange(len(joined), device=device) + torch.cat(jumps),
        is_residue.nonzero().squeeze(-1), owners[is_residue],
    )  # fmt: skip


def mean_pair(pair_BRRP: Tensor, residues_BR: Tensor) -> Tensor:
    """Return the mean of each residue's pair states with all residues of its row, [B, R, P]."""
    weights = residues_BR[:, None, :, None].to(pair_BRRP.dtype)
    return (pair_BRRP * weights).sum(2) / weights.sum(2).clamp(min=1.0)
