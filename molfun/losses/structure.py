"""Losses of predicted structures against measured ones: (`Folds`, `Structures`) -> float32 [B], one value a row.

Each part has a file of its own; here is their weighted sum. Rows without a known atom cost 0 and have no gradient.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from molfun.losses.distances import distogram, plddt
from molfun.losses.fape import backbone_fape, side_chain_fape
from molfun.losses.masked import StructureLoss
from molfun.losses.torsions import torsion
from molfun.losses.violations import violation
from molfun.types import Folds, Structures

# Share of the backbone's errors that is not clamped (Jumper et al. 2021, suppl. 1.11.5: 10% of the samples).
UNCLAMPED_SHARE = 0.1


@dataclass(frozen=True)
class Weights:
    """What each part of the sum is multiplied by; 0 leaves it out."""

    backbone_fape: float
    side_chain_fape: float
    torsion: float
    distogram: float
    plddt: float
    violation: float


# Jumper et al. 2021, suppl. equation 7, less the terms of alignments and of resolved atoms. Its auxiliary
# loss, of weight 0.5, is backbone FAPE and torsion loss of all passes (suppl. algorithm 20).
TRAINING = Weights(backbone_fape=0.5, side_chain_fape=0.5, torsion=0.5, distogram=0.3, plddt=0.01, violation=0.0)
FINE_TUNING = replace(TRAINING, violation=1.0)


def parts(folds: Folds, structures: Structures, weights: Weights = FINE_TUNING) -> dict[str, Tensor]:
    """Return the losses [B] of a weighted sum by name, before they are weighted; those of weight 0 are left out."""
    losses: dict[str, StructureLoss] = {
        "backbone_fape": _backbone,
        "side_chain_fape": side_chain_fape,
        "torsion": torsion,
        "distogram": distogram,
        "plddt": plddt,
        "violation": violation,
    }
    return {name: loss(folds, structures) for name, loss in losses.items() if getattr(weights, name)}


def alphafold(folds: Folds, structures: Structures, weights: Weights = FINE_TUNING) -> Tensor:
    """Return the weighted sum [B] of all parts, as AlphaFold 2 is fine-tuned with."""
    return _weighted(parts(folds, structures, weights), weights)


def without_violation(folds: Folds, structures: Structures) -> Tensor:
    """Return the weighted sum [B] that AlphaFold 2 is trained with from random weights.

    Their atoms all lie in one place, where the violation loss pushes them apart before anything else is learned.
    """
    return alphafold(folds, structures, TRAINING)


def fape(folds: Folds, structures: Structures) -> Tensor:
    """Return the mean [B] of backbone and side-chain FAPE, each as in the weighted sum."""
    only = Weights(0.5, 0.5, 0.0, 0.0, 0.0, 0.0)
    return _weighted(parts(folds, structures, only), only)


def _backbone(folds: Folds, structures: Structures) -> Tensor:
    return backbone_fape(folds, structures, unclamped_share=UNCLAMPED_SHARE)


def _weighted(losses: dict[str, Tensor], weights: Weights) -> Tensor:
    return torch.stack([getattr(weights, name) * value for name, value in losses.items()]).sum(dim=0)
