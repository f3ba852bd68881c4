"""One row as a model reads it: token ids, target, measured structure, and what becomes of it where it is too long.

`batches` encodes rows and pads them to tensors. No torch.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from molfun.data.atoms import residue_numbers
from molfun.data.crops import crop_residues
from molfun.data.proteins import C_ALPHA, Protein
from molfun.data.settings import TooLong
from molfun.errors import DataError


class HasSpans(Protocol):
    """What is needed of a letter table here."""

    def residue_span(self, num_tokens: int) -> tuple[int, int]:
        """Return (first, end) of the residues within a row of `num_tokens` tokens, specials left out."""
        ...


@dataclass(frozen=True, eq=False)
class RowStructure:
    """Measured structure of a row; R residues of all chains, one behind the other, as in `molfun.types.Structures`.

    Attributes:
        aatype: int64 [R].
        positions: float32 [R, 14, 3], in angstrom.
        mask: bool [R, 14].
        number: int64 [R].
        chain: int64 [R].
    """

    aatype: NDArray[np.int64]
    positions: NDArray[np.float32]
    mask: NDArray[np.bool_]
    number: NDArray[np.int64]
    chain: NDArray[np.int64]

    def pick(self, kept: NDArray[np.int64]) -> RowStructure:
        """Return some residues, int64 [kept]."""
        return RowStructure(**{name: array[kept] for name, array in vars(self).items()})

    @property
    def has_atoms(self) -> bool:
        """Whether any C-alpha is known, without which there is nothing to compare."""
        return bool(self.mask[:, C_ALPHA].any())


@dataclass(frozen=True)
class Row:
    """One encoded row.

    Attributes:
        tokens: Token ids of each chain, specials included.
        target: Number, class, or one class a residue of the first chain; None when predicting and for structures.
        row_id: Index in the dataset's frame.
        structure: Measured structure where that is the target.
    """

    tokens: tuple[list[int], ...]
    target: float | int | list[int] | None
    row_id: int
    structure: RowStructure | None = None


def residue_window(num_residues: int, max_residues: int, policy: TooLong) -> slice:
    """Return which residues of a long sequence a model gets to see.

    Args:
        num_residues: Length of the sequence.
        max_residues: The model's limit.
        policy: "crop" keeps the first residues, "window" those around the middle.

    Raises:
        DataError: The sequence is longer than the limit and the policy is "refuse" or "skip".
    """
    if num_residues <= max_residues:
        return slice(0, num_residues)
    if policy in ("refuse", "skip"):
        raise DataError(
            f"The sequence has {num_residues} residues, the model takes {max_residues}; "
            "remove the row, or choose crop or window."
        )
    first = (num_residues - max_residues) // 2 if policy == "window" else 0
    return slice(first, first + max_residues)


def row_structure(protein: Protein, max_residues: int, policy: TooLong) -> RowStructure:
    """Return a structure of which every sequence column is cut as its sequence is.

    Raises:
        DataError: As in `residue_window`.
    """
    columns = protein.chain_numbers()
    whole = RowStructure(
        np.concatenate([residue_numbers(chain.sequence) for chain in protein.chains]),
        np.concatenate([chain.positions for chain in protein.chains]),
        np.concatenate([chain.mask for chain in protein.chains]), protein.model_numbers(), columns,
    )  # fmt: skip
    kept = []
    for number in range(len(protein.columns)):
        own = np.flatnonzero(columns == number)
        kept.append(own[residue_window(len(own), max_residues, policy)])
    return whole.pick(np.concatenate(kept))


def crop_row(row: Row, size: int, seed: tuple[int, ...], encoder: HasSpans) -> Row:
    """Return a row with at most `size` residues of all chains together: tokens, target and structure alike.

    Args:
        row: Encoded row; special tokens stay.
        size: Most residues.
        seed: The same one gives the same crop.
        encoder: Tells where residues lie between special tokens.
    """
    spans = [encoder.residue_span(len(tokens)) for tokens in row.tokens]
    lengths = [end - first for first, end in spans]
    if sum(lengths) <= size:
        return row
    measured = row.structure
    kept = crop_residues(
        lengths, size, seed, c_alpha=None if measured is None else measured.positions[:, C_ALPHA],
        is_known=None if measured is None else measured.mask[:, C_ALPHA],
    )  # fmt: skip
    tokens, before = [], 0
    for own, (first, end) in zip(row.tokens, spans, strict=True):
        places = kept[(kept >= before) & (kept < before + end - first)] - before
        tokens.append([*own[:first], *(own[first + place] for place in places), *own[end:]])
        before += end - first
    target = row.target
    if isinstance(target, list):
        target = [target[place] for place in kept if place < lengths[0]]
    return replace(
        row, tokens=tuple(tokens), target=target, structure=None if measured is None else measured.pick(kept)
    )
