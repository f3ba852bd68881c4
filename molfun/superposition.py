"""Superposition of points that correspond one to one: by least squares, and the search for a better one. No torch.

Legend: N points · S superpositions tried at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MAX_ITERATIONS = 20
# Stretches of one length that the search starts from; longer chains are started from evenly, not at every residue.
MAX_STARTS = 40
MIN_POINTS = 3  # fewer place nothing
SMALLEST_STRETCH = 4


@dataclass(frozen=True)
class Motion:
    """A rotation about the origin, then a translation.

    Attributes:
        rotation: float64 [..., 3, 3].
        translation: float64 [..., 3], in angstrom.
    """

    rotation: Floats
    translation: Floats

    def apply(self, points: Floats) -> Floats:
        """Return points [N, 3] where they end, float64 [..., N, 3]."""
        moved: Floats = points @ self.rotation.swapaxes(-1, -2) + self.translation[..., None, :]
        return moved


def superpose(mobile: Floats, fixed: Floats, weights: Floats | None = None) -> Motion:
    """Return the motion that brings `mobile` onto `fixed` with the least weighted sum of squares, never a reflection.

    Kabsch 1976, Acta Crystallogr. A32:922.

    Args:
        mobile: float64 [N, 3], in angstrom.
        fixed: float64 [N, 3], in angstrom.
        weights: float64 [..., N], at least 0 and above it somewhere; one motion for each row. None counts all the same.
    """
    weights = np.ones(len(mobile)) if weights is None else weights
    shares = weights / weights.sum(axis=-1, keepdims=True)
    start, end = shares @ mobile, shares @ fixed
    # sum w (x - mean x)(y - mean y)' = sum w x y' - mean x mean y', so that all subsets are one matrix product.
    products = (mobile[:, :, None] * fixed[:, None, :]).reshape(-1, 9)
    covariance = (shares @ products).reshape(*shares.shape[:-1], 3, 3) - start[..., :, None] * end[..., None, :]
    left, _, right = np.linalg.svd(covariance)
    left[..., -1] *= np.sign(np.linalg.det(left @ right))[..., None]
    rotation = (left @ right).swapaxes(-1, -2)
    return Motion(rotation, end - (rotation @ start[..., None])[..., 0])


def search_distances(mobile: Floats, fixed: Floats, near: float) -> Iterator[Floats]:
    """Yield how far points are apart in many superpositions, float64 [S, N] in angstrom, a good one among them.

    As TM-score and LGA search (Zhang & Skolnick 2004, Proteins 57:702; Zemla 2003, Nucleic Acids Res. 31:3370): all
    points are superposed, stretches of a half, a quarter and so on; then again and again those points that came to lie
    within `near` of each other, until they stay the same.

    Args:
        mobile: float64 [N, 3], at least 3 points.
        fixed: float64 [N, 3].
        near: In angstrom; it is widened for superpositions that bring fewer than 3 points together.
    """
    centre = fixed.mean(axis=0)  # products of large coordinates would lose digits
    mobile, fixed = mobile - mobile.mean(axis=0), fixed - centre
    chosen = _stretches(len(fixed))
    for _ in range(MAX_ITERATIONS):
        apart = _apart(superpose(mobile, fixed, chosen.astype(np.float64)), mobile, fixed)
        yield apart
        nearest = np.partition(apart, MIN_POINTS - 1, axis=-1)[:, MIN_POINTS - 1 : MIN_POINTS]
        following = apart <= np.maximum(near, nearest)
        is_new = (following != chosen).any(axis=-1)
        if not is_new.any():
            return
        chosen = np.unique(following[is_new], axis=0)


def _stretches(num_points: int) -> NDArray[np.bool_]:
    """Return the points of each stretch that the search starts from, bool [S, N]."""
    found, length = [], num_points
    while True:
        starts = np.unique(np.linspace(0, num_points - length, MAX_STARTS).astype(int))
        places = np.arange(num_points)
        found.append((places >= starts[:, None]) & (places < starts[:, None] + length))
        if length <= SMALLEST_STRETCH:
            return np.concatenate(found)
        length = max(SMALLEST_STRETCH, length // 2)


def _apart(motion: Motion, mobile: Floats, fixed: Floats) -> Floats:
    apart: Floats = np.sqrt(np.square(motion.apply(mobile) - fixed).sum(axis=-1))
    return apart
