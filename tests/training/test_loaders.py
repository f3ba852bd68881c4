from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch.utils.data import DataLoader

from molfun.data.batches import Collate, EpochSampler, SequenceRows
from molfun.training.loaders import RankLoader
from molfun.types import Batch
from tests.tiny import tiny_adapter

ENCODER = tiny_adapter().alphabet


def make_rows(num_rows: int) -> SequenceRows:
    return SequenceRows([["ACDE"] * num_rows], encoder=ENCODER, max_residues=9, targets=[0.5] * num_rows)


def shuffled(num_rows: int, batch_size: int) -> DataLoader:
    rows = make_rows(num_rows)
    return DataLoader(
        rows, batch_size=batch_size, collate_fn=Collate(ENCODER, "regression"),
        sampler=EpochSampler(num_rows, shuffle=True, seed=1),
    )  # fmt: skip


def torch_shuffled(num_rows: int, batch_size: int) -> DataLoader:
    return DataLoader(
        make_rows(num_rows), batch_size=batch_size, shuffle=True, collate_fn=Collate(ENCODER, "regression")
    )


def plain_list(num_rows: int, batch_size: int) -> list[Batch]:
    return list(DataLoader(make_rows(num_rows), batch_size=batch_size, collate_fn=Collate(ENCODER, "regression")))


def shares(make: Callable, num_rows: int, batch_size: int, world_size: int) -> list[list[Batch]]:
    """Return the batches of every rank."""
    return [
        list(RankLoader(make(num_rows, batch_size), rank=rank, world_size=world_size, shared_seed=lambda: 7))
        for rank in range(world_size)
    ]


@pytest.mark.parametrize("make", [shuffled, torch_shuffled, plain_list])
@pytest.mark.parametrize("num_rows", [1, 7, 16, 17, 24, 33])
@pytest.mark.parametrize("world_size", [2, 3, 4])
def test_every_row_comes_once_and_ranks_get_equally_many_batches(make, num_rows: int, world_size: int) -> None:
    parts = shares(make, num_rows, 4, world_size)
    assert len({len(part) for part in parts}) == 1
    counted = [int(row) for part in parts for batch in part for row in batch.row_ids[batch.target_mask]]
    assert sorted(counted) == list(range(num_rows))


@pytest.mark.parametrize("num_rows", [16, 33, 40])
def test_the_batches_of_all_ranks_are_the_batch_of_one_process(num_rows: int) -> None:
    one = [batch.row_ids.tolist() for batch in shuffled(num_rows, 8)]
    parts = shares(shuffled, num_rows, 4, 2)
    joined = [
        [row for batch in step for row in batch.row_ids[batch.target_mask].tolist()]
        for step in zip(*parts, strict=True)
    ]
    assert joined == one


def test_a_filler_counts_nothing() -> None:
    filler = shares(shuffled, 4, 4, 2)[1][0]
    assert not filler.target_mask.any()
    assert filler.row_ids.tolist() == [-1] * 4


def test_the_order_of_an_epoch_is_that_of_the_sampler() -> None:
    loader = RankLoader(shuffled(16, 4), rank=0, world_size=2, shared_seed=lambda: 7)
    loader.sampler.set_epoch(3)
    first = [batch.row_ids.tolist() for batch in loader]
    loader.sampler.set_epoch(3)
    assert [batch.row_ids.tolist() for batch in loader] == first
    assert [batch.row_ids.tolist() for batch in loader] != first


def test_drawing_the_order_leaves_the_global_random_numbers_alone() -> None:
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    loader = RankLoader(shuffled(16, 4), rank=0, world_size=2, shared_seed=lambda: 7)
    iter(loader._own.batch_sampler)
    assert torch.equal(torch.rand(3), expected)
