"""The heaviest batch, computed once before the first step and forgotten: too little memory shows in seconds."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil
import torch

from molfun.errors import RunError
from molfun.training.gradients import set_training_mode
from molfun.training.prefix_cache import PrefixCache
from molfun.training.randomness import random_state, set_random_state
from molfun.types import Batch

if TYPE_CHECKING:
    from molfun.training.loop import Loop

ADAM_BYTES = 8  # two float32 moments of each parameter


@dataclass(frozen=True)
class Rehearsal:
    """What the heaviest batch took.

    Attributes:
        seconds: Of its forward and backward.
        peak_bytes: Memory of it: what CUDA had at most, or by how much the resident set grew (at least 0).
        rows: Rows of the batch.
        residues: Tokens of its longest chain, special tokens left out.
        tokens: Real tokens of all chains.
        optimizer_bytes: AdamW's moments of everything that trains, which come with the first step.
        once_seconds: Of the seconds those of the frozen part, which is computed once a sequence and kept.
        reads_kept: Whether that part is read from what is kept; seconds may be without it then.
    """

    seconds: float
    peak_bytes: int
    rows: int
    residues: int
    tokens: int
    optimizer_bytes: int
    once_seconds: float = 0.0
    reads_kept: bool = False


def rehearse(loop: Loop, batch: Batch) -> Rehearsal:
    """Take the heaviest batch forward and backward; every process must call it. Nothing of the fit is changed.

    Raises:
        RunError: There is too little memory for it.
    """
    device, kept = loop.distributed.device, loop.model.prefix
    spent = kept.seconds if isinstance(kept, PrefixCache) else 0.0
    with _unchanged(loop):
        before = _memory_before(device)
        began = time.monotonic()
        try:
            loop.compute_loss(batch).backward()
            if device.type == "cuda":
                torch.cuda.synchronize(device)
        except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
            if not _is_memory(error):
                raise
            raise RunError(_advice(loop, batch)) from error
        seconds, peak = time.monotonic() - began, _memory_peak(device) - before
    trained = sum(p.numel() for group in loop.optimizer.param_groups for p in group["params"])
    once = kept.seconds - spent if isinstance(kept, PrefixCache) else 0.0
    return Rehearsal(
        seconds, max(0, peak), batch.size, _residues(batch), batch.num_tokens, ADAM_BYTES * trained, once,
        kept is not None,
    )  # fmt: skip


@contextmanager
def _unchanged(loop: Loop) -> Iterator[None]:
    """Bring random numbers, buffers and gradients back to what they were."""
    state, buffers = random_state(), {name: buffer.clone() for name, buffer in loop.model.named_buffers()}
    set_training_mode(loop.model)
    try:
        yield
    finally:
        loop.model.zero_grad(set_to_none=True)
        with torch.no_grad():
            for name, buffer in loop.model.named_buffers():
                buffer.copy_(buffers[name])
        set_random_state(state)
        if loop.distributed.device.type == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats(loop.distributed.device)


def _memory_before(device: torch.device) -> int:
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return 0
    return int(psutil.Process().memory_info().rss)


def _memory_peak(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    unit = 1 if sys.platform == "darwin" else 1024  # getrusage(2): kilobytes, but bytes there
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _is_memory(error: BaseException) -> bool:
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in str(error)


def _residues(batch: Batch) -> int:
    return max(int(chain.residues_BL.sum(dim=1).max()) for chain in batch.chains)


def _advice(loop: Loop, batch: Batch) -> str:
    rows = "1 row" if batch.size == 1 else f"{batch.size} rows"
    told = f"Out of memory at the heaviest batch ({rows} of up to {_residues(batch)} residues), before the first step."
    if batch.size == 1:
        return f"{told} Turn gradient checkpointing on, use LoRA or head only, or crop long sequences."
    half = batch.size // 2
    steps = -(-batch.size * loop.settings.accumulation_steps // half)
    return (
        f"{told} Set training.batch_size to {half} and strategy.accumulation_steps to {steps} for the same effective "
        "batch; gradient checkpointing, LoRA or head only need less as well."
    )
