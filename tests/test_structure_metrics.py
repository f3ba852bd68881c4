"""Scores of structures: by hand, against other programs, and for what must not matter."""

from __future__ import annotations

import math
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from molfun.data.atoms import atom_names
from molfun.data.settings import METRICS_OF_TASK
from molfun.errors import ModelError
from molfun.losses.distances import lddt_ca as loss_lddt
from molfun.structure_metrics import (
    METRICS,
    dockq,
    lddt_all_atom,
    lddt_ca,
    residue_errors,
    residue_lddt,
    rmsd,
    score_alphas,
    score_structures,
    searched_scores,
)
from molfun.superposition import Floats
from molfun.types import Folds, Structures
from tests.folds import moved_folds, moved_structures, pad, pair, random_motion, with_mask


def curve(count: int) -> Floats:
    """Return points 3.8 angstrom or so apart on a winding curve, rounded as in a PDB file."""
    t = np.arange(count)
    shape = [9.0 * np.cos(0.4 * t) + 4.0 * np.sin(0.11 * t), 9.0 * np.sin(0.4 * t), 0.6 * t + 6.0 * np.cos(0.17 * t)]
    return np.stack(shape, axis=1).round(3)


def bent(count: int, wobble: float, angle: float) -> Floats:
    """Return the curve with a wobble of some angstrom, its second half turned about its middle by an angle."""
    t, points = np.arange(count), curve(count)
    points = points + wobble * np.stack([np.sin(1.7 * t), np.cos(2.3 * t), np.sin(0.9 * t)], axis=1)
    turn = np.array([[math.cos(angle), -math.sin(angle), 0], [math.sin(angle), math.cos(angle), 0], [0, 0, 1]])
    middle = count // 2
    points[middle:] = (points[middle:] - points[middle]) @ turn.T + points[middle]
    return points.round(3)


def test_half_a_structure_scores_a_half() -> None:
    predicted, measured = curve(100), curve(100)
    predicted[50:] += 5000.0
    found = searched_scores(predicted, measured)
    assert found["tm_score"] == pytest.approx(0.5, abs=1e-4)
    assert (found["gdt_ts"], found["gdt_ha"]) == (0.5, 0.5)


def test_tm_score_with_one_wrong_residue_equals_the_value_by_hand() -> None:
    """60 residues: d0 is 1.24 * 45^(1/3) - 1.8 = 2.6106; one of them is 300 angstrom off, the others lie still."""
    predicted = curve(60)
    predicted[30] += [0.0, 0.0, 300.0]
    expected = (59 + 1 / (1 + (300 / 2.6106) ** 2)) / 60
    assert searched_scores(predicted, curve(60))["tm_score"] == pytest.approx(expected, abs=1e-5)


# What Zhang's TMscore program prints for the same coordinates: TM-score, GDT-TS, GDT-HA.
@pytest.mark.parametrize(("count", "wobble", "angle", "expected"), [
    (40, 0.2, 1.2, (0.5494, 0.6125, 0.5563)),
    (90, 0.2, 0.4, (0.7392, 0.7917, 0.6694)),
    (150, 0.3, 1.2, (0.5921, 0.5933, 0.5317)),
    (150, 0.6, 0.3, (0.8682, 0.8033, 0.5800)),
    (240, 0.2, 0.5, (0.8418, 0.7781, 0.6562)),
    (240, 0.4, 2.5, (0.5770, 0.5375, 0.4635)),
])  # fmt: skip
def test_searched_scores_equal_those_of_the_tm_score_program(
    count: int, wobble: float, angle: float, expected: tuple[float, float, float]
) -> None:
    """It does not search for the best GDT: ours is at most one residue of four cutoffs worse, and often better."""
    found = searched_scores(bent(count, wobble, angle), curve(count))
    assert found["tm_score"] == pytest.approx(expected[0], abs=1e-4)
    for name, value in zip(("gdt_ts", "gdt_ha"), expected[1:], strict=True):
        assert value - 0.003 < found[name] < value + 0.02


