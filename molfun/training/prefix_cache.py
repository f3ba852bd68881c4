"""The frozen beginning of a trunk is computed once a sequence: what stands behind it is read from a store ever after.

What is frozen is read off `requires_grad`, whatever the strategy is called. Where all of the trunk is frozen and the
head pools without weights of its own, what is kept is one vector a sequence.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from torch import Tensor, nn

from molfun.adapters.base import BaseAdapter
from molfun.models.heads import ClsPooling, MeanPooling, PerResidueHead, PooledHead
from molfun.models.precision import Precision
from molfun.models.settings import HeadSettings
from molfun.models.structure import MolfunStructureModel
from molfun.training.state_store import KEY_BYTES, StateStore
from molfun.types import Batch, Chain, Trunk

logger = logging.getLogger(__name__)

FORMAT = 1
POOLINGS = {"mean": MeanPooling(), "cls": ClsPooling()}
GIGABYTE = 10**9


@dataclass(frozen=True)
class Boundary:
    """Where the frozen beginning of a trunk ends.

    Attributes:
        depth: Number of blocks in it.
        is_whole: Whether the norm behind the last block belongs to it, too.
        pooling: Of its states, "mean" or "cls", where the head needs no more of them; else "".
    """

    depth: int
    is_whole: bool = False
    pooling: str = ""


def find_boundary(model: MolfunStructureModel) -> Boundary | None:
    """Return where the frozen beginning of a prepared model ends; None where it has none worth keeping."""
    adapter, parts = model.adapter, dict(model.adapter.named_parts())
    if any(p.requires_grad for name in ("embedder", "other", "structure_module") for p in parts[name]):
        return None
    blocks = adapter.get_trunk_blocks()
    depth = next((i for i, block in enumerate(blocks) if _trains(block)), len(blocks))
    is_whole = depth == len(blocks) and not any(_trains(module) for module in adapter.get_output_modules())
    if not depth or not adapter.can_begin_at(depth, is_whole=is_whole):
        return None
    head = model.head
    pooling = head.fixed_pooling if is_whole and isinstance(head, PooledHead) else ""
    return Boundary(depth, is_whole, pooling)


@contextmanager
def frozen_prefix(
    model: MolfunStructureModel, precision: Precision, folder: Path | None, *, max_gigabytes: float
) -> Iterator[PrefixCache | None]:
    """Let a model read its frozen beginning from a store within the block.

    Args:
        model: Prepared by its strategy, with the weights of its frozen part, on its device.
        precision: What it computes in.
        folder: Of all stores; None keeps nothing.
        max_gigabytes: What all stores may hold together, in 10^9 bytes.

    Yields:
        The cache, None where there is nothing to keep.
    """
    boundary = find_boundary(model) if folder is not None and max_gigabytes > 0 else None
    if folder is None or boundary is None:
        yield None
        return
    model.prefix = PrefixCache(model, boundary, precision, folder, max_bytes=int(max_gigabytes * GIGABYTE))
    logger.info(
        "The first %d of %d blocks are frozen: their states are computed once a sequence and kept; %d are known.",
        boundary.depth, len(model.adapter.get_trunk_blocks()), len(model.prefix.store),
    )  # fmt: skip
    try:
        yield model.prefix
    finally:
        model.prefix = None


@contextmanager
def frozen_trunk(
    adapter: BaseAdapter, precision: Precision, folder: Path | None, *, max_gigabytes: float, is_pooled: bool
) -> Iterator[PrefixCache | None]:
    """Yield what answers a trunk that nobody trains from the same stores; arguments and None as in `frozen_prefix`.

    Args:
        adapter: In eval mode, on its device; nothing of it trains afterwards.
        precision: As there.
        folder: As there.
        max_gigabytes: As there.
        is_pooled: Whether the mean over residues is enough, which is one state a chain then.
    """
    adapter.freeze_trunk()
    size = adapter.hidden_size
    head = PooledHead(size, 1, 1, HeadSettings()) if is_pooled else PerResidueHead(size, 1, HeadSettings())
    model = MolfunStructureModel(adapter, head)
    with frozen_prefix(model, precision, folder, max_gigabytes=max_gigabytes) as cache:
        yield cache


class PrefixCache:
    """Answers the trunk of a model.

    Args:
        model: As in `frozen_prefix`.
        boundary: Of `find_boundary`.
        precision: As there.
        folder: Of all stores.
        max_bytes: Of all stores together.
        is_guest: Whether it belongs to a prediction, which may see many sequences once: only pooled states are kept,
            and no other store makes room for them.
    """

    def __init__(
        self, model: MolfunStructureModel, boundary: Boundary, precision: Precision, folder: Path, *, max_bytes: int,
        is_guest: bool = False,
    ) -> None:  # fmt: skip
        self.adapter, self.boundary = model.adapter, boundary
        self.writes = bool(boundary.pooling) or not is_guest
        about = about_states(model.adapter, boundary, precision)
        place = folder / _name_of(model.adapter, boundary, about)
        self.store = StateStore(place, model.adapter.hidden_size, max_bytes=max_bytes, evicts=not is_guest)
        self.store.describe({**about, "card": model.adapter.card.name, "weights": model.adapter.weights})
        self.seconds = 0.0  # spent on computing, since it was made
        self.num_read = 0  # rows that came from the store, since it was made

    def __call__(self, batch: Batch) -> Trunk:
        """Return what the trunk gives to the head."""
        return run_on(self.adapter, self.boundary, self.states(batch), batch)

    def states(self, batch: Batch) -> tuple[Tensor, ...]:
        """Return the states of every chain behind the boundary, [B, L, D] or pooled [B, 1, D]."""
        return tuple(self._chain(chain) for chain in batch.chains)

    def _chain(self, chain: Chain) -> Tensor:
        """Return the states of one chain of a batch, padded with 0."""
        keys = _keys(chain)
        found = {key: self.store.find(key) for key in dict.fromkeys(keys)}
        if any(states is None for states in found.values()):
            self.store.look_again()
            found = {key: self.store.find(key) for key in found}
        rows = [keys.index(key) for key, states in found.items() if states is None]
        self.num_read += len(found) - len(rows)
        if len(rows) == len(keys) and not self.writes:
            (hidden_BLD,) = self.adapter.run_to(_alone(chain), self.boundary.depth, is_whole=self.boundary.is_whole)
            return hidden_BLD  # nothing to read and nothing to write: it stays where it is
        if rows:
            computed = self._compute(chain, rows)
            if self.writes:
                self.store.add({keys[row]: states for row, states in computed.items()})
            found |= {keys[row]: states for row, states in computed.items()}
        length = 1 if self.boundary.pooling else chain.tokens_BL.shape[1]
        padded = np.zeros((len(keys), length, self.store.width), dtype=np.float32)
        for place, key in enumerate(keys):
            states = found[key]
            assert states is not None
            padded[place, : len(states)] = states
        return torch.from_numpy(padded).to(chain.tokens_BL.device, non_blocking=True)

    @torch.no_grad()
    def _compute(self, chain: Chain, rows: Sequence[int]) -> dict[int, np.ndarray]:
        """Return the states of some rows of a chain, float32 [tokens or 1, D] each."""
        chosen = torch.as_tensor(rows, device=chain.tokens_BL.device)
        own = Chain(chain.tokens_BL[chosen], chain.mask_BL[chosen], chain.residues_BL[chosen])
        began = time.monotonic()
        (hidden_BLD,) = self.adapter.run_to(_alone(own), self.boundary.depth, is_whole=self.boundary.is_whole)
        if self.boundary.pooling:
            pooled_BD = POOLINGS[self.boundary.pooling](hidden_BLD.float(), own.residues_BL)
            pooled = pooled_BD.cpu().numpy()
            self.seconds += time.monotonic() - began
            return {row: value[None] for row, value in zip(rows, pooled, strict=True)}
        lengths, states = own.mask_BL.sum(dim=1).tolist(), hidden_BLD.float().cpu().numpy()
        self.seconds += time.monotonic() - began
        return {row: states[i, : lengths[i]] for i, row in enumerate(rows)}


def run_on(adapter: BaseAdapter, boundary: Boundary, states: tuple[Tensor, ...], batch: Batch) -> Trunk:
    """Return what a trunk gives to the head, from the states behind its frozen beginning."""
    if boundary.pooling:
        ones = torch.ones(batch.size, 1, dtype=torch.bool, device=states[0].device)
        return Trunk(states, (ones,) * len(states))
    if boundary.is_whole:
        return Trunk(states, tuple(chain.residues_BL for chain in batch.chains))
    return adapter.run_from(states, batch, boundary.depth)


def frozen_modules(adapter: BaseAdapter, boundary: Boundary) -> list[nn.Module]:
    """Return the modules on which the states behind a boundary depend."""
    blocks = adapter.get_trunk_blocks()[: boundary.depth]
    return [adapter.get_input_embedder(), *blocks, *(adapter.get_output_modules() if boundary.is_whole else [])]


def about_states(adapter: BaseAdapter, boundary: Boundary, precision: Precision) -> dict[str, Any]:
    """Return everything that states depend on, but weights and sequence."""
    return {
        "format": FORMAT, "family": adapter.card.family, "depth": boundary.depth, "whole": boundary.is_whole,
        "pooling": boundary.pooling, "dtype": str(precision.dtype), "device": precision.device.type,
        "torch": torch.__version__, "transformers": transformers.__version__,
    }  # fmt: skip


def _alone(chain: Chain) -> Batch:
    return Batch((chain,), None, None, torch.zeros(len(chain.tokens_BL), dtype=torch.int64))


def _trains(module: nn.Module) -> bool:
    return any(p.requires_grad for p in module.parameters())


def _keys(chain: Chain) -> list[bytes]:
    """Return what tells sequences of a chain apart: a hash of their tokens, padding left out."""
    tokens, lengths = chain.tokens_BL.to("cpu", torch.int32).numpy(), chain.mask_BL.sum(dim=1).tolist()
    return [
        hashlib.blake2b(row[:length].tobytes(), digest_size=KEY_BYTES).digest()
        for row, length in zip(tokens, lengths, strict=True)
    ]


def _name_of(adapter: BaseAdapter, boundary: Boundary, about: Mapping[str, Any]) -> str:
    """Return the name of the store: a hash of everything that its states depend on, but the sequence."""
    digest = hashlib.sha256()
    for module in frozen_modules(adapter, boundary):
        for name, tensor in sorted(module.state_dict().items()):
            digest.update(name.encode())
            digest.update(tensor.detach().cpu().reshape(-1).contiguous().view(torch.uint8).numpy())
    whole = json.dumps({**about, "weights": digest.hexdigest()}, sort_keys=True)
    return hashlib.sha256(whole.encode()).hexdigest()[:24]
