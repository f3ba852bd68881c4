"""The parts of one fit and what happens to them in an epoch; `FinetuneStrategy.fit` puts them in order."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from molfun.errors import DataError, ModelError
from molfun.losses.catalog import find_loss
from molfun.metrics import compute_metrics
from molfun.models.inference import count_items, iterate_predictions, scored_items
from molfun.models.precision import Precision
from molfun.models.structure import MolfunStructureModel
from molfun.tracking.base import BaseTracker
from molfun.training import checkpoint
from molfun.training.callbacks import Callback, CallbackList
from molfun.training.distributed import BaseDistributedStrategy
from molfun.training.ema import EMA, NullEMA
from molfun.training.gradients import check_gradients, clip_gradients, set_training_mode
from molfun.training.groups import optimizer_groups
from molfun.training.schedules import build_scheduler
from molfun.types import Batch

if TYPE_CHECKING:
    from molfun.training.base import FinetuneStrategy


@dataclass
class Progress:
    """How far a fit is. `epoch` and `step` count what is finished; `best_value` is the lowest validation loss."""

    epochs: int
    steps_per_epoch: int
    epoch: int = 0
    step: int = 0
    best_value: float = math.inf
    best_epoch: int = 0
    epochs_without_improvement: int = 0
    stop_reason: str = ""
    history: list[dict[str, float]] = field(default_factory=list)

    @property
    def total_steps(self) -> int:
        """Optimiser steps of the whole run."""
        return self.epochs * self.steps_per_epoch


class Loop:
    """Optimiser, schedule, precision, EMA and progress of one fit.

    Args:
        strategy: Gives settings and parameter groups.
        model: Prepared by the strategy, on its device.
        num_batches: Batches of one epoch.
        epochs: Passes over the training rows.
        distributed: How the run is spread.
        callbacks: Hooks.
        checkpoint_dir: Where checkpoints go; None keeps none.

    Raises:
        DataError: There is no training batch.
    """

    def __init__(
        self, strategy: FinetuneStrategy, model: MolfunStructureModel, *, num_batches: int, epochs: int,
        distributed: BaseDistributedStrategy, callbacks: Sequence[Callback], checkpoint_dir: Path | None,
    ) -> None:  # fmt: skip
        if num_batches < 1:
            raise DataError("There is no training row; give the training part of the split at least one.")
        settings = strategy.settings
        self.strategy, self.settings, self.model, self.distributed = strategy, settings, model, distributed
        self.callbacks, self.checkpoint_dir = CallbackList(callbacks), checkpoint_dir
        self.progress = Progress(epochs, math.ceil(num_batches / settings.accumulation_steps))
        self.loss = find_loss(settings.loss_fn)
        self.optimizer = torch.optim.AdamW(optimizer_groups(strategy.param_groups(model), model, settings.weight_decay))
        self.scheduler = build_scheduler(
            self.optimizer, total_steps=self.progress.total_steps, warmup_steps=settings.warmup_steps,
            kind=settings.scheduler, min_lr=settings.min_lr,
        )  # fmt: skip
        self.precision = Precision(distributed.device, amp=settings.amp)
        self.ema = EMA(model.named_parameters(), settings.ema_decay) if settings.ema_decay > 0 else NullEMA()
        self.was_interrupted = False
        self._gradients_checked = False
        # Left over where an earlier fit of this model ended with an error.
        model.zero_grad(set_to_none=True)

    @property
    def wants_epoch(self) -> bool:
        """True while epochs are left and nobody asked to stop."""
        return self.progress.epoch < self.progress.epochs and not self.progress.stop_reason

    def request_stop(self, reason: str) -> None:
        """End the fit after the step under way; `reason` is shown to people."""
        self.progress.stop_reason = self.progress.stop_reason or reason

    def train_epoch(self, loader: Iterable[Batch], tracker: BaseTracker) -> dict[str, float]:
        """Take every step of an epoch; return epoch, train_loss (mean over items, of raw weights) and seconds."""
        progress, began = self.progress, time.monotonic()
        reorder = getattr(getattr(loader, "sampler", None), "set_epoch", None)
        if reorder is not None:
            reorder(progress.epoch)
        set_training_mode(self.model)
        loss_sum, num_items = 0.0, 0
        # After a stop inside an epoch, the windows that were trained then are not trained again.
        done = progress.step - progress.epoch * progress.steps_per_epoch
        for window in islice(_windows(loader, self.settings.accumulation_steps), done, None):
            metrics, items = self._step(window)
            loss_sum, num_items = loss_sum + metrics["loss"] * items, num_items + items
            tracker.log_step(metrics, step=progress.step)
            self.callbacks.on_step_end(self, metrics)
            if progress.stop_reason:
                self.was_interrupted = progress.step < (progress.epoch + 1) * progress.steps_per_epoch
                break
        progress.epoch += not self.was_interrupted
        return {
            "epoch": float(progress.epoch),
            "train_loss": loss_sum / max(1, num_items),
            "seconds": time.monotonic() - began,
        }

    def _step(self, window: list[Batch]) -> tuple[dict[str, float], int]:
        """Take one optimiser step over the batches of an accumulation window; return its metrics and item count."""
        began, items = time.monotonic(), sum(count_items(batch) for batch in window)
        tokens = sum(batch.num_tokens for batch in window)
        lrs = {f"lr/{group['name']}": float(group["lr"]) for group in self.optimizer.param_groups}
        # Each batch adds its items' sum over the items of the whole window: the gradient of one big batch,
        # also where the last window of an epoch is shorter or lengths differ.
        loss = sum(self._backward(batch, max(1, items)) for batch in window)
        self._require_finite("loss", loss, window)
        self.precision.scaler.unscale_(self.optimizer)
        self._check_gradients_once()
        norm = clip_gradients(self.model, self.settings.grad_clip)
        if not self.precision.scaler.is_enabled():  # with a scaler, an overflow is a skipped step and no failure
            self._require_finite("gradient", norm, window)
        if self.precision.step(self.optimizer):
            self.scheduler.step()
            self.ema.update()
        self.optimizer.zero_grad(set_to_none=True)
        self.progress.step += 1
        metrics = {"loss": loss, **lrs, "grad_norm": norm, "tokens_per_second": tokens / (time.monotonic() - began)}
        return {**metrics, "epoch": self.progress.step / self.progress.steps_per_epoch}, items

    def _backward(self, batch: Batch, items: int) -> float:
        moved = batch.to(self.distributed.device)
        loss = self._compute_loss(moved) / items
        self.precision.scaler.scale(loss).backward()
        return float(loss.detach())

    def _compute_loss(self, batch: Batch) -> Tensor:
        """Return the summed loss of a batch's items, float32; numbers are compared in units of their spread."""
        with self.precision.autocast():
            preds = self.model(batch)["preds"]
        return self._items(*scored_items(preds.float(), batch)).sum()

    def _items(self, preds: Tensor, targets: Tensor) -> Tensor:
        scale = self.model.target_std if self.model.task == "regression" else 1.0
        return self.loss(preds / scale, targets / scale if self.model.task == "regression" else targets)

    def _check_gradients_once(self) -> None:
        if not self._gradients_checked:
            check_gradients(self.model)
            self._gradients_checked = True

    def _require_finite(self, what: str, value: float, window: list[Batch]) -> None:
        if math.isfinite(value):
            return
        rows = [str(int(row)) for batch in window for row in batch.row_ids]
        raise ModelError(
            f"The {what} became {value} in step {self.progress.step + 1} (rows {', '.join(rows[:20])}). "
            "Lower the learning rate, add warm-up, or look at the targets of these rows."
        )

    def validate(self, loader: Iterable[Batch]) -> dict[str, float]:
        """Score the validation rows under the averaged weights; keep the best checkpoint; count patience."""
        progress = self.progress
        with self.ema.applied():
            metrics = self._evaluate(loader)
            is_best = metrics["val_loss"] < progress.best_value
            if is_best:
                progress.best_value, progress.best_epoch = metrics["val_loss"], progress.epoch
                # Saved before the live weights come back: the file is the model that was judged.
                self.save("best", weights="ema" if self.ema.is_active else "raw")
        progress.epochs_without_improvement = 0 if is_best else progress.epochs_without_improvement + 1
        patience = self.settings.early_stopping_patience
        if patience and progress.epochs_without_improvement >= patience:
            self.request_stop(f"no better validation loss for {patience} epochs")
        return metrics

    def _evaluate(self, loader: Iterable[Batch]) -> dict[str, float]:
        pairs = [scored_items(p, b) for b, p in iterate_predictions(self.model, loader, self.precision)]
        preds, targets = torch.cat([p for p, _ in pairs]), torch.cat([t for _, t in pairs])
        loss = float(self._items(preds, targets).mean())
        num_classes = preds.shape[-1] if preds.ndim > 1 else 0
        scores = compute_metrics(preds.cpu(), targets.cpu(), task=self.model.task, num_classes=num_classes)
        return {"val_loss": loss, **{f"val_{name}": value for name, value in scores.items()}}

    def finish_epoch(self, row: dict[str, float], save_every: int) -> None:
        """Add the epoch's row to the history, and keep `epoch_N` where it is due."""
        self.progress.history.append(row)
        if save_every and self.progress.epoch % save_every == 0:
            self.save(f"epoch_{self.progress.epoch}")

    def finish(self, *, has_validation: bool) -> None:
        """Keep the last state, and the average as `best` where no validation could choose one."""
        self.save("last")
        if self.ema.is_active and not has_validation:
            with self.ema.applied():
                self.save("best", weights="ema")
        self.callbacks.on_fit_end(self)

    def save(self, name: str, *, weights: str = "raw") -> None:
        """Write a checkpoint, where there is a folder for them and this is the main process."""
        if self.checkpoint_dir is None or not self.distributed.is_main_process:
            return
        path = checkpoint.save(self, self.checkpoint_dir / name, weights=weights)
        self.callbacks.on_checkpoint(self, name, path)

    def resume(self, folder: Path) -> None:
        """Take over weights, optimiser, schedule, average, random state and progress of a checkpoint."""
        checkpoint.restore(self, folder)

    def state(self) -> dict[str, Any]:
        """Return the counters and the history as plain values."""
        return asdict(self.progress)


def _windows(loader: Iterable[Batch], size: int) -> Iterator[list[Batch]]:
    """Yield lists of up to `size` batches; the last one of an epoch may be shorter."""
    batches = iter(loader)
    while window := list(islice(batches, size)):
        yield window
