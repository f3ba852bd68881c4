from __future__ import annotations

import biotite.structure as bs
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from molfun.superposition import Floats, search_distances, superpose


def points(count: int, seed: int = 0) -> Floats:
    return np.random.default_rng(seed).normal(0.0, 10.0, (count, 3))


@pytest.mark.parametrize("seed", range(5))
def test_superpose_finds_the_motion_that_was_made(seed: int) -> None:
    random, fixed = np.random.default_rng(seed), points(20, seed)
    turn, shift = Rotation.random(rng=random).as_matrix(), random.normal(0.0, 50.0, 3)
    motion = superpose((fixed - shift) @ turn, fixed)
    assert motion.rotation == pytest.approx(turn, abs=1e-9)
    assert motion.translation == pytest.approx(shift, abs=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_superpose_equals_biotite_and_scipy(seed: int) -> None:
    mobile, fixed = points(15, seed), points(15, seed + 10)
    found = superpose(mobile, fixed)
    assert found.apply(mobile) == pytest.approx(bs.superimpose(fixed, mobile)[0], abs=1e-3)
    weights = np.random.default_rng(seed).random(15)
    centres = [np.average(p, axis=0, weights=weights) for p in (mobile, fixed)]
    expected, _ = Rotation.align_vectors(fixed - centres[1], mobile - centres[0], weights=weights)
    assert superpose(mobile, fixed, weights).rotation == pytest.approx(expected.as_matrix(), abs=1e-6)


def test_superpose_never_reflects() -> None:
    fixed = points(10)
    motion = superpose(fixed * [1.0, 1.0, -1.0], fixed)
    assert np.linalg.det(motion.rotation) == pytest.approx(1.0)


def test_one_motion_for_each_row_of_weights() -> None:
    mobile, fixed = points(12), points(12, 1)
    weights = np.eye(3, 12).repeat(4, axis=1)[:, :12]
    found = superpose(mobile, fixed, weights)
    assert found.apply(mobile).shape == (3, 12, 3)
    for row in range(3):
        chosen = weights[row] > 0
        alone = superpose(mobile[chosen], fixed[chosen])
        assert found.apply(mobile)[row] == pytest.approx(alone.apply(mobile), abs=1e-9)


def test_search_superposes_the_larger_rigid_part() -> None:
    fixed = points(50)
    mobile = fixed.copy()
    mobile[30:] += [40.0, 0.0, 0.0]
    together = max((apart < 0.01).sum(axis=-1).max() for apart in search_distances(mobile, fixed, 2.0))
    assert together == 30


@pytest.mark.parametrize("count", [3, 4, 5, 300])
def test_search_ends_and_yields_every_point(count: int) -> None:
    found = list(search_distances(points(count), points(count, 1), 4.0))
    assert 0 < len(found) <= 20
    assert all(apart.shape[-1] == count and np.isfinite(apart).all() for apart in found)
