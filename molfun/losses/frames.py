"""Measured structures as structure modules see them: rigid groups and torsion angles of residues, from their atoms.

Frames are those of AlphaFold 2 (Jumper et al. 2021, Nature 596:583, suppl. 1.8.1 and 1.8.4, table 2). A group or angle
is known where all of its atoms are. Legend of shapes in `molfun.types`.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from torch import Tensor
from transformers.models.esm.openfold_utils import residue_constants as constants
from transformers.models.esm.openfold_utils.rigid_utils import Rigid, Rotation

from molfun.data.atoms import RESIDUES, UNKNOWN, atom_names
from molfun.types import Structures

NUM_GROUPS = 8
NUM_ANGLES = 7
# Groups by number; those of chi 1 to 4 follow.
BACKBONE, PSI, CHI_1 = 0, 3, 4
N, CA, C, OXYGEN = range(4)  # places of the backbone's atoms


@cache
def chi_atoms() -> tuple[Tensor, Tensor]:
    """Return the four atoms of each chi angle, int64 [21, 4, 4], and which angles a residue has, bool [21, 4]."""
    places = np.zeros((UNKNOWN + 1, 4, 4), dtype=np.int64)
    exists = np.zeros((UNKNOWN + 1, 4), dtype=bool)
    for number, letter in enumerate(RESIDUES):
        for chi, names in enumerate(constants.chi_angles_atoms[constants.restype_1to3[letter]]):
            places[number, chi] = [atom_names(letter).index(name) for name in names]
            exists[number, chi] = True
    return torch.from_numpy(places), torch.from_numpy(exists)


@cache
def _group_atoms() -> tuple[Tensor, Tensor]:
    """Return the atoms that place each group, int64 [21, 8, 3]: on its negative x axis, at its origin, at positive y.

    The second tensor, bool [21, 8], is False for groups that move no heavy atom (pre-omega and phi) or do not exist.
    """
    chis, chi_exists = chi_atoms()
    places = torch.zeros(UNKNOWN + 1, NUM_GROUPS, 3, dtype=torch.int64)
    places[:, BACKBONE] = torch.tensor([C, CA, N])
    places[:, PSI] = torch.tensor([CA, C, OXYGEN])
    places[:, CHI_1:] = chis[..., 1:]
    exists = torch.zeros(UNKNOWN + 1, NUM_GROUPS, dtype=torch.bool)
    exists[:, BACKBONE] = True
    exists[:UNKNOWN, PSI] = True  # structure modules know nothing of other atoms of unknown residues
    exists[:, CHI_1:] = chi_exists
    return places, exists


def rigid_groups(structures: Structures) -> tuple[Rigid, Tensor]:
    """Return the frames of all rigid groups [B, R, 8] and which are known, bool [B, R, 8]; others hold any value.

    Each is right-handed, with its origin in the last atom of its rotation axis, the axis along x, and the next atom at
    positive y. Frames of unknown groups are finite.
    """
    places, exists = (table.to(structures.aatype_BR.device)[structures.aatype_BR] for table in _group_atoms())
    points, known = _pick(structures, places)
    frames = Rigid.from_3_points(points[..., 0, :], points[..., 1, :], points[..., 2, :])
    # The backbone's group alone looks along the axis from C-alpha to C, whose end is not its origin.
    turn = torch.eye(3, device=points.device).repeat(NUM_GROUPS, 1, 1)
    turn[BACKBONE] = torch.diag(torch.tensor([-1.0, 1.0, -1.0]))
    return frames.compose(Rigid(Rotation(rot_mats=turn), None)), known.all(dim=-1) & exists


def backbone_frames(structures: Structures) -> tuple[Rigid, Tensor]:
    """Return the frames of N, C-alpha and C [B, R] and which are known, bool [B, R]."""
    frames, known = rigid_groups(structures)
    return frames[..., BACKBONE], known[..., BACKBONE]


def torsion_angles(structures: Structures) -> tuple[Tensor, Tensor]:
    """Return sine and cosine of omega, phi, psi and chi 1 to 4, float32 [B, R, 7, 2], and which are known [B, R, 7].

    Omega and phi reach back to the residue before, which must be the chain's and have the number before; psi is
    measured on the oxygen, which lies opposite to the next residue.
    """
    points, known = _angle_atoms(structures)
    frames = Rigid.from_3_points(points[..., 1, :], points[..., 2, :], points[..., 0, :])
    fourth = frames.invert_apply(points[..., 3, :])
    sin_cos = torch.stack([fourth[..., 2], fourth[..., 1]], dim=-1)
    sin_cos = sin_cos / (sin_cos.square().sum(dim=-1, keepdim=True) + 1e-8).sqrt()
    turned = sin_cos.new_tensor([1.0, 1.0, -1.0, 1.0, 1.0, 1.0, 1.0])
    return sin_cos * turned[:, None], known


def _angle_atoms(structures: Structures) -> tuple[Tensor, Tensor]:
    """Return the four atoms of each angle, float32 [B, R, 7, 4, 3], and which angles are known."""
    chis, chi_exists = (table.to(structures.aatype_BR.device)[structures.aatype_BR] for table in chi_atoms())
    chi_points, chi_known = _pick(structures, chis)
    own, own_known = structures.positions_BRA3[..., :4, :], structures.mask_BRA[..., :4]
    before, before_known = own.roll(1, dims=1), own_known.roll(1, dims=1) & follows(structures)[..., None]

    def joined(previous: tuple[int, ...], following: tuple[int, ...]) -> tuple[Tensor, Tensor]:
        points = torch.cat([before[..., previous, :], own[..., following, :]], dim=-2)
        known = torch.cat([before_known[..., previous], own_known[..., following]], dim=-1)
        return points, known.all(dim=-1)

    backbone = [joined((CA, C), (N, CA)), joined((C,), (N, CA, C)), joined((), (N, CA, C, OXYGEN))]
    points = torch.cat([torch.stack([p for p, _ in backbone], dim=2), chi_points], dim=2)
    known = torch.cat([torch.stack([k for _, k in backbone], dim=2), chi_known.all(dim=-1) & chi_exists], dim=2)
    return points, known


def follows(structures: Structures) -> Tensor:
    """Return which residues are bound to the one before them, bool [B, R]: same chain, next number."""
    chain, number = structures.chain_BR, structures.number_BR
    bound = torch.zeros_like(chain, dtype=torch.bool)
    bound[:, 1:] = (chain[:, 1:] == chain[:, :-1]) & (chain[:, 1:] >= 0) & (number[:, 1:] == number[:, :-1] + 1)
    return bound


def _pick(structures: Structures, places: Tensor) -> tuple[Tensor, Tensor]:
    """Return the atoms at int64 [B, R, G, P], float32 [B, R, G, P, 3], and which are known, bool [B, R, G, P]."""
    flat = places.flatten(2)
    points = structures.positions_BRA3.gather(2, flat[..., None].expand(-1, -1, -1, 3))
    known = structures.mask_BRA.gather(2, flat)
    return points.unflatten(2, places.shape[2:]), known.unflatten(2, places.shape[2:])
