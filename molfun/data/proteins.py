"""A measured structure as arrays: chains with sequence, atoms, residue numbers. Read by `structure_files`. No torch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from molfun.data.atoms import BACKBONE, NUM_ATOMS
from molfun.errors import DataError

STRUCTURE = "structure"
"""Column of a table that holds `Protein` objects."""

ABOUT_STRUCTURE = ("name", "num_residues", "date", "resolution", "method")
"""Columns beside it that say what the file says."""

C_ALPHA = BACKBONE.index("CA")
# Between the places of the last residue of a chain and the first of the next one in the same column: far beyond any
# distance along a chain that a model tells apart.
CHAIN_JUMP = 200


@dataclass(frozen=True, eq=False)
class ProteinChain:
    """One chain; L residues, those that were not resolved included where the file names them.

    Attributes:
        id: As people see it (the author's id of an mmCIF file).
        sequence: One letter a residue, modified ones as their parent, others X.
        positions: float32 [L, 14, 3], in angstrom, atoms in the order of `molfun.data.atoms`; 0 where unknown.
        mask: bool [L, 14], True where an atom is known.
        numbers: int64 [L], residue numbers of the author; may be negative, repeated or out of order.
        insertions: str [L], insertion codes, "" where there is none.
        places: int64 [L], from 1, rising; greater by one where a residue is bound to the one before it.
        b_factors: float32 [L], of C-alpha (else the mean of the residue), in square angstrom; NaN where unknown. Files
            of predicted structures have the confidence here.
        column: Column of the table that the sequence is part of.
    """

    id: str
    sequence: str
    positions: NDArray[np.float32] = field(repr=False)
    mask: NDArray[np.bool_] = field(repr=False)
    numbers: NDArray[np.int64] = field(repr=False)
    insertions: NDArray[np.str_] = field(repr=False)
    places: NDArray[np.int64] = field(repr=False)
    b_factors: NDArray[np.float32] = field(repr=False)
    column: str = ""

    def __len__(self) -> int:
        """Return the number of residues."""
        return len(self.sequence)

    @property
    def num_resolved(self) -> int:
        """Number of residues whose C-alpha is known."""
        return int(self.mask[:, C_ALPHA].sum())

    def pick(self, kept: NDArray[np.int64]) -> ProteinChain:
        """Return some residues, int64 [kept] in rising order."""
        arrays = ("positions", "mask", "numbers", "insertions", "places", "b_factors")
        letters = "".join(self.sequence[i] for i in kept)
        return replace(self, sequence=letters, **{name: getattr(self, name)[kept] for name in arrays})


@dataclass(frozen=True, repr=False, eq=False)
class Protein:
    """The protein chains of one file.

    Attributes:
        name: Of the file, without folder and ending.
        chains: In the order of the file, or of a table's columns.
        date: When it was deposited, as ISO date; "" where the file does not tell.
        resolution: In angstrom; NaN where the file does not tell.
        method: As the file says it, lower case; "" where it does not.
        notes: What was left out or decided when it was read, one sentence each.
    """

    name: str
    chains: tuple[ProteinChain, ...]
    date: str = ""
    resolution: float = float("nan")
    method: str = ""
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """Return name and size: tables show it."""
        return f"Protein({self.name!r}, chains {','.join(chain.id for chain in self.chains)}, {self.num_residues} aa)"

    @property
    def num_residues(self) -> int:
        """Residues of all chains."""
        return sum(map(len, self.chains))

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of the table that have its sequences, in the order of its chains."""
        return tuple(dict.fromkeys(chain.column for chain in self.chains))

    def sequence_of(self, column: str) -> str:
        """Return the letters of the chains of a column, one chain behind the other."""
        return "".join(chain.sequence for chain in self.chains if chain.column == column)

    def ordered(self, columns: Iterable[str]) -> Protein:
        """Return the chains of some columns, in the order of these.

        Raises:
            DataError: It has no chain for one of them.
        """
        chosen = []
        for name in columns:
            found = [chain for chain in self.chains if chain.column == name]
            if not found:
                raise DataError(
                    f"The structure {self.name!r} has no chain for the column {name!r}, only for "
                    f"{', '.join(self.columns)}; choose sequence columns that every structure has."
                )
            chosen += found
        return replace(self, chains=tuple(chosen))

    def chain_numbers(self) -> NDArray[np.int64]:
        """Return the number of the column of each residue, from 0, int64 [num_residues]."""
        number = {name: i for i, name in enumerate(self.columns)}
        return np.concatenate([np.full(len(chain), number[chain.column], dtype=np.int64) for chain in self.chains])

    def model_numbers(self) -> NDArray[np.int64]:
        """Return the residue numbers that models read, int64 [num_residues]: places, with a jump between two chains
        of one column.
        """
        found, last = [], dict.fromkeys(self.columns, -CHAIN_JUMP)
        for chain in self.chains:
            places = chain.places + last[chain.column] + CHAIN_JUMP
            last[chain.column] = int(places[-1]) if len(places) else last[chain.column]
            found.append(places)
        return np.concatenate(found)


def has_structures(frame: pd.DataFrame) -> bool:
    """Tell whether a table has measured structures: other tables name columns so that hold secondary structure."""
    return STRUCTURE in frame.columns and any(isinstance(cell, Protein) for cell in frame[STRUCTURE])


def blank_atoms(num_residues: int) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return positions [L, 14, 3] and mask [L, 14] of residues of which no atom is known."""
    return np.zeros((num_residues, NUM_ATOMS, 3), dtype=np.float32), np.zeros((num_residues, NUM_ATOMS), dtype=bool)
