"""Measured atoms named as the prediction has them, where the molecule leaves the choice."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from molfun.data.atoms import NUM_ATOMS, swapped_places
from molfun.types import Folds, Structures


@torch.no_grad()
def rename_symmetric(folds: Folds, structures: Structures) -> Structures:
    """Return the structures with symmetric atoms of a residue renamed where that fits the prediction better.

    The better naming has distances to all atoms with one name only that are closer to the predicted ones (Jumper et al.
    2021, suppl. algorithm 26). Frames of groups follow from the renamed atoms.
    """
    places = torch.from_numpy(swapped_places()).to(structures.aatype_BR.device)[structures.aatype_BR]
    own, known = structures.positions_BRA3, structures.mask_BRA
    other = own.gather(2, places[..., None].expand_as(own))
    other_known = known.gather(2, places)
    rows = zip(folds.positions_BRA3, own, other, known, other_known, _symmetric(places), strict=True)
    is_swapped = torch.stack([_swapped(*row) for row in rows])
    return replace(
        structures,
        positions_BRA3=torch.where(is_swapped[..., None, None], other, own),
        mask_BRA=torch.where(is_swapped[..., None], other_known, known),
    )


def _symmetric(places: Tensor) -> Tensor:
    """Return which atoms have two names, bool [B, R, A]."""
    return places != torch.arange(NUM_ATOMS, device=places.device)


def _swapped(
    predicted: Tensor, own: Tensor, other: Tensor, known: Tensor, other_known: Tensor, symmetric: Tensor
) -> Tensor:
    """Return which residues of one row are better named the other way round, bool [R]."""
    anchors = known & ~symmetric
    is_swapped = torch.zeros_like(symmetric[:, 0])
    asked = symmetric.any(dim=-1).nonzero().squeeze(-1)
    wanted = _distances(predicted[asked], predicted[anchors])

    def error(positions: Tensor, mask: Tensor) -> Tensor:
        wrong = (wanted - _distances(positions[asked], own[anchors])).abs().sum(dim=-1)
        return (wrong * (mask & symmetric)[asked]).sum(dim=-1)

    is_swapped[asked] = error(other, other_known) < error(own, known)
    return is_swapped


def _distances(atoms_SA3: Tensor, anchors_N3: Tensor) -> Tensor:
    """Return the distances [S, A, N], exact also where they are small."""
    return torch.cdist(atoms_SA3, anchors_N3, compute_mode="donot_use_mm_for_euclid_dist")
