"""Which atoms of a file are a protein's, and how they become chains: residues, alternate locations, gaps. No torch."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from molfun.data.atoms import RESIDUES, atom_names
from molfun.data.proteins import C_ALPHA, ProteinChain, blank_atoms
from molfun.data.structure_atoms import Atoms, StructureText

# Names of force fields for residues in one state of charge; no components of the dictionary.
STATES = {
    "HIE": "H", "HID": "H", "HIP": "H", "HSE": "H", "HSD": "H", "HSP": "H", "CYX": "C", "CYM": "C", "ASH": "D",
    "GLH": "E", "LYN": "K",
}  # fmt: skip
# Rare residues have their own letter; this is what they stand in for.
PARENTS = {"U": "C", "O": "K"}
# Atoms by another name: selenium for sulfur, and names of force fields.
RENAMED = {
    ("MSE", "SE"): "SD", ("SEC", "SE"): "SG", ("ILE", "CD"): "CD1", ("*", "OT1"): "O", ("*", "O1"): "O",
}  # fmt: skip
BOND_ANGSTROM = 2.0  # C to N of the next residue: 1.33, and nothing else is as near
FAR_ANGSTROM = 9999.0  # coordinates that programs write for "unknown"


@dataclass(frozen=True, eq=False)
class Residue:
    """One residue as the file has it.

    `place` is 0 where the file does not tell it, `letter` "" where it is none of a protein.
    """

    number: int
    insertion: str
    name: str
    letter: str
    place: int
    positions: NDArray[np.float32]
    mask: NDArray[np.bool_]
    b_factor: float


def build_chains(text: StructureText, min_residues: int) -> tuple[list[ProteinChain], list[str]]:
    """Return protein chains in the order of the file, and what was left out or decided, one sentence each.

    Args:
        text: The file.
        min_residues: Chains of which fewer residues have a C-alpha are left out.
    """
    chains, notes = [], []
    for name in dict.fromkeys(text.atoms.chain.tolist()):
        residues, said = _residues(text.atoms[text.atoms.chain == name], name)
        notes += said
        num_known = sum(bool(residue.mask[C_ALPHA]) for residue in residues)
        if num_known >= min_residues:
            chains.append(_chain(name, residues, text.full.get(name, []), notes))
        else:
            what = f"{num_known} amino acid residues with a C-alpha" if residues else "no amino acid residue"
            notes.append(f"Chain {name} is left out: {what}; expected {min_residues} or more.")
    for name in text.full:
        if name not in text.atoms.chain:
            notes.append(f"Chain {name} has a sequence but no atom.")
    return chains, notes


def _residues(atoms: Atoms, chain: str) -> tuple[list[Residue], list[str]]:
    """Return the amino acid residues of a chain in the order of the file; one that stands twice is read once."""
    if atoms.place.any():  # the file tells what is no part of the chain: it has no place in the sequence
        atoms = atoms[atoms.place > 0]
    found: dict[tuple[int, int, str], Atoms] = {}
    num_repeated = 0
    for own in _runs(atoms):
        key = (int(own.place[0]), int(own.number[0]), str(own.insertion[0]))
        known = found.get(key)
        if known is None:
            found[key] = own
        elif set(known.name.tolist()) & set(own.name.tolist()):
            num_repeated += 1
        else:  # the same residue again with its other atoms, as programs that add hydrogens write it
            found[key] = known + own
    notes = [f"Chain {chain}: {num_repeated} residues stand twice; the first of each is read."] if num_repeated else []
    residues = (_residue(own, key) for key, own in found.items())
    return [residue for residue in residues if residue.letter], notes


def _runs(atoms: Atoms) -> list[Atoms]:
    """Return the atoms of each residue: those that stand together under one number."""
    if not len(atoms):
        return []
    is_new = (
        (np.diff(atoms.number) != 0) | (np.diff(atoms.place) != 0) | (atoms.insertion[1:] != atoms.insertion[:-1])
        | ((atoms.residue[1:] != atoms.residue[:-1]) & (atoms.location[1:] == atoms.location[:-1]))
    )  # fmt: skip
    bounds = [0, *(np.flatnonzero(is_new) + 1).tolist(), len(atoms)]
    return [atoms[first:end] for first, end in itertools.pairwise(bounds)]


def _location(own: Atoms) -> NDArray[np.str_]:
    """Return the location to take for each atom of a residue: none, or the most occupied one, of equals the first."""
    names = [name for name in dict.fromkeys(own.location.tolist()) if name]
    if not names:
        return own.location
    best = max(names, key=lambda name: float(own.occupancy[own.location == name].mean()))
    return np.where(own.location == "", "", best)


def _residue(own: Atoms, key: tuple[int, int, str]) -> Residue:
    place, number, insertion = key
    own = own[own.location == _location(own)]
    letter = letter_of(str(own.residue[0]), is_hetero=bool(own.is_hetero[0]), names=own.name)
    positions, mask = blank_atoms(1)
    slots = {atom: i for i, atom in enumerate(atom_names(letter))}
    name, known = str(own.residue[0]), np.isfinite(own.position).all(axis=1)
    known &= (np.abs(np.nan_to_num(own.position)) < FAR_ANGSTROM).all(axis=1)
    for i in np.flatnonzero(known):
        atom = str(own.name[i])
        slot = slots.get(RENAMED.get((name, atom), RENAMED.get(("*", atom), atom)))
        if slot is not None and not mask[0, slot]:  # an atom that stands twice: the first one
            positions[0, slot], mask[0, slot] = own.position[i], True
    is_alpha = known & (own.name == "CA")
    b_factors = own.b_factor[is_alpha] if is_alpha.any() else own.b_factor
    return Residue(number, insertion, name, letter, place, positions[0], mask[0], float(b_factors.mean()))


def letter_of(name: str, *, is_hetero: bool, names: NDArray[np.str_]) -> str:
    """Return the letter of a residue, "" where it is none of a protein.

    Args:
        name: Three-letter name.
        is_hetero: Whether its atoms are HETATM records.
        names: Names of its atoms.
    """
    if not is_hetero and name in STATES:
        return STATES[name]
    letter, is_peptide = _component(name)
    if is_peptide:
        return letter
    has_backbone = {"N", "CA", "C"} <= set(names.tolist())
    return "X" if has_backbone and (letter == "" and not is_hetero) else ""


@cache
def _component(name: str) -> tuple[str, bool]:
    """Return (letter, whether it links as an amino acid) by the chemical component dictionary; X where it has none."""
    from biotite.structure.info import link_type, one_letter_code

    try:
        is_peptide = "PEPTIDE" in (link_type(name) or "").upper()
        letter = one_letter_code(name) or ""
    except KeyError:
        return "", False
    letter = PARENTS.get(letter, letter)
    return (letter if letter in RESIDUES else "X") if is_peptide else letter, is_peptide


def _chain(name: str, residues: list[Residue], full: list[str], notes: list[str]) -> ProteinChain:
    """Return a chain; residues of the full sequence that were not resolved have no known atom."""
    places = [residue.place for residue in residues]
    if not _are_rising(places):
        places = (place_by_number(residues, full) or place_by_letters(residues, full)) if full else []
    if full and not (places and places[-1] <= len(full)):
        notes.append(f"Chain {name}: its residues do not follow the full sequence of the file, which is left out.")
        full = []
    if not full:
        known = np.array(places or place_by_bonds(residues), dtype=np.int64)
        return _filled(name, residues, known, "".join(one.letter for one in residues), np.arange(len(residues)))
    letters, at = [_component(one)[0] or "X" for one in full], np.array(places, dtype=np.int64) - 1
    for i, residue in zip(at, residues, strict=True):
        letters[i] = residue.letter
    return _filled(name, residues, np.arange(1, len(full) + 1, dtype=np.int64), "".join(letters), at)


def _are_rising(places: list[int]) -> bool:
    return places[0] > 0 and all(last < one for last, one in itertools.pairwise(places))


def _filled(
    name: str, residues: list[Residue], places: NDArray[np.int64], sequence: str, at: NDArray[np.int64]
) -> ProteinChain:
    """Return a chain whose known residues stand at the letters `at` of its sequence."""
    positions, mask = blank_atoms(len(sequence))
    positions[at], mask[at] = [one.positions for one in residues], [one.mask for one in residues]
    insertions, b_factors = np.full(len(sequence), "", dtype="U1"), np.full(len(sequence), np.nan, dtype=np.float32)
    insertions[at], b_factors[at] = [one.insertion for one in residues], [one.b_factor for one in residues]
    known = np.array([one.number for one in residues], dtype=np.int64)
    # Residues that were not resolved are counted on from the last one that was, those at the start back from the first.
    last = np.clip(np.searchsorted(at, np.arange(len(sequence)), side="right") - 1, 0, None)
    numbers = known[last] + (np.arange(len(sequence)) - at[last])
    return ProteinChain(name, sequence, positions, mask, numbers, insertions, places, b_factors)


def place_by_number(residues: list[Residue], full: list[str]) -> list[int]:
    """Return places in the full sequence by residue numbers: the one shift at which every residue fits; none: []."""
    numbers = [residue.number for residue in residues]
    if any(second <= first for first, second in itertools.pairwise(numbers)):
        return []
    fitting = [
        shift for shift in range(1 - numbers[0], len(full) - numbers[-1] + 1)
        if all(full[number + shift - 1] == one.name for number, one in zip(numbers, residues, strict=True))
    ]  # fmt: skip
    return [number + fitting[0] for number in numbers] if len(fitting) == 1 else []


def place_by_letters(residues: list[Residue], full: list[str]) -> list[int]:
    """Return places in the full sequence of each unbroken piece of the chain, each as early as it fits; or []."""
    text, names = "".join(f"{one:>6}" for one in full), [f"{residue.name:>6}" for residue in residues]
    steps = np.diff(place_by_bonds(residues))
    bounds = [0, *(np.flatnonzero(steps > 1) + 1).tolist(), len(residues)]
    places: list[int] = []
    for first, end in itertools.pairwise(bounds):
        start = text.find("".join(names[first:end]), 6 * (places[-1] if places else 0))
        while start % 6 and start >= 0:
            start = text.find("".join(names[first:end]), start + 1)
        if start < 0:
            return []
        places += range(start // 6 + 1, start // 6 + 1 + end - first)
    return places


def place_by_bonds(residues: list[Residue]) -> list[int]:
    """Return places without a full sequence: one on where a residue is bound to the last one, else as its number says.

    A break whose numbers do not tell how long it is counts as one missing residue.
    """
    places = [1]
    for last, one in itertools.pairwise(residues):
        step = one.number - last.number
        if _is_bound(last, one):
            step = 1
        elif _are_known(last, one):
            step = max(step, 2)
        places.append(places[-1] + max(step, 1))
    return places


def _are_known(last: Residue, one: Residue) -> bool:
    return bool(last.mask[2] and one.mask[0])


def _is_bound(last: Residue, one: Residue) -> bool:
    return _are_known(last, one) and float(np.linalg.norm(last.positions[2] - one.positions[0])) < BOND_ANGSTROM
