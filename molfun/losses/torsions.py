"""Torsion angles: how far they are off on the unit circle."""

from __future__ import annotations

import torch
from torch import Tensor
from transformers.models.esm.openfold_utils import residue_constants as constants

from molfun.losses.frames import NUM_ANGLES, torsion_angles
from molfun.losses.masked import in_float32, masked_mean
from molfun.types import Folds, Structures

NORM_WEIGHT = 0.02


@in_float32
def torsion(folds: Folds, structures: Structures) -> Tensor:
    """Return the torsion loss [B] (Jumper et al. 2021, suppl. algorithm 27), the mean over all passes.

    The mean over known angles of min(|a - a_true|^2, |a - a_alt|^2) on the unit circle, 4 at most; a_alt is turned by
    180 degrees for the chi angles that end in symmetric atoms, and a_true for the others. To it comes 0.02 times the
    mean of | |raw a| - 1 | over all angles of residues with a known one, which keeps raw angles on the circle.
    """
    true_BR72, known_BR7 = torsion_angles(structures)
    periodic = torch.as_tensor(constants.chi_pi_periodic, device=true_BR72.device)[structures.aatype_BR]
    turn_BR7 = torch.ones_like(true_BR72[..., 0])
    turn_BR7[..., NUM_ANGLES - 4 :] -= 2.0 * periodic
    errors_BKR7 = torch.minimum(
        _squares(folds.angles_BKR72, true_BR72), _squares(folds.angles_BKR72, true_BR72 * turn_BR7[..., None])
    )
    # The small number keeps the slope of a square root finite where a raw angle is (0, 0).
    lengths_BKR7 = (folds.raw_angles_BKR72.square().sum(dim=-1) + 1e-6).sqrt()
    is_known_BR = known_BR7.any(dim=-1)
    off_circle = masked_mean((lengths_BKR7 - 1.0).abs(), is_known_BR[:, None, :, None], num_dims=2)
    return (masked_mean(errors_BKR7, known_BR7[:, None], num_dims=2) + NORM_WEIGHT * off_circle).mean(dim=1)


def _squares(angles_BKR72: Tensor, true_BR72: Tensor) -> Tensor:
    return (angles_BKR72 - true_BR72[:, None]).square().sum(dim=-1)
