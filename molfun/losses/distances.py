"""Distances between residues, and how sure the model is of them: distogram, lDDT and pLDDT."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers.models.esm.openfold_utils import residue_constants as constants

from molfun.losses.frames import CA
from molfun.losses.masked import in_float32, masked_mean
from molfun.types import Folds, Structures

CB = 4
FIRST_EDGE, LAST_EDGE, NUM_BINS = 2.3125, 21.6875, 64
INCLUSION_RADIUS = 15.0
TOLERANCES = (0.5, 1.0, 2.0, 4.0)
# Structures whose lDDT is worth learning, in angstrom (Jumper et al. 2021, suppl. 1.9.6).
RESOLUTIONS = (0.1, 3.0)


@in_float32
def distogram(folds: Folds, structures: Structures) -> Tensor:
    """Return cross-entropies [B] of the distances between C-beta atoms, C-alpha for glycine, in nats.

    The mean over all pairs of residues whose atoms are known, each residue with itself among them (Jumper et al. 2021,
    suppl. 1.9.8). Distances fall into 64 bins with edges from 2.3125 to 21.6875 angstrom.
    """
    positions_BR3, known_BR = _beta(structures)
    edges = torch.linspace(FIRST_EDGE, LAST_EDGE, NUM_BINS - 1, device=positions_BR3.device)
    bins_BRR = torch.bucketize(_distances(positions_BR3), edges)
    nats_BRR = F.cross_entropy(folds.distogram_BRRN.movedim(-1, 1), bins_BRR, reduction="none")
    return masked_mean(nats_BRR, known_BR[:, :, None] & known_BR[:, None, :], num_dims=2)


def _beta(structures: Structures) -> tuple[Tensor, Tensor]:
    is_glycine = structures.aatype_BR == constants.restype_order["G"]
    place = torch.where(is_glycine, CA, CB)[..., None]
    positions = structures.positions_BRA3.gather(2, place[..., None].expand(-1, -1, -1, 3))
    return positions.squeeze(2), structures.mask_BRA.gather(2, place).squeeze(2)


@in_float32
def plddt(folds: Folds, structures: Structures, *, resolution_B: Tensor | None = None) -> Tensor:
    """Return cross-entropies [B] of the lDDT-Ca that the last pass really has, in nats.

    The mean over residues that have a neighbour (Jumper et al. 2021, suppl. 1.9.6); 50 bins of 0.02. The prediction
    itself gets no gradient.

    Args:
        folds: Predicted structures.
        structures: Measured structures.
        resolution_B: float32 [B], in angstrom; rows outside 0.1 to 3 cost nothing, NaN too. None counts every row.
    """
    lddt_BR, scored_BR = lddt_ca(folds, structures)
    num_bins = folds.plddt_BRN.shape[-1]
    bins_BR = (lddt_BR * num_bins).long().clamp(max=num_bins - 1)
    nats_BR = F.cross_entropy(folds.plddt_BRN.movedim(-1, 1), bins_BR, reduction="none")
    if resolution_B is not None:
        is_fine_B = (resolution_B >= RESOLUTIONS[0]) & (resolution_B <= RESOLUTIONS[1])
        scored_BR = scored_BR & is_fine_B.to(scored_BR.device)[:, None]
    return masked_mean(nats_BR, scored_BR)


@torch.no_grad()
def lddt_ca(folds: Folds, structures: Structures) -> tuple[Tensor, Tensor]:
    """Return the lDDT of each C-alpha after the last pass, float32 [B, R], and which have one, bool [B, R].

    The share of its distances to C-alpha atoms within 15 angstrom that are right to 0.5, 1, 2 and 4 angstrom (Mariani
    et al. 2013, Bioinformatics 29:2722); 0 where there is no such atom.
    """
    true_BRR = _distances(structures.positions_BRA3[:, :, CA])
    off_BRR = (_distances(folds.frames_BKR7[:, -1, :, 4:]) - true_BRR).abs()
    right_BRR = torch.stack([off_BRR < tolerance for tolerance in TOLERANCES]).float().mean(dim=0)
    known_BR = structures.mask_BRA[:, :, CA]
    near_BRR = (true_BRR < INCLUSION_RADIUS) & known_BR[:, :, None] & known_BR[:, None, :]
    near_BRR &= ~torch.eye(near_BRR.shape[-1], dtype=torch.bool, device=near_BRR.device)
    return masked_mean(right_BRR, near_BRR), near_BRR.any(dim=-1)


def _distances(positions_BR3: Tensor) -> Tensor:
    """Return the distances [B, R, R] between points, exact also where they are small."""
    return torch.cdist(positions_BR3, positions_BR3, compute_mode="donot_use_mm_for_euclid_dist")
