"""What no molecule does: broken peptide bonds, bent angles between residues, atoms inside each other.

Bonds and angles within a residue are exact by construction, because its atoms are placed as rigid groups; so are only
those between residues asked. Atoms of one residue are not held against each other.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np
import torch
from torch import Tensor
from transformers.models.esm.openfold_utils import residue_constants as constants

from molfun.data.atoms import NUM_ATOMS, RESIDUES, UNKNOWN, atom_exists, atom_names
from molfun.losses.frames import CA, C, N, follows
from molfun.losses.masked import in_float32, masked_mean
from molfun.types import Folds, Structures

TOLERATED_DEVIATIONS = 12.0
TOLERATED_OVERLAP = 1.5
# Atoms that are compared with all others at once, to find those inside each other.
ATOMS_AT_ONCE = 1024


@in_float32
def violation(folds: Folds, structures: Structures) -> Tensor:
    """Return the violation loss [B] (Jumper et al. 2021, suppl. 1.9.11): bond length + two angles + clashes.

    Bonds and angles cost what they deviate by beyond 12 of the literature's standard deviations, in angstrom and as
    cosines, each the mean over the chain's bonds; residues whose numbers do not follow each other, or are of two
    chains, have none. Clashes cost what van der Waals radii overlap by beyond 1.5 angstrom, both atoms of a pair
    counted, over the number of atoms. Every atom of a known residue type takes part, measured or not; rows without any
    measured atom cost 0.
    """
    exists = torch.from_numpy(atom_exists()).to(structures.aatype_BR.device)[structures.aatype_BR]
    exists = exists & (structures.aatype_BR < UNKNOWN)[..., None] & structures.mask_BRA.any(dim=(1, 2))[:, None, None]
    bound_BR = follows(structures)
    clashes = [
        _overlap(*row)
        for row in zip(folds.positions_BRA3, structures.aatype_BR, exists, bound_BR, strict=True)
    ]  # fmt: skip
    return _bonds(folds.positions_BRA3, structures.aatype_BR, exists, bound_BR) + torch.stack(clashes)


def _bonds(positions: Tensor, aatype: Tensor, exists: Tensor, bound: Tensor) -> Tensor:
    """Return what bonds and angles between residues are off by, beyond what is tolerated, [B]."""
    ca, c = positions[:, :-1, CA], positions[:, :-1, C]
    next_n, next_ca = positions[:, 1:, N], positions[:, 1:, CA]
    mask = bound[:, 1:] & exists[:, :-1, : C + 1].all(dim=-1) & exists[:, 1:, : C + 1].all(dim=-1)
    length, to_next = _direction(c, next_n)
    bend_at_c = (_direction(c, ca)[1] * to_next).sum(dim=-1)
    bend_at_n = -(_direction(next_n, next_ca)[1] * to_next).sum(dim=-1)

    is_proline = (aatype[:, 1:] == constants.restype_order["P"]).long()
    lengths, deviations = (
        length.new_tensor(pair)[is_proline]
        for pair in (constants.between_res_bond_length_c_n, constants.between_res_bond_length_stddev_c_n)
    )
    beyond = [
        _beyond(length, lengths, deviations),
        _beyond(bend_at_c, *constants.between_res_cos_angles_ca_c_n),
        _beyond(bend_at_n, *constants.between_res_cos_angles_c_n_ca),
    ]
    return masked_mean(torch.stack(beyond), mask).sum(dim=0)


def _direction(start: Tensor, end: Tensor) -> tuple[Tensor, Tensor]:
    """Return the distance [...] from start to end and the unit vector [..., 3]; finite also where they coincide."""
    vector = end - start
    length = (vector.square().sum(dim=-1) + 1e-6).sqrt()
    return length, vector / length[..., None]


def _beyond(value: Tensor, expected: Tensor | float, deviation: Tensor | float) -> Tensor:
    return ((value - expected).abs() - TOLERATED_DEVIATIONS * deviation).relu()


@cache
def _radii() -> Tensor:
    """Return the van der Waals radius of each atom in angstrom, float32 [21, 14]; 0 where there is none."""
    radii = np.zeros((UNKNOWN + 1, NUM_ATOMS), dtype=np.float32)
    for number, letter in enumerate(RESIDUES):
        names = atom_names(letter)
        radii[number, : len(names)] = [constants.van_der_waals_radius[name[0]] for name in names]
    return torch.from_numpy(radii)


def _overlap(positions_RA3: Tensor, aatype_R: Tensor, exists_RA: Tensor, bound_R: Tensor) -> Tensor:
    """Return the overlap of atoms of different residues of one row, in angstrom an atom, a scalar."""
    points, radii = positions_RA3[exists_RA], _radii().to(aatype_R.device)[aatype_R][exists_RA]
    residue, atom = exists_RA.nonzero().unbind(1)
    bridge = (aatype_R[residue] == constants.restype_order["C"]) & (atom == atom_names("C").index("SG"))
    with torch.no_grad():
        found = list(_touching(points, radii, residue))
    first, second = torch.cat(found, dim=1) if found else residue.new_zeros(2, 0)
    peptide = (
        (residue[second] == residue[first] + 1) & bound_R[residue[second]] & (atom[first] == C) & (atom[second] == N)
    )
    free = ~peptide & ~(bridge[first] & bridge[second])
    first, second = first[free], second[free]
    distances = ((points[first] - points[second]).square().sum(dim=-1) + 1e-10).sqrt()
    overlaps = (radii[first] + radii[second] - TOLERATED_OVERLAP - distances).relu()
    return 2.0 * overlaps.sum() / max(1, len(points))


def _touching(points: Tensor, radii: Tensor, residue: Tensor) -> Iterator[Tensor]:
    """Yield the pairs of atoms that overlap too much, int64 [2, pairs], the one of the earlier residue first.

    Only these are differentiated: a folded protein has few, and all pairs of atoms would fill the memory.
    """
    for start in range(0, len(points), ATOMS_AT_ONCE):
        rows = slice(start, start + ATOMS_AT_ONCE)
        distances = torch.cdist(points[rows], points, compute_mode="donot_use_mm_for_euclid_dist")
        near = distances < radii[rows, None] + radii - TOLERATED_OVERLAP
        first, second = (near & (residue[rows, None] < residue)).nonzero().unbind(1)
        yield torch.stack([first + start, second])
