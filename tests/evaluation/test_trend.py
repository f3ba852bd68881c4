"""Where dots are crowded, and the line through them with its interval."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import linregress

from molfun.evaluation.trend import density, trend


def cloud(num: int, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    dice = np.random.default_rng(seed)
    targets = dice.normal(size=num)
    return targets, 0.5 * targets + 0.2 + 0.5 * dice.normal(size=num)


def test_a_crowd_is_denser_than_a_point_alone() -> None:
    dice = np.random.default_rng(0)
    x = np.concatenate([dice.normal(0, 0.1, 500), [5.0]])
    found = density(x, x)
    assert found.max() == 1.0
    assert found[-1] < 0.05
    assert (found > 0).all()


@pytest.mark.parametrize(("x", "size"), [(np.zeros(0), 0), (np.ones(3), 3)])
def test_nothing_and_one_place_have_a_density(x: np.ndarray, size: int) -> None:
    assert density(x, x).tolist() == [1.0] * size


def test_the_line_is_that_of_scipy() -> None:
    targets, preds = cloud(300)
    found, expected = trend(targets, preds), linregress(targets, preds)
    np.testing.assert_allclose(found["value"], expected.intercept + expected.slope * found["target"])
    assert (found["low"] <= found["value"]).all()
    assert (found["value"] <= found["high"]).all()


def test_the_interval_holds_the_true_line_about_as_often_as_it_says() -> None:
    inside = 0
    for seed in range(60):
        row = trend(*cloud(80, seed=seed)).iloc[12]
        inside += bool(row["low"] <= 0.5 * row["target"] + 0.2 <= row["high"])
    assert 51 <= inside <= 60


@pytest.mark.parametrize("targets", [np.arange(4.0), np.ones(20)])
def test_too_little_has_no_line(targets: np.ndarray) -> None:
    assert trend(targets, targets + 1).empty
