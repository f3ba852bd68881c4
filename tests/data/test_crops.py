"""Crops: sizes, order, chains, interfaces, and that a seed decides."""

from __future__ import annotations

import numpy as np
import pytest

from molfun.data.crops import contiguous_crop, crop_residues, interface_residues, spatial_crop

LENGTHS = (30, 50, 20)


def runs(kept: np.ndarray, lengths: tuple[int, ...]) -> list[np.ndarray]:
    """Return what is kept of each chain."""
    chains = np.repeat(np.arange(len(lengths)), lengths)[kept]
    return [kept[chains == number] for number in range(len(lengths))]


@pytest.mark.parametrize("size", [3, 10, 40, 64, 99])
def test_a_contiguous_crop_keeps_one_run_of_every_chain(size: int) -> None:
    for seed in range(50):
        kept = contiguous_crop(LENGTHS, size, np.random.default_rng(seed))
        assert len(kept) == size
        assert (np.diff(kept) > 0).all()
        for own in runs(kept, LENGTHS):
            assert len(own) >= 1
            assert (np.diff(own) == 1).all()


def test_every_place_of_a_chain_can_be_cropped() -> None:
    starts = {int(contiguous_crop((20,), 5, np.random.default_rng(seed))[0]) for seed in range(500)}
    assert starts == set(range(16))


@pytest.mark.parametrize("size", [100, 500])
def test_what_is_short_enough_stays_whole(size: int) -> None:
    assert crop_residues(LENGTHS, size, 0).tolist() == list(range(100))


def test_a_seed_decides() -> None:
    crops = [crop_residues(LENGTHS, 40, (0, epoch, 7)).tolist() for epoch in range(10)]
    assert crops[3] == crop_residues(LENGTHS, 40, (0, 3, 7)).tolist()
    assert len({tuple(crop) for crop in crops}) > 5


def two_lines() -> tuple[np.ndarray, np.ndarray]:
    """Return C-alpha atoms of two straight chains of 50 that come near each other with their first residues only."""
    along = 3.8 * np.arange(50)
    first = np.stack([along, 0 * along, 0 * along], axis=1)
    second = np.stack([0 * along, along + 10.0, 0 * along], axis=1)
    return np.concatenate([first, second]).astype(np.float32), np.ones(100, dtype=bool)


def test_interfaces_are_where_chains_are_within_15_angstrom() -> None:
    c_alpha, is_known = two_lines()
    # (3.8 i)^2 + (10 + 3.8 j)^2 < 15^2: with j = 0 up to i = 2, with i = 0 up to j = 1.
    assert interface_residues((50, 50), c_alpha, is_known).tolist() == [0, 1, 2, 50, 51]
    is_known[[0, 50]] = False
    assert interface_residues((50, 50), c_alpha, is_known).tolist() == [1, 51]


def test_a_spatial_crop_has_what_is_nearest_to_an_interface() -> None:
    c_alpha, is_known = two_lines()
    for seed in range(20):
        first, second = runs(spatial_crop((50, 50), c_alpha, is_known, 20, np.random.default_rng(seed)), (50, 50))
        assert len(first) + len(second) == 20
        assert first.tolist() == list(range(len(first)))
        assert second.tolist() == list(range(50, 50 + len(second)))
        assert min(len(first), len(second)) >= 5


def test_residues_of_unknown_position_come_last() -> None:
    c_alpha, is_known = two_lines()
    is_known[:10] = False
    kept = spatial_crop((50, 50), c_alpha, is_known, 90, np.random.default_rng(0))
    assert kept.tolist() == list(range(10, 100))


def test_complexes_are_cropped_both_ways() -> None:
    c_alpha, is_known = two_lines()
    spatial = 0
    for seed in range(200):
        kept = crop_residues((50, 50), 20, seed, c_alpha=c_alpha, is_known=is_known)
        assert len(kept) == 20
        spatial += kept[0] == 0 and 50 in kept
    # Half of them, and hardly any of the others begins at both ends.
    assert 80 < spatial < 125
