"""Residue types by number and the heavy atoms of each, 14 at most, in one order. No torch.

Order of residues and atoms: Jumper et al. 2021, Nature 596:583, supplementary table 2 ("atom14").
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

RESIDUES = "ARNDCQEGHILKMFPSTWYV"
"""One-letter codes by number, 0 to 19; any other residue is `UNKNOWN`."""

UNKNOWN = len(RESIDUES)
NUM_ATOMS = 14
BACKBONE = ("N", "CA", "C", "O")
SIDE_CHAINS: dict[str, tuple[str, ...]] = {
    "A": ("CB",),
    "R": ("CB", "CG", "CD", "NE", "CZ", "NH1", "NH2"),
    "N": ("CB", "CG", "OD1", "ND2"),
    "D": ("CB", "CG", "OD1", "OD2"),
    "C": ("CB", "SG"),
    "Q": ("CB", "CG", "CD", "OE1", "NE2"),
    "E": ("CB", "CG", "CD", "OE1", "OE2"),
    "G": (),
    "H": ("CB", "CG", "ND1", "CD2", "CE1", "NE2"),
    "I": ("CB", "CG1", "CG2", "CD1"),
    "L": ("CB", "CG", "CD1", "CD2"),
    "K": ("CB", "CG", "CD", "CE", "NZ"),
    "M": ("CB", "CG", "SD", "CE"),
    "F": ("CB", "CG", "CD1", "CD2", "CE1", "CE2", "CZ"),
    "P": ("CB", "CG", "CD"),
    "S": ("CB", "OG"),
    "T": ("CB", "OG1", "CG2"),
    "W": ("CB", "CG", "CD1", "CD2", "NE1", "CE2", "CE3", "CZ2", "CZ3", "CH2"),
    "Y": ("CB", "CG", "CD1", "CD2", "CE1", "CE2", "CZ", "OH"),
    "V": ("CB", "CG1", "CG2"),
}
"""Heavy atoms behind the backbone, by one-letter code."""

# Atoms that can be named the other way round without a change of the molecule (supplementary table 3 of the same).
SWAPPED: dict[str, tuple[tuple[str, str], ...]] = {
    "D": (("OD1", "OD2"),), "E": (("OE1", "OE2"),), "F": (("CD1", "CD2"), ("CE1", "CE2")),
    "Y": (("CD1", "CD2"), ("CE1", "CE2")),
}  # fmt: skip


def atom_names(letter: str) -> tuple[str, ...]:
    """Return the names of a residue's heavy atoms in their order; the backbone alone where the residue is unknown."""
    return BACKBONE + SIDE_CHAINS.get(letter, ())


def atom_exists() -> NDArray[np.bool_]:
    """Return which atoms a residue type has, bool [21, 14]."""
    exists = np.zeros((UNKNOWN + 1, NUM_ATOMS), dtype=bool)
    for number, letter in enumerate(RESIDUES + "X"):
        exists[number, : len(atom_names(letter))] = True
    return exists


def swapped_places() -> NDArray[np.int64]:
    """Return where each atom stands once atoms that can be swapped are, int64 [21, 14]."""
    places = np.tile(np.arange(NUM_ATOMS, dtype=np.int64), (UNKNOWN + 1, 1))
    for letter, pairs in SWAPPED.items():
        names, number = atom_names(letter), RESIDUES.index(letter)
        for first, second in pairs:
            one, other = names.index(first), names.index(second)
            places[number, one], places[number, other] = other, one
    return places


def residue_numbers(sequence: str) -> NDArray[np.int64]:
    """Return the type of each residue of a sequence, int64 [len(sequence)].

    >>> residue_numbers("ARX").tolist()
    [0, 1, 20]
    """
    number = {letter: i for i, letter in enumerate(RESIDUES)}
    return np.array([number.get(letter, UNKNOWN) for letter in sequence], dtype=np.int64)
