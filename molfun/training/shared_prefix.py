"""The frozen beginning that several models have in common, computed once for each batch that all of them predict.

What a store knows already is read from it, where there is one.
"""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from molfun.adapters.base import BaseAdapter
from molfun.models.precision import Precision
from molfun.models.structure import MolfunStructureModel
from molfun.training.prefix_cache import GIGABYTE, Boundary, PrefixCache, find_boundary, frozen_modules, run_on
from molfun.types import Batch, Trunk


def share_frozen(
    models: Sequence[MolfunStructureModel], precisions: Sequence[Precision], folder: Path | None, *,
    max_gigabytes: float,
) -> list[SharedTrunk | None]:  # fmt: skip
    """Return what answers the trunk of each model in its place, None where that would gain nothing.

    Args:
        models: Set up by their strategies, with their weights, on their devices, in eval mode.
        precisions: What each computes in.
        folder: Of all stores of frozen states; None reads none.
        max_gigabytes: What all stores may hold together, in 10^9 bytes.
    """
    shared: list[SharedPrefix] = []
    answers: list[SharedTrunk | None] = []
    owners: list[SharedPrefix | None] = []
    for model, precision in zip(models, precisions, strict=True):
        boundary = find_boundary(model)
        own = None
        if boundary is not None:
            own = next((one for one in shared if one.is_beginning_of(model, boundary, precision)), None)
            if own is None:
                own = SharedPrefix(model, boundary, precision, folder, max_bytes=int(max_gigabytes * GIGABYTE))
                shared.append(own)
        owners.append(own)
    for model, own in zip(models, owners, strict=True):
        is_used = own is not None and (folder is not None or owners.count(own) > 1)
        answers.append(SharedTrunk(model.adapter, own) if own is not None and is_used else None)
    return answers


class SharedPrefix:
    """The frozen beginning of one model or of several; a batch goes through it for whichever comes first.

    Only the states of the newest batch are held, and no longer than somebody holds that batch.

    Args:
        model: One that has it.
        boundary: Where it ends.
        precision: What it computes in.
        folder: As in `share_frozen`; the store is opened with the first batch, because its name is a hash of weights.
        max_bytes: Of all stores together.
    """

    def __init__(
        self, model: MolfunStructureModel, boundary: Boundary, precision: Precision, folder: Path | None, *,
        max_bytes: int,
    ) -> None:  # fmt: skip
        self.model, self.precision, self.folder, self.max_bytes = model, precision, folder, max_bytes
        self.wanted = boundary
        # Without a store there is no reason to pool early, and the head does it in the very same way as ever.
        self.boundary = boundary if folder is not None else replace(boundary, pooling="")
        self._cache: PrefixCache | None = None
        self._batch: weakref.ref[Batch] | None = None
        self._states: tuple[Tensor, ...] = ()

    def is_beginning_of(self, model: MolfunStructureModel, boundary: Boundary, precision: Precision) -> bool:
        """Tell whether another model begins with the same modules and weights, and computes in the same numbers."""
        own = self.precision
        if (boundary, precision.dtype, precision.device) != (self.wanted, own.dtype, own.device):
            return False
        return _have_equal_weights(self.model.adapter, model.adapter, boundary)

    @property
    def num_read(self) -> int:
        """Rows that came from the store."""
        return 0 if self._cache is None else self._cache.num_read

    def states(self, batch: Batch) -> tuple[Tensor, ...]:
        """Return the states of every chain behind the beginning."""
        if self._batch is None or self._batch() is not batch:
            self._states = ()
            self._states = self._compute(batch)
            self._batch = weakref.ref(batch, self._forget)
        return self._states

    def _forget(self, gone: weakref.ref[Batch]) -> None:
        if gone is self._batch:
            self._states, self._batch = (), None

    def _compute(self, batch: Batch) -> tuple[Tensor, ...]:
        if self.folder is None:
            return self.model.adapter.run_to(batch, self.boundary.depth, is_whole=self.boundary.is_whole)
        if self._cache is None:
            self._cache = PrefixCache(
                self.model, self.boundary, self.precision, self.folder, max_bytes=self.max_bytes, is_guest=True
            )
        return self._cache.states(batch)


class SharedTrunk:
    """Answers the trunk of a model.

    Args:
        adapter: Of the model.
        shared: How it begins.
    """

    def __init__(self, adapter: BaseAdapter, shared: SharedPrefix) -> None:
        self.adapter, self.shared = adapter, shared

    def __call__(self, batch: Batch) -> Trunk:
        """Return what the trunk gives to the head."""
        return run_on(self.adapter, self.shared.boundary, self.shared.states(batch), batch)

    @property
    def num_read(self) -> int:
        """Rows whose beginning came from a store."""
        return self.shared.num_read

    @property
    def work(self) -> float:
        """What it computes itself, as a share of its trunk."""
        if self.adapter is self.shared.model.adapter:
            return 1.0
        return 1.0 - self.shared.boundary.depth / len(self.adapter.get_trunk_blocks())


def _have_equal_weights(first: BaseAdapter, second: BaseAdapter, boundary: Boundary) -> bool:
    if first.card != second.card:
        return False
    for ours, theirs in zip(frozen_modules(first, boundary), frozen_modules(second, boundary), strict=True):
        own, other = ours.state_dict(), theirs.state_dict()
        if own.keys() != other.keys() or not all(torch.equal(own[name], other[name]) for name in own):
            return False
    return True
