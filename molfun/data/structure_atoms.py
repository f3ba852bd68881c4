"""Atoms of a structure file as columns, and what else such a file says: what the readers of each format give.

`structure_pdb` and `structure_cif` read; which atoms belong to a protein is decided by `structure_chains`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray

# What biotite raises for files that are not what they should be.
UNREADABLE = (ValueError, KeyError, IndexError, TypeError, AttributeError, OverflowError)


@dataclass(frozen=True, eq=False)
class Atoms:
    """Columns of atoms, one entry an atom, in the order of the file.

    Attributes:
        chain: str, as authors name it.
        number: int64, residue number of the author.
        insertion: str, insertion code or "".
        residue: str, three-letter name.
        name: str, name of the atom.
        location: str, id of the alternate location or "".
        occupancy: float32.
        b_factor: float32.
        position: float32 [atoms, 3], in angstrom.
        is_hetero: bool, True for HETATM records.
        place: int64, place in the full sequence of the chain, from 1; 0 where the file does not tell.
    """

    chain: NDArray[np.str_]
    number: NDArray[np.int64]
    insertion: NDArray[np.str_]
    residue: NDArray[np.str_]
    name: NDArray[np.str_]
    location: NDArray[np.str_]
    occupancy: NDArray[np.float32]
    b_factor: NDArray[np.float32]
    position: NDArray[np.float32]
    is_hetero: NDArray[np.bool_]
    place: NDArray[np.int64]

    def __len__(self) -> int:
        """Return the number of atoms."""
        return len(self.name)

    def __getitem__(self, chosen: Any) -> Atoms:
        """Return some atoms, chosen as numpy arrays are indexed."""
        return Atoms(**{one.name: getattr(self, one.name)[chosen] for one in fields(self)})

    def __add__(self, more: Atoms) -> Atoms:
        """Return these atoms and others behind them."""
        pairs = ((one.name, getattr(self, one.name), getattr(more, one.name)) for one in fields(self))
        return Atoms(**{name: np.concatenate([first, second]) for name, first, second in pairs})


@dataclass(frozen=True, eq=False)
class StructureText:
    """What a file says.

    Attributes:
        atoms: Of the first model.
        full: Three-letter names of the full sequence of a chain, by the chain's id, where the file has them.
        date: As in `Protein`.
        resolution: As there.
        method: As there.
    """

    atoms: Atoms
    full: dict[str, list[str]] = field(default_factory=dict)
    date: str = ""
    resolution: float = float("nan")
    method: str = ""


def is_number(cell: str) -> bool:
    """Tell whether a field is a number, as files write it."""
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell


def iso_date(text: str) -> str:
    """Return an ISO date, "" where the text is none."""
    try:
        return date.fromisoformat(text.strip()).isoformat()
    except ValueError:
        return ""
