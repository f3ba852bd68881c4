from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch.utils.data import BatchSampler, DataLoader, DistributedSampler

from molfun.data.batches import Collate, EpochSampler, SequenceRows
from molfun.errors import DataError
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
        list(RankLoader(make(num_rows, batch_size), rank=rank, world_size=world_size)) for rank in range(world_size)
    ]


@pytest.mark.parametrize("make", [shuffled, torch_shuffled, plain_list])
@pytest.mark.parametrize("num_rows", [1, 7, 16, 17, 24, 33])
@pytest.mark.parametrize("world_size", [2, 3, 4])
def test_every_row_comes_once_and_ranks_get_equally_many_batches(make, num_rows: int, world_size: int) -> None:
    parts = shares(make, num_rows, 4, world_size)
    assert len({len(part) for part in parts}) == 1
    counted = [int(row) for part in parts for batch in part for row in batch.row_ids[batch.target_mask]]
    assert sorted(counted) == list(range(num_rows))


def own_generator(num_rows: int, batch_size: int) -> DataLoader:
    return DataLoader(
        make_rows(num_rows), batch_size=batch_size, shuffle=True, collate_fn=Collate(ENCODER, "regression"),
        generator=torch.Generator().manual_seed(4),
    )  # fmt: skip


@pytest.mark.parametrize("make", [shuffled, torch_shuffled, own_generator])
@pytest.mark.parametrize("num_rows", [16, 33, 40])
def test_the_batches_of_all_ranks_are_the_batch_of_one_process(make: Callable, num_rows: int) -> None:
    (one,) = shares(make, num_rows, 8, 1)
    joined = [
        [row for batch in step for row in batch.row_ids[batch.target_mask].tolist()]
        for step in zip(*shares(make, num_rows, 4, 2), strict=True)
    ]
    assert joined == [batch.row_ids.tolist() for batch in one]


def test_a_filler_counts_nothing() -> None:
    filler = shares(shuffled, 4, 4, 2)[1][0]
    assert not filler.target_mask.any()
    assert filler.row_ids.tolist() == [-1] * 4


@pytest.mark.parametrize("make", [shuffled, torch_shuffled])
def test_seed_and_epoch_decide_the_order(make: Callable) -> None:
    def order(seed: int, epoch: int) -> list[list[int]]:
        loader.begin_epoch(seed, epoch)
        return [batch.row_ids.tolist() for batch in loader]

    loader = RankLoader(make(16, 4), rank=0, world_size=2)
    first = order(7, 3)
    assert order(7, 4) != first
    assert order(7, 3) == first


def test_drawing_the_order_leaves_the_global_random_numbers_alone() -> None:
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    iter(RankLoader(torch_shuffled(16, 4), rank=0, world_size=2)._own.batch_sampler)
    assert torch.equal(torch.rand(3), expected)


def test_batch_samplers_are_told_the_epoch() -> None:
    class Bucketed(BatchSampler):
        def set_epoch(self, epoch: int) -> None:
            self.epoch = epoch

    buckets = Bucketed(range(8), 4, drop_last=False)
    loader = DataLoader(make_rows(8), batch_sampler=buckets, collate_fn=Collate(ENCODER, "regression"))
    RankLoader(loader).begin_epoch(1, 5)
    assert buckets.epoch == 5


def test_rows_that_are_shared_out_already_are_refused() -> None:
    rows = make_rows(8)
    sampler = DistributedSampler(rows, num_replicas=2, rank=0)
    with pytest.raises(DataError, match="its DistributedSampler shares them out already; leave that to fit"):
        RankLoader(DataLoader(rows, batch_size=2, sampler=sampler), world_size=2)


def test_everything_else_of_a_loader_is_kept() -> None:
    def init(worker: int) -> None:
        """Do nothing, by this name."""

    loader = DataLoader(
        make_rows(8), batch_size=2, num_workers=1, worker_init_fn=init, persistent_workers=True, timeout=5,
        prefetch_factor=3, generator=torch.Generator(), multiprocessing_context="spawn",
        collate_fn=Collate(ENCODER, "regression"),
    )  # fmt: skip
    own = RankLoader(loader, rank=1, world_size=2)._own
    for name in ("num_workers", "worker_init_fn", "persistent_workers", "timeout", "prefetch_factor", "generator"):
        assert getattr(own, name) == getattr(loader, name)
