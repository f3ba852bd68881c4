"""Losses of structures: by hand, against loops in float64 from the papers' formulas, and for what must not matter."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation
from torch import Tensor
from transformers.models.esm.openfold_utils import residue_constants as constants
from transformers.models.esm.openfold_utils.rigid_utils import Rigid

from molfun.data.atoms import RESIDUES, UNKNOWN, atom_names
from molfun.losses import structure
from molfun.losses.catalog import build_loss
from molfun.losses.distances import distogram, lddt_ca, plddt
from molfun.losses.fape import backbone_fape, side_chain_fape
from molfun.losses.frames import backbone_frames, follows, rigid_groups, torsion_angles
from molfun.losses.renaming import rename_symmetric
from molfun.losses.torsions import torsion
from molfun.losses.violations import _bonds, violation
from molfun.types import Folds, Structures
from tests.folds import ROWS, moved_folds, moved_structures, pad, pair, random_motion, with_mask

Loss = Callable[[Folds, Structures], Tensor]
LOSSES: dict[str, Loss] = {
    "backbone_fape": backbone_fape, "side_chain_fape": side_chain_fape, "torsion": torsion, "distogram": distogram,
    "plddt": plddt, "violation": violation, "structure": build_loss("structure"), "fape": build_loss("fape"),
    "structure_without_violation": build_loss("structure_without_violation"),
}  # fmt: skip
every_loss = pytest.mark.parametrize("name", LOSSES)


def wrong_pair(seed: int = 0) -> tuple[Folds, Structures]:
    """Return a prediction that is wrong by some angstrom, of three rows with different lengths and missing atoms."""
    return pair(error=0.4, missing=0.1, seed=seed)


def array(tensor: Tensor) -> np.ndarray[Any, Any]:
    return tensor.detach().double().numpy()


# Frames and angles from atoms


def test_frames_from_atoms_are_those_that_the_atoms_were_placed_by() -> None:
    folds, structures = pair()
    frames, known = rigid_groups(structures)
    found, expected = frames.to_tensor_4x4()[known], folds.group_frames_BRG44[known]
    assert (found - expected).abs().max() < 1e-4
    assert known[0].sum(dim=0).tolist() == [33, 0, 0, 33, 30, 24, 14, 6]


def test_backbone_frames_are_those_of_the_library() -> None:
    _, structures = pair(seed=3)
    frames, known = backbone_frames(structures)
    expected = Rigid.make_transform_from_reference(*structures.positions_BRA3[..., :3, :].unbind(-2))
    assert (frames.to_tensor_4x4() - expected.to_tensor_4x4())[known].abs().max() < 1e-5


def test_angles_from_atoms_are_those_that_the_atoms_were_placed_by() -> None:
    folds, structures = pair()
    found, known = torsion_angles(structures)
    assert (found - folds.angles_BKR72[:, -1])[known].abs().max() < 1e-4
    assert known[1].sum(dim=0).tolist()[:3] == [28, 28, 30]  # two chains: two residues have none before them


def test_a_gap_in_the_numbers_is_a_gap_in_the_chain() -> None:
    _, structures = pair((("GSHMLEDPVD",),))
    gap = replace(structures, number_BR=structures.number_BR + (structures.number_BR > 4))
    assert follows(gap)[0].tolist() == [False, True, True, True, False, True, True, True, True, True]
    assert not torsion_angles(gap)[1][0, 4, :2].any()


# FAPE


def test_backbone_fape_of_two_residues_equals_the_value_by_hand() -> None:
    """Both frames stand as predicted, but the second residue is 4 angstrom too far: 0 and 4 as each sees the other."""
    folds, structures = pair((("AA",),), passes=1)
    away = torch.tensor([0.0, 4.0, 0.0])
    frames = folds.frames_BKR7.clone()
    frames[0, 0, 1, 4:] += away
    found = backbone_fape(replace(folds, frames_BKR7=frames), structures)
    assert found.item() == pytest.approx((2 * 0.01 + 2 * math.sqrt(16 + 1e-4)) / 4 / 10, abs=1e-5)
    frames[0, 0, 1, 4:] += 5 * away  # 24 angstrom are clamped to 10
    clamped = backbone_fape(replace(folds, frames_BKR7=frames), structures)
    assert clamped.item() == pytest.approx((2 * 0.01 + 2 * 10) / 4 / 10, abs=1e-5)
    tenth = backbone_fape(replace(folds, frames_BKR7=frames), structures, unclamped_share=0.1)
    assert tenth.item() == pytest.approx((2 * 0.01 + 2 * (0.9 * 10 + 0.1 * 24)) / 4 / 10, abs=1e-5)


def test_between_chains_fape_is_clamped_at_30_angstrom_and_added() -> None:
    folds, structures = pair((("A", "A"),), passes=1)
    frames = folds.frames_BKR7.clone()
    for shift, seen in ((12.0, 12.0), (60.0, 30.0)):
        frames[0, 0, 1, 4:] = folds.frames_BKR7[0, 0, 1, 4:] + torch.tensor([0.0, 0.0, shift])
        found = backbone_fape(replace(folds, frames_BKR7=frames), structures)
        assert found.item() == pytest.approx(0.001 + seen / 20, abs=1e-5)


def fape_in_loops(frames: Any, true_frames: Any, points: Any, true_points: Any, clamp: float) -> float:
    """Return algorithm 28 in float64: frames as (rotation, origin), lists of any length."""
    errors = []
    for (turn, origin), (true_turn, true_origin) in zip(frames, true_frames, strict=True):
        for point, true_point in zip(points, true_points, strict=True):
            seen, wanted = turn.T @ (point - origin), true_turn.T @ (true_point - true_origin)
            errors.append(min(clamp, math.sqrt(((seen - wanted) ** 2).sum() + 1e-4)))
    return float(np.mean(errors)) / 10


def gram_schmidt(negative_x: Any, origin: Any, plane: Any) -> tuple[Any, Any]:
    """Return algorithm 21: axes as columns, the first from `negative_x` to `origin`."""
    first = origin - negative_x
    first = first / np.linalg.norm(first)
    second = (plane - origin) - first * (first @ (plane - origin))
    second = second / np.linalg.norm(second)
    return np.stack([first, second, np.cross(first, second)], axis=1), origin


@pytest.mark.parametrize("seed", range(3))
def test_backbone_fape_equals_loops_in_float64(seed: int) -> None:
    folds, structures = pair((ROWS[0],), error=0.4, missing=0.1, seed=seed)
    known = structures.mask_BRA[0, :, :3].all(dim=-1).numpy()
    atoms = array(structures.positions_BRA3)[0][known]
    truth = [gram_schmidt(a[1] - (a[2] - a[1]), a[1], a[0]) for a in atoms]  # x from C-alpha to C, N at positive y
    values = []
    for one_pass in array(folds.frames_BKR7)[0]:
        quaternions = one_pass[known][:, [1, 2, 3, 0]]
        frames = list(zip(Rotation.from_quat(quaternions).as_matrix(), one_pass[known][:, 4:], strict=True))
        values.append(fape_in_loops(frames, truth, one_pass[known][:, 4:], atoms[:, 1], 10.0))
    assert backbone_fape(folds, structures).item() == pytest.approx(np.mean(values), abs=1e-4)


@pytest.mark.parametrize("seed", range(3))
def test_side_chain_fape_equals_loops_in_float64(seed: int) -> None:
    folds, structures = pair((("DEFYGWKACP",),), error=0.4, missing=0.05, seed=seed)
    structures = rename_symmetric(folds, structures)
    mask, atoms = structures.mask_BRA[0].numpy(), array(structures.positions_BRA3)[0]
    frames, truth = [], []
    for r, number in enumerate(structures.aatype_BR[0].tolist()):
        names = atom_names(RESIDUES[number])
        chis = [chi[1:] for chi in constants.chi_angles_atoms[constants.restype_1to3[RESIDUES[number]]]]
        for group, trio in [(0, ("C", "CA", "N")), (3, ("CA", "C", "O")), *enumerate(chis, start=4)]:
            places = [names.index(name) for name in trio]
            if mask[r, places].all():
                turn, origin = gram_schmidt(*atoms[r, places])
                truth.append((turn @ np.diag([-1.0, 1.0, -1.0]) if group == 0 else turn, origin))
                matrix = array(folds.group_frames_BRG44)[0, r, group]
                frames.append((matrix[:3, :3], matrix[:3, 3]))
    expected = fape_in_loops(frames, truth, array(folds.positions_BRA3)[0][mask], atoms[mask], 10.0)
    assert side_chain_fape(folds, structures).item() == pytest.approx(expected, abs=1e-4)


def test_mirror_images_are_told_apart_by_fape_alone() -> None:
    folds, structures = pair(passes=1)
    mirror = torch.tensor([1.0, 1.0, -1.0])
    mirrored = replace(structures, positions_BRA3=structures.positions_BRA3 * mirror)
    assert backbone_fape(folds, mirrored).min() > 0.1
    assert side_chain_fape(folds, mirrored).min() > 0.1
    assert (distogram(folds, mirrored) - distogram(folds, structures)).abs().max() < 1e-5


# Symmetric atoms


@pytest.mark.parametrize(("letter", "names"), [("D", "OD"), ("E", "OE"), ("F", "CD"), ("Y", "CE")])
def test_symmetric_atoms_named_the_other_way_round_cost_nothing(letter: str, names: str) -> None:
    folds, structures = pair((("GA" + letter + "KLW",),), passes=1)
    places = torch.arange(14)
    pairs = {"D": [("OD1", "OD2")], "E": [("OE1", "OE2")]}.get(letter, [("CD1", "CD2"), ("CE1", "CE2")])
    for one, other in pairs:
        first, second = atom_names(letter).index(one), atom_names(letter).index(other)
        places[first], places[second] = second, first
    positions = structures.positions_BRA3.clone()
    positions[0, 2] = positions[0, 2, places]
    renamed = rename_symmetric(folds, replace(structures, positions_BRA3=positions))
    assert torch.equal(renamed.positions_BRA3, structures.positions_BRA3)
    assert side_chain_fape(folds, replace(structures, positions_BRA3=positions)).item() == pytest.approx(1e-3, abs=1e-5)


def test_other_atoms_keep_their_names() -> None:
    folds, structures = pair((("RNQHVLW",),), error=2.0)
    assert torch.equal(rename_symmetric(folds, structures).positions_BRA3, structures.positions_BRA3)


def test_renaming_equals_loops_over_distances() -> None:
    folds, structures = pair((("DEFYDEFYDEFYAAGK",),), error=1.5, seed=4)
    found = (rename_symmetric(folds, structures).positions_BRA3 != structures.positions_BRA3).any(dim=(-1, -2))[0]
    predicted, atoms = array(folds.positions_BRA3)[0], array(structures.positions_BRA3)[0]
    swaps = constants.restype_atom14_ambiguous_atoms_swap_idx[structures.aatype_BR[0].numpy()]
    fixed = [(r, a) for r, a in np.argwhere(structures.mask_BRA[0].numpy()) if swaps[r, a] == a]
    for r in range(len(atoms)):
        own = other = 0.0
        for a in (a for a in range(14) if swaps[r, a] != a):
            for s, b in fixed:
                wanted = np.linalg.norm(predicted[r, a] - predicted[s, b])
                own += abs(wanted - np.linalg.norm(atoms[r, a] - atoms[s, b]))
                other += abs(wanted - np.linalg.norm(atoms[r, swaps[r, a]] - atoms[s, b]))
        assert bool(found[r]) == (other < own)
    assert 0 < int(found.sum()) < 12


# Distances


def test_distogram_equals_loops_in_float64() -> None:
    folds, structures = wrong_pair()
    for b, value in enumerate(distogram(folds, structures).tolist()):
        logits, nats = array(folds.distogram_BRRN)[b], []
        types, mask, atoms = structures.aatype_BR[b], structures.mask_BRA[b], array(structures.positions_BRA3)[b]
        places = [1 if number == RESIDUES.index("G") else 4 for number in types.tolist()]
        known = [r for r, place in enumerate(places) if mask[r, place]]
        for i, j in product(known, known):
            distance = np.linalg.norm(atoms[i, places[i]] - atoms[j, places[j]])
            chosen = sum(distance > 2.3125 + 0.3125 * edge for edge in range(63))
            nats.append(np.log(np.exp(logits[i, j]).sum()) - logits[i, j, chosen])
        assert value == pytest.approx(np.mean(nats), abs=1e-4)


def lddt_in_loops(predicted: Any, atoms: Any) -> list[float]:
    """Return the lDDT of each point, NaN where none is near."""
    scores = []
    for i in range(len(atoms)):
        kept = []
        for j in (j for j in range(len(atoms)) if j != i and np.linalg.norm(atoms[i] - atoms[j]) < 15):
            off = abs(np.linalg.norm(predicted[i] - predicted[j]) - np.linalg.norm(atoms[i] - atoms[j]))
            kept.append(np.mean([off < tolerance for tolerance in (0.5, 1, 2, 4)]))
        scores.append(float(np.mean(kept)) if kept else math.nan)
    return scores


@pytest.mark.parametrize("seed", range(3))
def test_lddt_of_each_residue_equals_loops(seed: int) -> None:
    folds, structures = wrong_pair(seed)
    found, scored = lddt_ca(folds, structures)
    for b in range(len(ROWS)):
        known = structures.mask_BRA[b, :, 1]
        expected = lddt_in_loops(
            array(folds.positions_BRA3)[b, known, 1], array(structures.positions_BRA3)[b, known, 1]
        )
        assert found[b, known].tolist() == pytest.approx(expected, abs=1e-4)
        assert torch.equal(scored[b], known)


def test_plddt_asks_for_the_lddt_that_the_prediction_has() -> None:
    folds, structures = pair((ROWS[0],))  # a perfect one: the last of 50 bins
    logits = torch.zeros(1, 33, 50)
    logits[..., 49] = math.log(3.0)
    assert plddt(replace(folds, plddt_BRN=logits), structures).item() == pytest.approx(math.log(52 / 3), abs=1e-5)


def test_plddt_counts_only_rows_of_good_resolution() -> None:
    folds, structures = wrong_pair()
    every = plddt(folds, structures)
    some = plddt(folds, structures, resolution_B=torch.tensor([2.0, 3.5, math.nan]))
    assert some.tolist() == pytest.approx([every[0].item(), 0.0, 0.0])


def test_plddt_moves_no_atom() -> None:
    folds, structures = wrong_pair()
    leaf = replace(folds, frames_BKR7=folds.frames_BKR7.requires_grad_(), plddt_BRN=folds.plddt_BRN.requires_grad_())
    plddt(leaf, structures).sum().backward()
    assert leaf.frames_BKR7.grad is None
    assert leaf.plddt_BRN.grad is not None
    assert leaf.plddt_BRN.grad.abs().sum() > 0


# Torsion angles


def test_torsion_loss_of_a_wrong_chi_equals_the_value_by_hand() -> None:
    folds, structures = pair((("K",),), passes=1)  # psi and four chi angles are known
    turned = folds.angles_BKR72.clone()
    turned[0, 0, 0, 3] = -turned[0, 0, 0, 3]  # 180 degrees: |a - b|^2 = 4
    found = torsion(replace(folds, angles_BKR72=turned, raw_angles_BKR72=3.0 * turned), structures)
    assert found.item() == pytest.approx(4 / 5 + 0.02 * 2.0, abs=1e-4)


@pytest.mark.parametrize(("letter", "angle"), [("D", 4), ("F", 4), ("Y", 4), ("E", 5)])
def test_the_last_angle_of_symmetric_side_chains_may_be_off_by_half_a_turn(letter: str, angle: int) -> None:
    folds, structures = pair(((letter,),), passes=1)
    for place, is_free in ((angle, True), (3, False)):
        turned = folds.angles_BKR72.clone()
        turned[0, 0, 0, place] *= -1.0
        found = torsion(replace(folds, angles_BKR72=turned, raw_angles_BKR72=turned), structures).item()
        assert (found < 1e-4) == is_free


# Violations


def test_a_good_peptide_violates_nothing_but_by_its_side_chains() -> None:
    folds, structures = pair((("AAAAAAAAGGAA",),))
    assert violation(folds, structures).item() == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize(("follower", "length"), [("A", 1.329 + 12 * 0.014), ("P", 1.341 + 12 * 0.016)])
def test_a_stretched_bond_costs_what_it_is_too_long(follower: str, length: float) -> None:
    folds, structures = pair((("G" + follower,),))
    positions = folds.positions_BRA3.clone()
    along = positions[0, 1, 0] - positions[0, 0, 2]
    positions[0, 1] += along / along.norm() * 2.0  # the angles stay as they are
    stretched = replace(folds, positions_BRA3=positions)
    assert violation(stretched, structures).item() == pytest.approx(1.329 + 2.0 - length, abs=1e-4)
    apart = replace(structures, number_BR=torch.tensor([[1, 5]]))
    assert violation(stretched, apart).item() == 0.0
    two = replace(structures, chain_BR=torch.tensor([[0, 1]]))
    assert violation(stretched, two).item() == 0.0


def test_clashes_equal_loops_over_all_pairs_of_atoms() -> None:
    folds, structures = pair((("CDCKPGWC", "ACEC"),), error=1.5, seed=1)
    crowded = replace(folds, positions_BRA3=folds.positions_BRA3 * 0.6)
    points, types = array(crowded.positions_BRA3)[0], structures.aatype_BR[0].tolist()
    atoms = [(r, name, points[r, a]) for r, t in enumerate(types) for a, name in enumerate(atom_names(RESIDUES[t]))]
    bound = follows(structures)[0].tolist()
    total = 0.0
    for i, (r, name, point) in enumerate(atoms):
        for s, other, partner in atoms[i + 1 :]:
            is_bond = s == r + 1 and bound[s] and (name, other) == ("C", "N")
            if r == s or is_bond or (name, other) == ("SG", "SG"):
                continue
            radii = constants.van_der_waals_radius[name[0]] + constants.van_der_waals_radius[other[0]]
            total += 2 * max(0.0, radii - 1.5 - np.linalg.norm(point - partner))
    exists = torch.as_tensor(constants.restype_atom14_mask)[structures.aatype_BR].bool()
    bonds = _bonds(crowded.positions_BRA3, structures.aatype_BR, exists, follows(structures))
    found = violation(crowded, structures) - bonds
    assert found.item() == pytest.approx(total / len(atoms), abs=1e-4)
    assert total / len(atoms) > 0.1


# What must and must not matter


def test_a_perfect_prediction_costs_nothing_but_the_smallest_distance() -> None:
    folds, structures = pair(passes=1)
    assert backbone_fape(folds, structures).tolist() == pytest.approx([0.001, 0.0015, 0.001], abs=1e-5)
    assert side_chain_fape(folds, structures).tolist() == pytest.approx([0.001] * 3, abs=1e-5)
    assert torsion(replace(folds, raw_angles_BKR72=folds.angles_BKR72), structures).max() < 1e-6
    assert lddt_ca(folds, structures)[0][structures.mask_BRA[..., 1]].tolist() == [1.0] * 73


@every_loss
def test_losses_give_one_float32_a_row(name: str) -> None:
    values = LOSSES[name](*wrong_pair())
    assert (values.dtype, values.shape) == (torch.float32, (3,))
    assert torch.isfinite(values).all()
    assert values.min() >= 0


@every_loss
@pytest.mark.parametrize("seed", range(2))
def test_losses_do_not_change_when_either_structure_is_moved(name: str, seed: int) -> None:
    folds, structures = wrong_pair(seed)
    moved = LOSSES[name](
        moved_folds(folds, *random_motion(seed)), moved_structures(structures, *random_motion(10 + seed))
    )
    assert (moved - LOSSES[name](folds, structures)).abs().max() < 1e-4


@every_loss
def test_padding_changes_nothing(name: str) -> None:
    folds, structures = wrong_pair()
    assert (LOSSES[name](*pad(folds, structures, 7)) - LOSSES[name](folds, structures)).abs().max() < 1e-5


@every_loss
def test_rows_do_not_see_each_other(name: str) -> None:
    folds, structures = wrong_pair()
    row = torch.tensor([1])
    assert (LOSSES[name](folds[row], structures[row]) - LOSSES[name](folds, structures)[row]).abs().max() < 1e-5


@every_loss
def test_unknown_atoms_change_nothing_wherever_they_are(name: str) -> None:
    folds, structures = wrong_pair()
    noise = 30.0 * torch.randn(structures.positions_BRA3.shape, generator=torch.Generator().manual_seed(0))
    moved = replace(structures, positions_BRA3=structures.positions_BRA3 + noise * ~structures.mask_BRA[..., None])
    assert (LOSSES[name](folds, moved) - LOSSES[name](folds, structures)).abs().max() < 1e-6


def with_gradients(folds: Folds) -> Folds:
    return folds.map(lambda tensor: tensor.clone().requires_grad_())


@every_loss
@pytest.mark.parametrize("case", ["wrong", "perfect", "all_at_one_point"])
def test_gradients_are_finite(name: str, case: str) -> None:
    folds, structures = pair() if case == "perfect" else wrong_pair()
    if case == "all_at_one_point":
        frames = torch.zeros_like(folds.frames_BKR7)
        frames[..., 0] = 1.0
        folds = replace(
            folds, frames_BKR7=frames, positions_BRA3=torch.zeros_like(folds.positions_BRA3),
            raw_angles_BKR72=torch.zeros_like(folds.raw_angles_BKR72),
        )  # fmt: skip
    leaf = with_gradients(folds)
    values = LOSSES[name](leaf, structures)
    assert torch.isfinite(values).all()
    values.sum().backward()
    grads = [tensor.grad for tensor in vars(leaf).values() if tensor.grad is not None]
    assert grads
    assert all(torch.isfinite(grad).all() for grad in grads)


@every_loss
def test_rows_without_known_atoms_cost_nothing_and_pull_at_nothing(name: str) -> None:
    folds, structures = wrong_pair()
    known = torch.ones_like(structures.mask_BRA)
    known[1] = False
    leaf = with_gradients(folds)
    values = LOSSES[name](leaf, with_mask(structures, known))
    values.sum().backward()
    assert values[1].item() == 0.0
    assert values[0].item() > 0.0
    assert all(tensor.grad[1].abs().sum() == 0.0 for tensor in vars(leaf).values() if tensor.grad is not None)


@every_loss
def test_unknown_residues_are_harmless(name: str) -> None:
    folds, structures = pair((("AAXKAAXD",),), error=0.3)
    unknown = structures.aatype_BR == UNKNOWN
    # A structure module leaves their atoms at the origin and their groups undefined.
    folds = replace(folds, positions_BRA3=folds.positions_BRA3 * ~unknown[..., None, None])
    leaf = with_gradients(folds)
    LOSSES[name](leaf, structures).sum().backward()
    assert all(torch.isfinite(tensor.grad).all() for tensor in vars(leaf).values() if tensor.grad is not None)


@every_loss
def test_losses_are_computed_in_full_precision_under_autocast(name: str) -> None:
    folds, structures = wrong_pair()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = LOSSES[name](folds, structures)
    assert torch.equal(found, LOSSES[name](folds, structures))


@pytest.mark.parametrize(("weights", "last"), [(structure.FINE_TUNING, 1.0), (structure.TRAINING, 0.0)])
def test_the_weighted_sum_has_the_published_weights(weights: structure.Weights, last: float) -> None:
    folds, structures = wrong_pair()
    expected = (
        0.5 * backbone_fape(folds, structures, unclamped_share=0.1) + 0.5 * side_chain_fape(folds, structures)
        + 0.5 * torsion(folds, structures) + 0.3 * distogram(folds, structures) + 0.01 * plddt(folds, structures)
        + last * violation(folds, structures)
    )  # fmt: skip
    assert (structure.alphafold(folds, structures, weights) - expected).abs().max() < 1e-5
    assert ("violation" in structure.parts(folds, structures, weights)) == (last > 0)


def test_descent_on_the_frames_finds_the_fold() -> None:
    folds, structures = pair((("MKTAYIAKQRQI",),), error=0.5, passes=1)
    frames = folds.frames_BKR7.clone().requires_grad_()
    optimizer = torch.optim.Adam([frames], lr=0.05)
    for _ in range(150):
        optimizer.zero_grad()
        loss = backbone_fape(replace(folds, frames_BKR7=frames), structures, unclamped_share=1.0).sum()
        loss.backward()
        optimizer.step()
    assert backbone_fape(folds, structures).item() > 0.2
    assert loss.item() < 0.05
    assert lddt_ca(replace(folds, frames_BKR7=frames), structures)[0].mean() > 0.95
