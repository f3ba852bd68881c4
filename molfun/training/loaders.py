"""The share of a loader's batches that one of several processes gets: every N-th, equally many for all.

Batches 0..N-1 together are one batch of a single process that is N times as large, so the order of the rows stays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sized
from typing import Any

import torch
from torch.utils.data import DataLoader, IterableDataset

from molfun.types import Batch, Loader


class RankBatches:
    """Every N-th list of row indices of a batch sampler, from `rank` on; filled up so that all ranks get equally many.

    Args:
        batch_sampler: Gives lists of row indices, the same on every rank once seeded alike.
        rank: Number of this process.
        world_size: Number of processes.
        shared_seed: Returns the same new seed on every rank; samplers that draw from torch's global random numbers then
            shuffle alike everywhere.
    """

    def __init__(self, batch_sampler: Any, *, rank: int, world_size: int, shared_seed: Callable[[], int]) -> None:
        self.batch_sampler, self.rank, self.world_size = batch_sampler, rank, world_size
        self.shared_seed = shared_seed

    def __len__(self) -> int:
        """Return the number of batches of each rank."""
        return -(-len(self.batch_sampler) // self.world_size)

    def __iter__(self) -> Iterator[list[int]]:
        """Yield lists of row indices."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.shared_seed())
            batches = list(self.batch_sampler)
        batches += [batches[0]] * (-len(batches) % self.world_size)
        return iter(batches[self.rank :: self.world_size])


class RankLoader:
    """Batches of one rank. Where there is none left for it, a filler comes: a batch in which nothing counts.

    Args:
        loader: A DataLoader, of which only this rank's rows are read, or anything else that can be counted and gone
            through, of which this rank picks its batches.
        rank: Number of this process.
        world_size: Number of processes.
        shared_seed: See `RankBatches`.
    """

    def __init__(self, loader: Loader, *, rank: int, world_size: int, shared_seed: Callable[[], int]) -> None:
        self.loader, self.rank, self.world_size = loader, rank, world_size
        self.sampler, self.generator = getattr(loader, "sampler", None), getattr(loader, "generator", None)
        self.num_batches = len(loader)
        self._own = _share(loader, rank=rank, world_size=world_size, shared_seed=shared_seed)

    def __len__(self) -> int:
        """Return the number of batches of each rank, fillers included."""
        return -(-self.num_batches // self.world_size)

    def __iter__(self) -> Iterator[Batch]:
        """Yield `Batch` objects."""
        for k, batch in enumerate(self._picked() if self._own is None else self._own):
            yield batch if k * self.world_size + self.rank < self.num_batches else batch.as_filler()

    def _picked(self) -> Iterator[Batch]:
        first = None
        for k, batch in enumerate(self.loader):
            first = batch if first is None else first
            if k % self.world_size == self.rank:
                yield batch
        if first is not None and (len(self) - 1) * self.world_size + self.rank >= self.num_batches:
            yield first


def _share(loader: Loader, *, rank: int, world_size: int, shared_seed: Callable[[], int]) -> DataLoader[Any] | None:
    """Return a DataLoader like `loader` that reads only the rows of `rank`, or None where it is none of rows."""
    if not isinstance(loader, DataLoader) or isinstance(loader.dataset, IterableDataset):
        return None
    if loader.batch_sampler is None:
        return None
    # Typed as an iterable by torch; whatever makes batches for a loader of known length can be counted.
    assert isinstance(loader.batch_sampler, Sized)
    chosen = RankBatches(loader.batch_sampler, rank=rank, world_size=world_size, shared_seed=shared_seed)
    return DataLoader(
        loader.dataset, batch_sampler=chosen, collate_fn=loader.collate_fn, num_workers=loader.num_workers,
        pin_memory=loader.pin_memory, timeout=loader.timeout, worker_init_fn=loader.worker_init_fn,
        multiprocessing_context=loader.multiprocessing_context, generator=loader.generator,
        prefetch_factor=loader.prefetch_factor, persistent_workers=loader.persistent_workers,
    )  # fmt: skip