@pytest.mark.parametrize(("count", "wobble", "angle", "expected"), [
    (12, 1.0, 0.0, (0.2083, 0.8333, 0.6250)),
    (30, 1.5, 0.0, (0.3657, 0.7250, 0.4917)),
    (60, 1.0, 1.2, (0.4629, 0.5542, 0.3375)),
    (90, 2.5, 0.4, (0.4955, 0.4639, 0.2194)),
    (150, 1.0, 1.2, (0.5534, 0.4933, 0.3183)),
    (240, 2.0, 2.5, (0.5020, 0.3302, 0.1865)),
])  # fmt: skip
def test_where_no_superposition_fits_the_search_finds_no_worse_one_than_the_program(
    count: int, wobble: float, angle: float, expected: tuple[float, float, float]
) -> None:
    found = searched_scores(bent(count, wobble, angle), curve(count))
    assert all(
        found[name] > value - 1e-3 for name, value in zip(("tm_score", "gdt_ts", "gdt_ha"), expected, strict=True)
    )


@pytest.mark.parametrize("seed", range(3))
def test_lddt_equals_the_one_that_losses_use(seed: int) -> None:
    folds, structures = pair(error=0.4, missing=0.1, seed=seed)
    expected, scored = loss_lddt(folds, structures)
    for b in range(3):
        known = structures.mask_BRA[b, :, 1]
        predicted = folds.frames_BKR7[b, -1, known, 4:].double().numpy()
        measured = structures.positions_BRA3[b, known, 1].double().numpy()
        assert residue_lddt(predicted, measured) == pytest.approx(expected[b, known].numpy(), abs=1e-4)
        assert bool(scored[b, known].all())


def test_lddt_equals_the_value_by_hand() -> None:
    """Three points in a row, 5 apart; the last is 1.5 too far, which is right to 2 and 4 angstrom."""
    measured = np.array([[0.0, 0, 0], [5, 0, 0], [10, 0, 0], [90, 0, 0]])
    predicted = measured + np.array([[0.0, 0, 0], [0, 0, 0], [1.5, 0, 0], [0, 0, 0]])
    assert lddt_ca(predicted, measured) == pytest.approx((1.0 + 0.5 + 0.5) / 3)
    found = residue_lddt(predicted, measured)
    assert found[:3].tolist() == pytest.approx([0.75, 0.75, 0.5])
    assert math.isnan(found[3])


def test_rmsd_and_errors_equal_the_values_by_hand() -> None:
    """A square, one pair of opposite corners 1 angstrom further out: nothing turns or moves."""
    measured = np.array([[5.0, 0, 0], [-5, 0, 0], [0, 5, 0], [0, -5, 0]])
    predicted = measured * [[1.2], [1.2], [1.0], [1.0]]
    assert rmsd(predicted, measured) == pytest.approx(math.sqrt(2 / 4), abs=1e-6)
    assert residue_errors(predicted, measured).tolist() == pytest.approx([1.0, 1.0, 0.0, 0.0], abs=1e-9)


def row(folds: Folds, structures: Structures, b: int = 0) -> tuple[Floats, Floats, np.ndarray, np.ndarray, np.ndarray]:
    """Return what the all-atom metrics take, of one row."""
    predicted, measured = folds.positions_BRA3[b].double().numpy(), structures.positions_BRA3[b].double().numpy()
    kept = (structures.mask_BRA[b], structures.aatype_BR[b], structures.chain_BR[b])
    return predicted, measured, kept[0].numpy(), kept[1].numpy(), kept[2].numpy()


def test_all_atom_lddt_equals_loops() -> None:
    folds, structures = pair((("GAKLWRN",),), error=0.5, missing=0.1)  # nothing symmetric
    predicted, measured, known, aatype, _ = row(folds, structures)
    right = []
    for (r, a), (s, b) in ((i, j) for i in np.argwhere(known) for j in np.argwhere(known)):
        distance = np.linalg.norm(measured[r, a] - measured[s, b])
        if r != s and distance < 15:
            off = abs(np.linalg.norm(predicted[r, a] - predicted[s, b]) - distance)
            right.append(np.mean([off < tolerance for tolerance in (0.5, 1, 2, 4)]))
    assert lddt_all_atom(predicted, measured, known, aatype) == pytest.approx(np.mean(right), abs=1e-4)


@pytest.mark.parametrize("letter", "DEFY")
def test_all_atom_lddt_takes_symmetric_atoms_by_either_name(letter: str) -> None:
    predicted, measured, known, aatype, _ = row(*pair((("GAK" + letter + "LW",),)))
    names = atom_names(letter)
    one, other = (names.index(name) for name in {"D": ("OD1", "OD2"), "E": ("OE1", "OE2")}.get(letter, ("CD1", "CD2")))
    predicted[3, [one, other]] = predicted[3, [other, one]]
    if letter in "FY":
        one, other = names.index("CE1"), names.index("CE2")
        predicted[3, [one, other]] = predicted[3, [other, one]]
    assert lddt_all_atom(predicted, measured, known, aatype) == 1.0


