"""Frame aligned point errors (Jumper et al. 2021, Nature 596:583, suppl. algorithm 28): backbones and side chains.

FAPE = mean over frames i and points j of min(clamp, sqrt(|T_i^-1 x_j - T'_i^-1 x'_j|^2 + 1e-4)) / scale, so that a
perfect prediction costs 0.001. It tells mirror images apart, and knows no superposition.
"""

from __future__ import annotations

import torch
from torch import Tensor
from transformers.models.esm.openfold_utils.rigid_utils import Rigid

from molfun.data.atoms import UNKNOWN
from molfun.losses.frames import backbone_frames, rigid_groups
from molfun.losses.masked import in_float32, masked_mean
from molfun.losses.renaming import rename_symmetric
from molfun.types import Folds, Structures

# Angstrom; EPSILON in square angstrom.
EPSILON = 1e-4
CLAMP, SCALE = 10.0, 10.0
# Between chains (Evans et al. 2021, bioRxiv 2021.10.04.463034, suppl. 7; OpenFold's settings for the scale).
INTERFACE_CLAMP, INTERFACE_SCALE = 30.0, 20.0


def point_errors(frames: Rigid, true_frames: Rigid, points: Tensor, true_points: Tensor) -> Tensor:
    """Return how far each point is off as seen from each frame, in angstrom.

    Args:
        frames: Predicted frames [..., F].
        true_frames: Measured frames [..., F].
        points: float32 [..., P, 3], predicted.
        true_points: float32 [..., P, 3], measured.

    Returns:
        float32 [..., F, P], never below 0.01.
    """
    seen = frames[..., None].invert_apply(points[..., None, :, :])
    wanted = true_frames[..., None].invert_apply(true_points[..., None, :, :])
    return ((seen - wanted).square().sum(dim=-1) + EPSILON).sqrt()


@in_float32
def backbone_fape(folds: Folds, structures: Structures, *, unclamped_share: float = 0.0) -> Tensor:
    """Return the FAPE [B] of C-alpha atoms in backbone frames, the mean over all passes of the structure module.

    Pairs within a chain and pairs between chains are averaged apart, and the two means are added: clamped at 10
    angstrom and divided by 10, clamped at 30 and divided by 20.

    Args:
        folds: Predicted structures.
        structures: Measured structures.
        unclamped_share: Weight of the same without a clamp, 0 to 1. AlphaFold 2 leaves 10% of its samples unclamped,
            whose expectation this is.
    """
    frames, known_BR = backbone_frames(structures)
    passes = Rigid.from_tensor_7(folds.frames_BKR7, normalize_quats=True)
    errors_BKRR = point_errors(passes, frames[:, None], passes.get_trans(), frames.get_trans()[:, None])
    pairs_BRR = known_BR[:, :, None] & known_BR[:, None, :]
    same_BRR = structures.chain_BR[:, :, None] == structures.chain_BR[:, None, :]
    within = _clamped_mean(errors_BKRR, (pairs_BRR & same_BRR)[:, None], CLAMP, unclamped_share) / SCALE
    between = _clamped_mean(errors_BKRR, (pairs_BRR & ~same_BRR)[:, None], INTERFACE_CLAMP, unclamped_share)
    return (within + between / INTERFACE_SCALE).mean(dim=1)


def _clamped_mean(errors: Tensor, mask: Tensor, clamp: float, unclamped_share: float) -> Tensor:
    clamped = errors.clamp(max=clamp)
    return masked_mean(clamped + unclamped_share * (errors - clamped), mask, num_dims=2)


@in_float32
def side_chain_fape(folds: Folds, structures: Structures) -> Tensor:
    """Return the FAPE [B] of all atoms in the frames of all rigid groups after the last pass, clamped at 10 angstrom.

    Symmetric atoms are renamed first (`rename_symmetric`). Unknown residues take no part: their groups are not defined.
    """
    named = rename_symmetric(folds, structures)
    true_frames, known_BRG = rigid_groups(named)
    frames = Rigid.from_tensor_4x4(folds.group_frames_BRG44)
    is_type_BR = named.aatype_BR != UNKNOWN
    known_BRG = known_BRG & is_type_BR[..., None]
    known_BRA = named.mask_BRA & is_type_BR[..., None]
    values = []
    # Row by row, so that only what is known makes pairs: 8 groups and 14 atoms are twice as many as residues have.
    for b in range(len(known_BRG)):
        groups, atoms = known_BRG[b], known_BRA[b]
        pairs = point_errors(
            frames[b][groups], true_frames[b][groups], folds.positions_BRA3[b][atoms], named.positions_BRA3[b][atoms]
        )
        values.append(pairs.clamp(max=CLAMP).sum() / max(1, pairs.numel()) / SCALE)
    return torch.stack(values)
