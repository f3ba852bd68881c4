"""Ideal peptides of given torsion angles, as a measured and a predicted structure of the same rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from scipy.spatial.transform import Rotation as Turn
from torch import Tensor
from transformers.models.esm.openfold_utils import residue_constants as constants
from transformers.models.esm.openfold_utils.feats import (
    frames_and_literature_positions_to_atom14_pos,
    torsion_angles_to_frames,
)
from transformers.models.esm.openfold_utils.rigid_utils import Rigid, Rotation

from molfun.data.atoms import UNKNOWN, residue_numbers
from molfun.types import Folds, Structures

# One tuple of chains a row; the second sequence has every type of residue.
ROWS: tuple[tuple[str, ...], ...] = (
    ("MKTAYIAKQRQISFVKSHFSRQLEERLGLIEVQ",), ("ARNDCQEGHILKMFPSTWYV", "DEFYGWAKCC"), ("GSHMLEDPVD",),
)  # fmt: skip
HELIX = (math.pi, math.radians(-57.8), math.radians(-47.0))
"""Omega, phi and psi of an alpha helix, in radians."""
_LENGTH_C_N, _COS_CA_C_N, _COS_C_N_CA = 1.329, -0.4473, -0.5203


def helix_torsions(sequence: str, seed: int = 0, *, spread: float = 0.1) -> Tensor:
    """Return torsion angles of a helix with random side chains, float64 [R, 7] in radians: omega, phi, psi, chi 1-4.

    Args:
        sequence: One-letter codes.
        seed: Of the side chains and of what phi and psi differ by.
        spread: Standard deviation of phi and psi, in radians.
    """
    random = np.random.default_rng(seed)
    backbone = np.tile(HELIX, (len(sequence), 1))
    backbone[:, 1:] += random.normal(0.0, spread, (len(sequence), 2))
    chis = random.choice([-1.05, 1.05, math.pi], (len(sequence), 4)) + random.normal(0.0, 0.2, (len(sequence), 4))
    return torch.as_tensor(np.concatenate([backbone, chis], axis=1))


def _place(a: np.ndarray, b: np.ndarray, c: np.ndarray, length: float, cosine: float, dihedral: float) -> np.ndarray:
    """Return the point d with |cd| = length, cos(bcd) = cosine and dihedral abcd, as NeRF does."""
    x = (c - b) / np.linalg.norm(c - b)
    z = np.cross(b - a, x)
    z /= np.linalg.norm(z)
    sine = math.sqrt(1.0 - cosine**2)
    across = math.cos(dihedral) * np.cross(z, x) + math.sin(dihedral) * z
    return c + length * (-cosine * x + sine * across)


def backbone_of(sequence: str, torsions: Tensor) -> Tensor:
    """Return N, C-alpha and C of each residue, float64 [R, 3, 3], with the first C-alpha at the origin."""
    literature = constants.restype_atom14_rigid_group_positions.astype(np.float64)
    types = [number if number != UNKNOWN else 0 for number in residue_numbers(sequence)]
    angles = torsions.tolist()
    atoms = [literature[types[0], :3]]
    for place in range(1, len(sequence)):
        own, before = literature[types[place], :3], atoms[-1]
        lengths = np.linalg.norm(own, axis=1)
        n = _place(*before, _LENGTH_C_N, _COS_CA_C_N, angles[place - 1][2])
        ca = _place(before[1], before[2], n, lengths[0], _COS_C_N_CA, angles[place][0])
        c = _place(before[2], n, ca, lengths[2], float(own[0] @ own[2] / lengths[0] / lengths[2]), angles[place][1])
        atoms.append(np.stack([n, ca, c]))
    return torch.as_tensor(np.stack(atoms))


def chain(sequence: str, torsions: Tensor, shift: tuple[float, float, float]) -> tuple[Rigid, Tensor]:
    """Return the rigid groups [R, 8] and the atoms [R, 14, 3] of one chain, in float64."""
    types = torch.as_tensor(residue_numbers(sequence))
    tables = [
        torch.as_tensor(table)
        for table in (
            constants.restype_rigid_group_default_frame.astype(np.float64),
            constants.restype_atom14_to_rigid_group,
            constants.restype_atom14_mask.astype(np.float64),
            constants.restype_atom14_rigid_group_positions.astype(np.float64),
        )
    ]
    atoms = backbone_of(sequence, torsions) + torch.tensor(shift, dtype=torch.float64)
    frames = Rigid.make_transform_from_reference(*atoms.unbind(1))
    angles = torch.stack([torsions.sin(), torsions.cos()], dim=-1)
    groups = torsion_angles_to_frames(frames, angles, types, tables[0])
    return groups, frames_and_literature_positions_to_atom14_pos(groups, types, *tables)


def pair(
    rows: Sequence[tuple[str, ...]] = ROWS, *, error: float = 0.0, missing: float = 0.0, passes: int = 2, seed: int = 0
) -> tuple[Folds, Structures]:
    """Return a prediction and the measured structure of the same rows.

    Args:
        rows: Sequences of the chains of each row, 15 angstrom apart.
        error: Standard deviation, in radians, of what predicted torsion angles are wrong by; each chain is off by as
            many angstrom in every direction, too. 0 predicts what was measured, up to rounding.
        missing: Share of atoms that were not measured.
        passes: K; frames of an earlier pass are off by 1 angstrom more than those of the next.
        seed: Of all random numbers.
    """
    random = torch.Generator().manual_seed(seed)
    made = [_row(chains, error, passes, random, seed) for chains in rows]
    num_residues = max(structures.aatype_BR.shape[1] for _, structures in made)
    folds, structures = zip(*(pad(*both, num_residues - both[1].aatype_BR.shape[1]) for both in made), strict=True)
    known = torch.rand(sum(s.mask_BRA.shape[0] for s in structures), num_residues, 14, generator=random) >= missing
    return _stack(folds), with_mask(_stack(structures), known)


def with_mask(structures: Structures, known_BRA: Tensor) -> Structures:
    """Return structures in which only those atoms are known that were and are in a bool mask."""
    mask = structures.mask_BRA & known_BRA
    return replace(structures, mask_BRA=mask, positions_BRA3=structures.positions_BRA3 * mask[..., None])


def _stack(parts: Sequence[Folds] | Sequence[Structures]) -> Folds | Structures:
    return type(parts[0])(**{name: torch.cat([vars(part)[name] for part in parts]) for name in vars(parts[0])})


def _row(
    chains: tuple[str, ...], error: float, passes: int, random: torch.Generator, seed: int
) -> tuple[Folds, Structures]:
    """Return a prediction and a measured structure of one row, without padding."""
    torsions = [helix_torsions(sequence, seed + place) for place, sequence in enumerate(chains)]
    wrong = [t + error * torch.randn(t.shape, generator=random, dtype=t.dtype) for t in torsions]
    shifts = [(15.0 * place, 3.0 * place, 0.0) for place in range(len(chains))]
    off = error * torch.randn(len(chains), 3, generator=random)
    moved = [tuple((torch.tensor(shift) + off[place]).tolist()) for place, shift in enumerate(shifts)]
    measured = [chain(*item)[1] for item in zip(chains, torsions, shifts, strict=True)]
    predicted = [chain(*item) for item in zip(chains, wrong, moved, strict=True)]
    types = torch.as_tensor(residue_numbers("".join(chains)))
    structures = Structures(
        aatype_BR=types[None],
        positions_BRA3=torch.cat(measured).float()[None],
        mask_BRA=torch.as_tensor(constants.restype_atom14_mask)[types].bool()[None],
        number_BR=torch.cat([torch.arange(1, len(c) + 1) for c in chains])[None],
        chain_BR=torch.cat([torch.full((len(c),), place) for place, c in enumerate(chains)])[None],
    )
    groups = Rigid.cat([g for g, _ in predicted], dim=0)
    return _folds(groups, torch.cat([p for _, p in predicted]), torch.cat(wrong), passes, random), structures


def _folds(groups: Rigid, positions: Tensor, torsions: Tensor, passes: int, random: torch.Generator) -> Folds:
    num_residues = len(positions)
    angles = torch.stack([torsions.sin(), torsions.cos()], dim=-1).float().expand(1, passes, -1, -1, -1)
    frames = torch.cat([groups[:, 0].get_rots().get_quats(), groups[:, 0].get_trans()], dim=-1).float()
    early = torch.arange(passes - 1, -1, -1.0)[:, None, None] * torch.randn(passes, num_residues, 3, generator=random)
    frames = frames.repeat(passes, 1, 1)
    frames[..., 4:] += early
    return Folds(
        frames_BKR7=frames[None],
        group_frames_BRG44=groups.to_tensor_4x4().float()[None],
        angles_BKR72=angles.clone(),
        raw_angles_BKR72=angles * (1.0 + 0.5 * torch.rand(angles.shape[:-1], generator=random)[..., None]),
        positions_BRA3=positions.float()[None],
        distogram_BRRN=torch.randn(1, num_residues, num_residues, 64, generator=random),
        plddt_BRN=torch.randn(1, num_residues, 50, generator=random),
    )


# Which dimension of a field counts residues; the distogram's second one does, too.
_RESIDUES = {"frames_BKR7": 2, "angles_BKR72": 2, "raw_angles_BKR72": 2}


def pad(folds: Folds, structures: Structures, num_residues: int) -> tuple[Folds, Structures]:
    """Return both with so many residues more, which are padding: zeros, as a collate fills them in."""
    padded = {name: _grow(tensor, _RESIDUES.get(name, 1), num_residues) for name, tensor in vars(folds).items()}
    padded["distogram_BRRN"] = _grow(padded["distogram_BRRN"], 2, num_residues)
    padded["frames_BKR7"][:, :, padded["frames_BKR7"].shape[2] - num_residues :, 0] = 1.0  # a quaternion has length 1
    grown = {name: _grow(tensor, 1, num_residues) for name, tensor in vars(structures).items()}
    own = structures.aatype_BR.shape[1]
    grown["aatype_BR"][:, own:], grown["chain_BR"][:, own:] = UNKNOWN, -1
    return Folds(**padded), Structures(**grown)


def _grow(tensor: Tensor, dim: int, count: int) -> Tensor:
    shape = list(tensor.shape)
    shape[dim] = count
    return torch.cat([tensor, tensor.new_zeros(shape)], dim=dim)


def random_motion(seed: int) -> tuple[Tensor, Tensor]:
    """Return a random rotation, float32 [3, 3], and a translation of some 20 angstrom, float32 [3]."""
    random = np.random.default_rng(seed)
    rotation = Turn.random(rng=random).as_matrix()
    return torch.as_tensor(rotation).float(), torch.as_tensor(random.normal(0.0, 20.0, 3)).float()


def moved_structures(structures: Structures, rotation: Tensor, translation: Tensor) -> Structures:
    """Return measured structures as another person would have placed them."""
    positions = structures.positions_BRA3 @ rotation.T + translation
    return replace(structures, positions_BRA3=positions * structures.mask_BRA[..., None])


def moved_folds(folds: Folds, rotation: Tensor, translation: Tensor) -> Folds:
    """Return predicted structures placed elsewhere as a whole."""
    motion = Rigid(Rotation(rot_mats=rotation), translation)
    frames = motion.compose(Rigid.from_tensor_7(folds.frames_BKR7))
    groups = motion.compose(Rigid.from_tensor_4x4(folds.group_frames_BRG44))
    quaternions = frames.get_rots().get_quats()
    return replace(
        folds,
        frames_BKR7=torch.cat([quaternions, frames.get_trans()], dim=-1),
        group_frames_BRG44=groups.to_tensor_4x4(),
        positions_BRA3=folds.positions_BRA3 @ rotation.T + translation,
    )