def test_all_atom_lddt_of_nothing_is_nan() -> None:
    predicted, measured, known, aatype, _ = row(*pair((("GAK",),)))
    assert math.isnan(lddt_all_atom(predicted, measured, np.zeros_like(known), aatype))


def test_scores_have_the_metrics_of_the_task_one_a_row() -> None:
    found = score_structures(*pair(error=0.3, missing=0.1))
    assert set(METRICS_OF_TASK["structure"]) <= set(found) == set(METRICS)
    assert all(values.shape == (3,) and values.dtype == torch.float32 for values in found.values())
    assert all(bool(torch.isfinite(values).all()) for values in found.values())


def test_a_perfect_prediction_scores_one_and_is_off_by_nothing() -> None:
    found = score_structures(*pair())
    assert found.pop("rmsd").max() < 1e-3
    assert all(values.tolist() == pytest.approx([1.0] * 3, abs=1e-6) for values in found.values())


@pytest.mark.parametrize("seed", range(2))
def test_scores_do_not_change_when_a_structure_is_moved(seed: int) -> None:
    folds, structures = pair(error=0.3, missing=0.1, seed=seed)
    expected = score_structures(folds, structures)
    found = score_structures(
        moved_folds(folds, *random_motion(seed)), moved_structures(structures, *random_motion(seed + 5))
    )
    for name in ("lddt", "tm_score", "rmsd"):
        assert found[name].tolist() == pytest.approx(expected[name].tolist(), abs=1e-4)
    for name in ("gdt_ts", "gdt_ha"):  # an atom at just one of four distances may fall on its other side
        assert found[name].tolist() == pytest.approx(expected[name].tolist(), abs=0.26 / 10)


def test_padding_and_unknown_atoms_change_no_score() -> None:
    folds, structures = pair(error=0.3, missing=0.1)
    expected = score_structures(folds, structures)
    noise = 30.0 * ~structures.mask_BRA[..., None]
    found = score_structures(*pad(folds, replace(structures, positions_BRA3=structures.positions_BRA3 + noise), 4))
    assert {name: values.tolist() for name, values in found.items()} == {n: v.tolist() for n, v in expected.items()}


@pytest.mark.parametrize("num_known", [0, 2])
def test_too_few_measured_residues_give_nan(num_known: int) -> None:
    folds, structures = pair()
    known = torch.zeros_like(structures.mask_BRA)
    known[:, :num_known] = True
    assert all(bool(values.isnan().all()) for values in score_structures(folds, with_mask(structures, known)).values())


def test_a_prediction_that_is_not_finite_scores_nan() -> None:
    measured = curve(10)
    predicted = measured.copy()
    predicted[3] = math.inf
    assert all(math.isnan(value) for value in score_alphas(predicted, measured).values())


def touching(error: float, seed: int) -> tuple[Floats, Floats, np.ndarray, np.ndarray, np.ndarray]:
    """Return a complex of two chains, the second brought near to the first in both structures."""
    found = row(*pair((("MKTAYIAKQRQISFVKSHFSRQ", "ARNDCQEGHILKMFPSTWYV"),), error=error, seed=seed))
    for positions in found[:2]:
        positions[found[4] == 1] -= [7.0, 2.0, 0.0]
    return found


# What DockQ 2.1.3 prints for the same coordinates.
@pytest.mark.parametrize(
    ("error", "seed", "expected"), [(0.02, 0, 0.780), (0.05, 1, 0.748), (0.1, 2, 0.629), (0.3, 3, 0.202)]
)
def test_dockq_equals_that_of_its_authors(error: float, seed: int, expected: float) -> None:
    pytest.importorskip("peppr")
    assert dockq(*touching(error, seed)) == pytest.approx(expected, abs=5.1e-4)


def test_dockq_of_a_perfect_complex_is_one_and_of_one_chain_nan() -> None:
    pytest.importorskip("peppr")
    predicted, measured, known, aatype, chain = touching(0.0, 0)
    assert dockq(predicted, measured, known, aatype, chain) == pytest.approx(1.0, abs=1e-6)
    assert math.isnan(dockq(predicted, measured, known, aatype, np.zeros_like(chain)))


def test_without_peppr_dockq_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "peppr", None)
    with pytest.raises(ModelError, match=r'pip install "molfun\[structure\]"'):
        dockq(*touching(0.0, 0))
