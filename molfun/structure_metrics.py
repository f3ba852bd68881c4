"""How good predicted structures are: lDDT, TM-score, GDT, RMSD, DockQ of one structure, and its residues. No torch.

Points are atoms that were measured, in angstrom, in the same order in both structures: no alignment is sought, and
chains of the same sequence are not exchanged. lDDT and RMSD are biotite's, DockQ peppr's; the search for TM-score and
GDT is `molfun.superposition`'s.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import biotite.structure as bs
import numpy as np
from biotite.sequence import ProteinSequence
from numpy.typing import NDArray

from molfun.data.atoms import NUM_ATOMS, RESIDUES, UNKNOWN, atom_names, swapped_places
from molfun.errors import ModelError
from molfun.superposition import MIN_POINTS, Floats, search_distances, superpose

if TYPE_CHECKING:
    from torch import Tensor

    from molfun.types import Folds, Structures

ALPHA = 1  # place of C-alpha among the atoms of a residue
GDT_TS, GDT_HA = (1.0, 2.0, 4.0, 8.0), (0.5, 1.0, 2.0, 4.0)
# Angstrom within which points are superposed again; beyond 8, because the most points within 8 need not be those that
# fit best.
SEARCHED = (1.0, 2.0, 4.0, 6.0, 9.0, 13.0)
METRICS = ("lddt", "tm_score", "gdt_ts", "gdt_ha", "rmsd")


def score_structures(folds: Folds, structures: Structures) -> dict[str, Tensor]:
    """Return {metric: float32 [B]} of the C-alpha atoms after the last pass; NaN where fewer than 3 were measured."""
    predicted = folds.frames_BKR7[:, -1, :, 4:].detach().double().cpu().numpy()
    measured = structures.positions_BRA3[:, :, ALPHA].double().cpu().numpy()
    known = structures.mask_BRA[:, :, ALPHA].cpu().numpy()
    rows = [score_alphas(p[k], m[k]) for p, m, k in zip(predicted, measured, known, strict=True)]
    return {name: folds.plddt_BRN.new_tensor([row[name] for row in rows]).float() for name in METRICS}


def score_alphas(predicted: Floats, measured: Floats) -> dict[str, float]:
    """Return every metric of C-alpha atoms [N, 3]; NaN for fewer than 3, and where a prediction is not finite."""
    if len(measured) < MIN_POINTS or not np.isfinite(predicted).all():
        return dict.fromkeys(METRICS, float("nan"))
    found = {"lddt": lddt_ca(predicted, measured), **searched_scores(predicted, measured)}
    found["rmsd"] = rmsd(predicted, measured)
    return found


def lddt_ca(predicted: Floats, measured: Floats) -> float:
    """Return the lDDT-Ca of points [N, 3], 0 to 1: the share of distances up to 15 angstrom that are right.

    To 0.5, 1, 2 and 4 angstrom, on average, without a superposition (Mariani et al. 2013, Bioinformatics 29:2722). NaN
    where no point is near another.
    """
    return float(bs.lddt(_alphas(measured), _coordinates(predicted)))


def residue_lddt(predicted: Floats, measured: Floats) -> Floats:
    """Return the lDDT of each of the C-alpha atoms, float64 [N]; NaN where no other is near."""
    found: Floats = bs.lddt(_alphas(measured), _coordinates(predicted), aggregation="residue").astype(np.float64)
    return found


def rmsd(predicted: Floats, measured: Floats) -> float:
    """Return the root mean square of the distances of points [N, 3] after the best superposition, in angstrom."""
    moved, _ = bs.superimpose(measured, predicted)
    return float(bs.rmsd(measured, moved))


def residue_errors(predicted: Floats, measured: Floats) -> Floats:
    """Return how far each point is off after the superposition of least squares, float64 [N] in angstrom."""
    errors: Floats = np.linalg.norm(superpose(predicted, measured).apply(predicted) - measured, axis=-1)
    return errors


def searched_scores(predicted: Floats, measured: Floats) -> dict[str, float]:
    """Return tm_score, gdt_ts and gdt_ha of C-alpha atoms [N, 3], each 0 to 1 and of its own best superposition.

    TM-score is the mean of 1 / (1 + (d / d0)^2), d0 = 1.24 (N - 15)^(1/3) - 1.8, at least 0.5 (Zhang & Skolnick 2004,
    Proteins 57:702). GDT-TS is the mean share of atoms within 1, 2, 4 and 8 angstrom, GDT-HA within half of each (Zemla
    2003, Nucleic Acids Res. 31:3370).
    """
    scale = max(0.5, 1.24 * max(len(measured) - 15, 0) ** (1 / 3) - 1.8)
    cutoffs = sorted({*GDT_TS, *GDT_HA})
    tm_score, shares = 0.0, np.zeros(len(cutoffs))
    for near in SEARCHED:
        for apart in search_distances(predicted, measured, near):
            tm_score = max(tm_score, float((1.0 / (1.0 + np.square(apart / scale))).mean(axis=-1).max()))
            shares = np.maximum(shares, [(apart <= cutoff).mean(axis=-1).max() for cutoff in cutoffs])
    best = dict(zip(cutoffs, shares.tolist(), strict=True))
    gdt_ts, gdt_ha = (float(np.mean([best[cutoff] for cutoff in chosen])) for chosen in (GDT_TS, GDT_HA))
    return {"tm_score": tm_score, "gdt_ts": gdt_ts, "gdt_ha": gdt_ha}


def lddt_all_atom(
    predicted: Floats, measured: Floats, known: NDArray[np.bool_], aatype: NDArray[np.int64]
) -> float:  # fmt: skip
    """Return the lDDT over all atoms that were measured, 0 to 1; distances within a residue are left out.

    Symmetric atoms of a residue take the names under which their distances to all others score more (Mariani et al.
    2013). Unknown residues take no part.

    Args:
        predicted: float64 [R, 14, 3], atoms in the order of `molfun.data.atoms`.
        measured: float64 [R, 14, 3].
        known: bool [R, 14], True where an atom was measured.
        aatype: int64 [R], residue types.
    """
    known = known & (aatype < UNKNOWN)[:, None]
    if not known.any():
        return float("nan")
    named = _rename_symmetric(predicted, measured, known, aatype)
    return float(bs.lddt(_atoms(measured, known, aatype, np.zeros_like(aatype)), _coordinates(named[known])))


def _rename_symmetric(
    predicted: Floats, measured: Floats, known: NDArray[np.bool_], aatype: NDArray[np.int64]
) -> Floats:  # fmt: skip
    """Return predicted atoms [R, 14, 3], with names exchanged in residues where more distances are right then."""
    places = swapped_places()[aatype]
    other = np.take_along_axis(predicted, places[..., None], axis=1)
    symmetric = (places != np.arange(NUM_ATOMS))[known]
    if not symmetric.any() or symmetric.all():
        return predicted
    atoms = _atoms(measured, known, aatype, np.zeros_like(aatype))
    own_score, other_score = (
        bs.lddt(atoms, _coordinates(points[known]), "residue", atom_mask=symmetric, partner_mask=~symmetric)
        for points in (predicted, other)
    )
    is_better = np.zeros(len(aatype), dtype=bool)
    is_better[known.any(axis=1)] = other_score > own_score  # never where a residue has none: NaN
    return np.where(is_better[:, None, None], other, predicted)


def dockq(
    predicted: Floats,
    measured: Floats,
    known: NDArray[np.bool_],
    aatype: NDArray[np.int64],
    chain: NDArray[np.int64],
) -> float:
    """Return the mean DockQ over all pairs of chains that touch in the measured structure, 0 to 1; NaN without any.

    DockQ (Basu & Wallner 2016, PLoS ONE 11:e0161879) is the mean of the share of contacts that are found, and of what
    the interface and the smaller partner are off by, each scaled to 0 to 1. 0.23 is acceptable, 0.49 medium, 0.8 high.

    Args:
        predicted: float64 [R, 14, 3].
        measured: float64 [R, 14, 3].
        known: bool [R, 14], True where an atom was measured.
        aatype: int64 [R], residue types.
        chain: int64 [R], number of the chain of each residue, -1 in padding.

    Raises:
        ModelError: peppr is not installed.
    """
    score_pair = _peppr().dockq
    known = known & (aatype < UNKNOWN)[:, None] & (chain >= 0)[:, None]
    truth, pose = (_atoms(points, known, aatype, chain) for points in (measured, predicted))
    sizes = {name: int((chain == name).sum()) for name in np.unique(chain[known.any(axis=1)]).tolist()}
    names = sorted(sizes, key=lambda name: -sizes[name])
    scores = []
    for place, receptor in enumerate(names):
        for ligand in names[place + 1 :]:
            large, small = truth.chain_id == str(receptor), truth.chain_id == str(ligand)
            scores.append(score_pair(truth[large], truth[small], pose[large], pose[small]).score)
    touching = [float(score) for score in scores if not np.isnan(score)]
    return float(np.mean(touching)) if touching else float("nan")


def _peppr() -> Any:
    try:
        import peppr  # noqa: PLC0415  an extra: it brings RDKit
    except ImportError as error:
        raise ModelError(
            'DockQ needs the package peppr, which is not installed; install it with pip install "molfun[structure]".'
        ) from error
    return peppr


def _coordinates(points: Floats) -> NDArray[np.float32]:
    return points.astype(np.float32)


def _alphas(points: Floats) -> bs.AtomArray:
    """Return C-alpha atoms as biotite has them, one a residue."""
    array = bs.AtomArray(len(points))
    array.coord = _coordinates(points)
    array.res_id = np.arange(1, len(points) + 1)
    return array


def _atoms(
    points: Floats, known: NDArray[np.bool_], aatype: NDArray[np.int64], chain: NDArray[np.int64]
) -> bs.AtomArray:  # fmt: skip
    """Return the known atoms [R, 14] as biotite has them; residues are numbered through all chains."""
    residue, atom = known.nonzero()
    array = bs.AtomArray(len(residue))
    array.coord = _coordinates(points[known])
    array.res_id = residue + 1
    array.chain_id = chain[residue].astype("U4")
    array.res_name = np.array([ProteinSequence.convert_letter_1to3(letter) for letter in RESIDUES])[aatype[residue]]
    array.atom_name = _names()[aatype[residue], atom]
    array.element = array.atom_name.astype("U1")
    return array


def _names() -> NDArray[np.str_]:
    """Return the name of each atom of each residue type, [20, 14]; empty where there is none."""
    names = [atom_names(letter) for letter in RESIDUES]
    return np.array([[*row, *[""] * (NUM_ATOMS - len(row))] for row in names])
