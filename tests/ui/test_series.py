from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from molfun.ui.series import Smoothed, Thinned, column, decimate, smooth


def test_decimate_keeps_every_peak_and_both_ends() -> None:
    x = np.arange(100_000.0)
    y = np.sin(x / 50)
    y[34_567], y[78_901] = 100.0, -100.0
    thin_x, thin_y = decimate(x, y)
    assert len(thin_x) <= 1002
    assert (thin_y.max(), thin_y.min()) == (100.0, -100.0)
    assert (thin_x[0], thin_x[-1]) == (0.0, 99_999.0)
    assert np.all(np.diff(thin_x) > 0)
    assert set(zip(thin_x, thin_y, strict=True)) <= set(zip(x, y, strict=True))


@pytest.mark.parametrize("size", [0, 1, 2, 999, 1000, 1001, 1003, 5000])
def test_decimate_stays_within_its_budget(size: int) -> None:
    x = np.arange(float(size))
    thin_x, thin_y = decimate(x, x**2)
    assert len(thin_x) == len(thin_y) <= 1002
    if size <= 1000:
        assert len(thin_x) == size


def test_decimate_drops_what_is_not_finite_and_keeps_its_neighbours() -> None:
    thin_x, thin_y = decimate(np.arange(4.0), np.array([1.0, np.nan, np.inf, 2.0]))
    assert thin_x.tolist() == [0.0, 3.0]
    assert thin_y.tolist() == [1.0, 2.0]


def test_smooth_is_debiased() -> None:
    # s_1 = (w y_0 + y_1) / (w + 1) with w = 0.5
    assert smooth(np.array([3.0, 6.0, 6.0]), 0.5) == pytest.approx([3.0, 5.0, (0.25 * 3 + 0.5 * 6 + 6) / 1.75])


def test_smooth_of_a_constant_is_the_constant() -> None:
    assert smooth(np.full(50, 2.5), 0.99) == pytest.approx(np.full(50, 2.5))


def test_smooth_skips_missing_samples() -> None:
    assert smooth(np.array([3.0, np.nan, 6.0]), 0.5)[-1] == pytest.approx(5.0)


def test_smooth_with_weight_zero_is_the_series() -> None:
    y = np.array([1.0, 5.0, 2.0])
    assert smooth(y, 0.0) is y


def test_column_of_an_absent_name_is_missing_everywhere() -> None:
    frame = pd.DataFrame({"a": [1, None]})
    assert np.isnan(column(frame, "b")).tolist() == [True, True]
    assert column(frame, "a").dtype == np.float64


@pytest.mark.parametrize("seed", range(8))
def test_a_series_in_parts_is_smoothed_and_thinned_as_a_whole(seed: int) -> None:
    """However it is cut; smoothed to 1e-12, thinned at the very same samples."""
    generator = np.random.default_rng(seed)
    y = generator.standard_normal(int(generator.integers(1, 30_000)))
    y[generator.random(len(y)) < 0.1] = np.nan
    y[: int(generator.integers(0, 5))] = np.nan
    cuts = np.sort(generator.integers(0, len(y), int(generator.integers(0, 400))))
    smoothed, thinned, first = Smoothed(0.97), Thinned(), 0
    for part in np.split(y, cuts):
        smoothed.extend(part)
        thinned.extend(part, first)
        first += len(part)
    whole = pd.Series(y).ewm(alpha=1 - 0.97, adjust=True, ignore_na=True).mean().to_numpy()
    np.testing.assert_allclose(smoothed.values, whole, rtol=1e-12, atol=1e-14)
    at_once = Thinned()
    at_once.extend(y, 0)
    for points in (1000, 100, 2):
        assert thinned.positions(points).tolist() == at_once.positions(points).tolist()


def test_spikes_survive_however_the_series_grows() -> None:
    y = np.random.default_rng(0).standard_normal(1_000_000)
    spikes = np.arange(2_500, 1_000_000, 5_000)
    y[spikes] = 50.0
    thinned = Thinned()
    for first in range(0, len(y), 777):
        thinned.extend(y[first : first + 777], first)
    assert set(spikes) <= set(thinned.positions().tolist())
    assert len(thinned.positions()) <= 1002
    assert thinned.positions(100)[0] == 0
    assert thinned.positions(100)[-1] == 999_999
    assert len(thinned.positions(100)) <= 102
