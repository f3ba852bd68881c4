"""One optimiser step over the batches of an accumulation window, the same on one process and on many."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from molfun.errors import ModelError, SettingError
from molfun.losses.catalog import Loss
from molfun.models.inference import count_items, scored_items
from molfun.models.structure import MolfunStructureModel
from molfun.training.gradients import check_gradients, clip_gradients
from molfun.types import Batch

if TYPE_CHECKING:
    from molfun.training.loop import Loop

# The scale of float16's loss starts at 2^16 and is halved at every overflow.
MOST_SKIPPED = 40


def item_losses(loss: Loss, model: MolfunStructureModel, preds: Any, targets: Any) -> Tensor:
    """Return one loss an item [N], float32; numbers are compared in units of the training targets' spread."""
    if model.task != "regression":
        return loss(preds, targets)
    return loss(preds / model.target_std, targets / model.target_std)


class Stepper:
    """Takes optimiser steps for a loop.

    Args:
        loop: Its model, optimiser, precision, EMA and schedule are used.
    """

    def __init__(self, loop: Loop) -> None:
        self.loop = loop
        self._is_checked = False
        self._skipped_in_a_row = 0
        self._is_taken = True

    def step(self, window: Sequence[Batch]) -> tuple[dict[str, float], int]:
        """Take one step over a window; return its metrics, and the rows or residues that counted on all processes."""
        loop, began = self.loop, time.monotonic()
        lrs = {f"lr/{group['name']}": float(group["lr"]) for group in loop.optimizer.param_groups}
        self._check_size(window)
        items = int(loop.distributed.total(sum(self._count(batch) for batch in window))[0])
        losses = self._backward(window, max(1, items))
        local = torch.stack([values.sum() for values in losses]).sum() / max(1, items)
        norm = self._move(local) if items else torch.full_like(local, math.nan)
        loop.optimizer.zero_grad(set_to_none=True)
        # The one place where the processor waits for the device: all of the step is on its way by now.
        own_loss, norm_found = torch.stack([local.float(), norm.float()]).tolist()
        loss, tokens = loop.distributed.total(own_loss, sum(batch.num_tokens for batch in window))
        self._require_finite("loss", loss, window, losses)
        if items:
            self._settle(norm_found, window, losses)
        seconds = time.monotonic() - began
        speed = tokens / max(1e-9, seconds)
        # Without a labelled item there is no loss and nothing to learn.
        loss = loss if items else math.nan
        return {"loss": loss, **lrs, "grad_norm": norm_found, "tokens_per_second": speed, "epoch": loop.position}, items

    def _count(self, batch: Batch) -> int:
        """Return how many items of a batch count: none where it is too small for a loss that compares them."""
        items = count_items(batch)
        return items if items >= self.loop.min_items else 0

    def _move(self, loss: Tensor) -> Tensor:
        """Clip and step, unless loss or gradient are not finite, which the device itself finds out; return the norm."""
        loop = self.loop
        loop.precision.scaler.unscale_(loop.optimizer)
        self._check_once()
        norm = clip_gradients(loop.model, loop.settings.grad_clip)
        self._is_taken = loop.precision.step(loop.optimizer, unless=~(torch.isfinite(loss) & torch.isfinite(norm)))
        return norm

    def _settle(self, norm: float, window: Sequence[Batch], losses: Sequence[Tensor]) -> None:
        """Let schedule and average follow a step that was taken; end a fit whose gradient is not finite."""
        loop = self.loop
        if not loop.precision.scaler.is_enabled():  # with a scaler, an overflow is a skipped step and no failure
            self._require_finite("gradient", norm, window, losses)
        if self._is_taken:
            loop.scheduler.step()
            loop.ema.update()
            self._skipped_in_a_row = 0
        else:
            self._skipped_in_a_row += 1
        if self._skipped_in_a_row >= MOST_SKIPPED:
            # Halved so often, the loss scale cannot be what makes the gradient overflow.
            self._require_finite("gradient", math.inf, window, losses)

    def _backward(self, window: Sequence[Batch], items: int) -> list[Tensor]:
        """Add up the gradients of a window and return its item losses, detached, one tensor a batch.

        Each batch adds its items' sum over the items of the whole window on all processes: the gradient of one big
        batch, also where the last window of an epoch is shorter or lengths differ.
        """
        loop, found = self.loop, []
        for i, batch in enumerate(window):
            is_last = i == len(window) - 1
            with nullcontext() if is_last else loop.distributed.no_sync(loop.wrapped):
                values = self.losses(batch.to(loop.distributed.device))
                # Wrapped models average gradients over the processes; the loss is their sum.
                loss = values.sum() * (loop.distributed.world_size / items)
                loop.precision.scaler.scale(loss).backward()
            found.append(values.detach())
        return found

    def losses(self, batch: Batch) -> Tensor:
        """Return the loss of every item of a batch on the fit's device, float32 [N]."""
        loop = self.loop
        with loop.precision.autocast():
            preds = loop.wrapped(batch)["preds"]
        return item_losses(loop.loss, loop.model, *scored_items(preds.float(), batch))

    def _check_once(self) -> None:
        if not self._is_checked:
            check_gradients(self.loop.model)
            self._is_checked = True

    def _check_size(self, window: Sequence[Batch]) -> None:
        """Hold, at the first step, that batches are large enough for a loss that compares items with each other."""
        loop = self.loop
        if self._is_checked or loop.min_items == 1:
            return
        largest = max(count_items(batch) for batch in window)
        if loop.distributed.total(float(largest >= loop.min_items))[0] == 0:
            raise SettingError(
                f"The loss {loop.settings.loss_fn!r} compares the rows of a batch and needs at least {loop.min_items} "
                f"of them, but batches have {largest}; raise the batch size."
            )

    def _require_finite(self, what: str, value: float, window: Sequence[Batch], losses: Sequence[Tensor]) -> None:
        if math.isfinite(value):
            return
        loop = self.loop
        guilty = [row for batch, values in zip(window, losses, strict=True) for row in _rows_not_finite(batch, values)]
        every = [int(row) for batch in window for row in batch.row_ids if row >= 0]
        found = loop.distributed.collect((guilty, every, loop.settled_checkpoint()))
        rows = [row for some, _, _ in found for row in some] or [row for _, some, _ in found for row in some]
        listed = ", ".join(map(str, rows[:20])) + (f" and {len(rows) - 20} more" if len(rows) > 20 else "")
        kept = f" The last good checkpoint is {found[0][2]}." if found[0][2] else ""
        raise ModelError(
            f"The {what} became {value} in step {loop.progress.step + 1} (rows {listed}). Lower the learning rate, add "
            f"warm-up, or look at the targets of these rows.{kept}"
        )


def _rows_not_finite(batch: Batch, values: Tensor) -> list[int]:
    """Return the row ids of items whose own loss is not finite."""
    assert batch.target_mask is not None
    rows = batch.target_mask.nonzero()[:, 0].to(values.device)
    return sorted({int(batch.row_ids[row]) for row in rows[~torch.isfinite(values)]})
