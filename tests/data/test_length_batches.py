"""Batches of rows of about one length: every row once, little padding, a number of batches that never changes."""

from __future__ import annotations

from itertools import chain

import numpy as np
import pytest

from molfun.data.length_batches import LengthBatches, choose_batches, padding_share


def lengths_of(num_rows: int = 700) -> np.ndarray:
    """Return lengths as proteins have them: log-normal, 100 to 1,000."""
    drawn = np.random.default_rng(1).lognormal(np.log(320), 0.55, num_rows)
    return np.clip(drawn, 100, 1000).astype(int)


def padding_of(batches: list[list[int]], lengths: np.ndarray) -> float:
    positions = sum(max(lengths[batch]) * len(batch) for batch in batches)
    return 1 - lengths.sum() / positions


@pytest.mark.parametrize("by", ["length", "tokens"])
@pytest.mark.parametrize("num_rows", [1, 15, 16, 17, 700])
def test_every_row_comes_once_an_epoch_in_the_same_number_of_batches(by: str, num_rows: int) -> None:
    sampler = LengthBatches(lengths_of(num_rows), batch_size=16, by=by)
    for _ in range(3):
        batches = list(sampler)
        assert len(batches) == len(sampler)
        assert sorted(row for batch in batches for row in batch) == list(range(num_rows))


@pytest.mark.parametrize("by", ["length", "tokens"])
def test_less_than_a_twentieth_is_padding(by: str) -> None:
    lengths = lengths_of()
    assert padding_share(lengths.tolist(), 16) > 0.3
    assert padding_of(list(LengthBatches(lengths, batch_size=16, by=by)), lengths) < 0.05


def test_an_epoch_is_repeated_by_its_number_and_differs_from_the_next() -> None:
    one, other = (LengthBatches(lengths_of(), batch_size=16, seed=4) for _ in range(2))
    first, second = list(one), list(one)
    other.set_epoch(1)
    assert list(other) == second
    assert first != second


def test_neighbours_change_and_long_batches_come_at_any_time() -> None:
    lengths = lengths_of()
    sampler = LengthBatches(lengths, batch_size=16)
    first, second = list(sampler), list(sampler)
    together = {frozenset(batch) for batch in first}
    assert sum(frozenset(batch) in together for batch in second) < len(second) / 4
    means = [lengths[batch].mean() for batch in first]
    assert abs(np.corrcoef(range(len(means)), means)[0, 1]) < 0.4


def test_no_batch_has_more_tokens_than_rows_of_mean_length_would_have() -> None:
    lengths = lengths_of()
    sampler = LengthBatches(lengths, batch_size=16, by="tokens")
    for batch in sampler:
        assert len(batch) == 1 or max(lengths[batch]) * len(batch) <= 16 * lengths.mean()
    assert max(sampler.groups) > 16 > sampler.most_long_rows


@pytest.mark.parametrize("by", ["length", "tokens"])
@pytest.mark.parametrize("num_rows", [1, 2, 3, 47, 695])
@pytest.mark.parametrize("num_processes", [2, 3])
def test_processes_together_have_the_batches_of_one(by: str, num_rows: int, num_processes: int) -> None:
    lengths = lengths_of(num_rows)
    one = list(LengthBatches(lengths, batch_size=8 * num_processes, by=by, seed=3))
    sampler = LengthBatches(lengths, batch_size=8, by=by, seed=3, num_processes=num_processes)
    shared = list(sampler)
    assert len(shared) == len(sampler)
    groups = [list(chain(*shared[i : i + num_processes])) for i in range(0, len(shared), num_processes)]
    if by == "length":
        assert groups == one
    assert sorted(chain(*groups)) == list(range(num_rows))
    for i in range(0, len(shared) - num_processes, num_processes):
        sizes = [len(batch) for batch in shared[i : i + num_processes]]
        assert max(sizes) - min(sizes) <= 1


def test_a_loss_that_compares_rows_gets_two_of_them_however_long() -> None:
    lengths = [100] * 50 + [1000] * 6
    sizes = [len(batch) for batch in LengthBatches(lengths, batch_size=4, by="tokens", least_rows=2)]
    assert min(sizes) == 2
    assert min(len(batch) for batch in LengthBatches(lengths, batch_size=4, by="tokens")) == 1


def test_validation_goes_from_short_to_long() -> None:
    lengths = lengths_of(50)
    order = [row for batch in LengthBatches(lengths, batch_size=8, shuffle=False) for row in batch]
    assert (np.diff(lengths[order]) >= 0).all()


@pytest.mark.parametrize(("lengths", "by"), [(lengths_of(), "length"), (np.full(300, 120), "rows")])
def test_auto_groups_by_length_only_where_padding_would_be_much(lengths: np.ndarray, by: str) -> None:
    assert choose_batches(lengths.tolist(), 16, "auto") == by
