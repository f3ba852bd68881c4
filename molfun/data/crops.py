"""Which residues of a large protein a model sees in one pass: pure functions of lengths and positions. No torch.

Evans et al. 2021, bioRxiv 10.1101/2021.10.04.463034, algorithms 1 (contiguous) and 2 (spatial).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

# Residues of two chains whose C-alpha atoms are nearer than this are an interface, in angstrom.
INTERFACE_ANGSTROM = 15.0


def crop_residues(
    lengths: Sequence[int],
    size: int,
    seed: int | Sequence[int],
    *,
    c_alpha: NDArray[np.float32] | None = None,
    is_known: NDArray[np.bool_] | None = None,
) -> NDArray[np.int64]:
    """Return which residues are kept: contiguous ones of a chain; of complexes half the time those around an interface.

    Args:
        lengths: Residues of each chain; they lie one behind the other.
        size: Most residues to keep.
        seed: The same one gives the same crop.
        c_alpha: float32 [residues, 3], in angstrom; without it every crop is contiguous.
        is_known: bool [residues], where that atom is known.

    Returns:
        int64 [kept] in rising order; all of them where there are no more than `size`.
    """  # fmt: skip
    if sum(lengths) <= size:
        return np.arange(sum(lengths), dtype=np.int64)
    random = np.random.default_rng(seed)
    if len(lengths) > 1 and c_alpha is not None and is_known is not None and is_known.any() and random.random() < 0.5:
        return spatial_crop(lengths, c_alpha, is_known, size, random)
    return contiguous_crop(lengths, size, random)


def contiguous_crop(lengths: Sequence[int], size: int, random: np.random.Generator) -> NDArray[np.int64]:
    """Return one run of residues of each chain, `size` together; every chain keeps one residue where `size` allows.

    Chains take their share in random order. That each keeps a residue is ours: a pooled chain must not be empty.
    """
    if sum(lengths) <= size:
        return np.arange(sum(lengths), dtype=np.int64)
    starts = np.cumsum([0, *lengths])
    free, behind, kept = size, sum(lengths), []
    order = random.permutation(len(lengths))
    for number, chain in enumerate(order):
        length = lengths[chain]
        behind -= length
        reserved = sum(lengths[other] > 0 for other in order[number + 1 :])
        most = max(0, min(length, free - reserved))
        least = min(length, max(free - behind, min(1, most)))
        share = int(random.integers(least, max(least, most) + 1))
        first = int(starts[chain] + random.integers(0, length - share + 1))
        kept.append(np.arange(first, first + share, dtype=np.int64))
        free -= share
    return np.sort(np.concatenate(kept))


def spatial_crop(
    lengths: Sequence[int],
    c_alpha: NDArray[np.float32],
    is_known: NDArray[np.bool_],
    size: int,
    random: np.random.Generator,
) -> NDArray[np.int64]:
    """Return the `size` residues nearest to one that is drawn from an interface, or from all where there is none.

    Residues of unknown position come last.
    """  # fmt: skip
    centres = interface_residues(lengths, c_alpha, is_known)
    centres = centres if len(centres) else np.flatnonzero(is_known)
    centre = c_alpha[random.choice(centres)]
    distances = np.where(is_known, np.linalg.norm(c_alpha - centre, axis=1), np.inf)
    # A stable order: of equally far residues the first ones.
    return np.sort(np.argsort(distances, kind="stable")[:size]).astype(np.int64)


def interface_residues(
    lengths: Sequence[int], c_alpha: NDArray[np.float32], is_known: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """Return residues whose C-alpha lies within 15 angstrom of one of another chain, int64 [found]."""
    known = np.flatnonzero(is_known)
    pairs = known[cKDTree(c_alpha[known]).query_pairs(INTERFACE_ANGSTROM, output_type="ndarray")]
    chains = np.repeat(np.arange(len(lengths)), lengths)
    return np.unique(pairs[chains[pairs[:, 0]] != chains[pairs[:, 1]]]).astype(np.int64)
