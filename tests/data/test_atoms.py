"""Tables of residues and atoms, against those of another implementation and of the chemical component dictionary."""

from __future__ import annotations

import numpy as np
import pytest
from biotite.sequence import ProteinSequence
from biotite.structure.info import residue

from molfun.data.atoms import RESIDUES, UNKNOWN, atom_exists, atom_names, swapped_places


def test_order_of_residues_and_atoms_is_that_of_transformers() -> None:
    from transformers.models.esm.openfold_utils import residue_constants as constants

    assert list(RESIDUES) == constants.restypes
    for letter in RESIDUES:
        expected = constants.restype_name_to_atom14_names[constants.restype_1to3[letter]]
        assert list(atom_names(letter)) == [name for name in expected if name]
        assert list(atom_names(letter)) == expected[: len(atom_names(letter))]


@pytest.mark.parametrize("letter", RESIDUES)
def test_atoms_are_the_heavy_ones_of_the_residue_within_a_chain(letter: str) -> None:
    component = residue(ProteinSequence.convert_letter_1to3(letter))
    heavy = component.atom_name[component.element != "H"]
    assert set(atom_names(letter)) == set(heavy) - {"OXT"}


def test_the_unknown_residue_has_a_backbone() -> None:
    assert atom_exists()[UNKNOWN].tolist() == [True] * 4 + [False] * 10
    assert atom_exists()[:UNKNOWN].sum() == sum(len(atom_names(letter)) for letter in RESIDUES)


def test_swapping_twice_changes_nothing() -> None:
    places = swapped_places()
    assert (np.take_along_axis(places, places, axis=1) == np.arange(14)).all()
    assert (places != np.arange(14)).any(axis=1).sum() == 4
