"""The batches of an epoch in an order that a seed and the epoch decide, and the share of them that one process gets.

Batches 0..N-1 of N processes together are one batch of a single process that is N times as large, so the order of the
rows is the same on one process and on many.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sized
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, DistributedSampler, IterableDataset

from molfun.errors import DataError
from molfun.training.randomness import random_state, set_random_state
from molfun.types import Batch, Loader


class RankBatches:
    """Every N-th list of row indices of a batch sampler, from `rank` on; filled up so that all ranks get equally many.

    Whatever random numbers the sampler draws from, if they are not its own, start from `seed`: all processes draw the
    same order, and a resumed one draws it again.

    Args:
        batch_sampler: Gives lists of row indices.
        rank: Number of this process.
        world_size: Number of processes.
    """

    def __init__(self, batch_sampler: Any, *, rank: int, world_size: int) -> None:
        self.batch_sampler, self.rank, self.world_size = batch_sampler, rank, world_size
        self.seed = 0

    def __len__(self) -> int:
        """Return the number of batches of each rank."""
        return -(-len(self.batch_sampler) // self.world_size)

    def __iter__(self) -> Iterator[list[int]]:
        """Yield lists of row indices."""
        with _seeded(self.seed):
            batches = list(self.batch_sampler)
        batches += batches[:1] * (-len(batches) % self.world_size)
        return iter(batches[self.rank :: self.world_size])


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Let Python, NumPy and torch's CPU draw from `seed` on within the block, and go on as before after it."""
    before = random_state()
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.default_generator.manual_seed(seed)
    try:
        yield
    finally:
        set_random_state(before)


class RankLoader:
    """Batches of one rank. Where there is none left for it, a filler comes: a batch in which nothing counts.

    Args:
        loader: A DataLoader, of which only this rank's rows are read, or anything else that can be counted and gone
            through, of which this rank picks its batches.
        rank: Number of this process.
        world_size: Number of processes.

    Raises:
        DataError: The loader shares its rows out already.
    """

    def __init__(self, loader: Loader, *, rank: int = 0, world_size: int = 1) -> None:
        self.loader, self.rank, self.world_size = loader, rank, world_size
        self.num_batches = len(loader)
        self._own = _share(loader, rank=rank, world_size=world_size)

    def __len__(self) -> int:
        """Return the number of batches of each rank, fillers included."""
        return -(-self.num_batches // self.world_size)

    def __iter__(self) -> Iterator[Batch]:
        """Yield `Batch` objects."""
        for k, batch in enumerate(self._picked() if self._own is None else self._own):
            yield batch if k * self.world_size + self.rank < self.num_batches else batch.as_filler()

    @property
    def generators(self) -> list[torch.Generator]:
        """Random generators of the loader's own, beside the global one."""
        found = [getattr(place, "generator", None) for place in self._places]
        return list({id(g): g for g in found if isinstance(g, torch.Generator)}.values())

    @property
    def num_rows(self) -> int | None:
        """Rows of an epoch, None where the loader does not tell."""
        sampler = getattr(self.loader, "sampler", None)
        return len(sampler) if isinstance(sampler, Sized) else None

    @property
    def rows_a_batch(self) -> int | None:
        """Rows of a full batch of all processes, None where the loader does not tell."""
        size = getattr(self.loader, "batch_size", None)
        return None if size is None else int(size) * self.world_size

    def begin_epoch(self, seed: int, epoch: int) -> None:
        """Make the next pass that of `epoch`, whatever passes were made before."""
        for place in self._places:
            if hasattr(place, "set_epoch"):
                place.set_epoch(epoch)
        if self._own is not None:
            batches = self._own.batch_sampler
            assert isinstance(batches, RankBatches)
            batches.seed = (seed * 1_000_003 + epoch) % 2**63

    @property
    def _places(self) -> list[Any]:
        return [self.loader, getattr(self.loader, "sampler", None), getattr(self.loader, "batch_sampler", None)]

    def _picked(self) -> Iterator[Batch]:
        first = None
        for k, batch in enumerate(self.loader):
            first = batch if first is None else first
            if k % self.world_size == self.rank:
                yield batch
        if first is not None and (len(self) - 1) * self.world_size + self.rank >= self.num_batches:
            yield first


def _share(loader: Loader, *, rank: int, world_size: int) -> DataLoader[Any] | None:
    """Return a DataLoader like `loader` that reads only the rows of `rank`, or None where it is none of rows."""
    if not isinstance(loader, DataLoader) or isinstance(loader.dataset, IterableDataset):
        return None
    if loader.batch_sampler is None:
        return None
    if isinstance(loader.sampler, DistributedSampler):
        raise DataError(
            "The loader should give all rows, but its DistributedSampler shares them out already; leave that to fit, "
            "with a plain sampler."
        )
    return DataLoader(
        loader.dataset, batch_sampler=RankBatches(loader.batch_sampler, rank=rank, world_size=world_size),
        collate_fn=loader.collate_fn, num_workers=loader.num_workers, pin_memory=loader.pin_memory,
        timeout=loader.timeout, worker_init_fn=loader.worker_init_fn,
        multiprocessing_context=loader.multiprocessing_context, generator=loader.generator,
        prefetch_factor=loader.prefetch_factor, persistent_workers=loader.persistent_workers,
    )  # fmt: skip
