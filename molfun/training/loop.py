"""The parts of one fit and what happens to them in an epoch; `FinetuneStrategy.fit` puts them in order."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from molfun.errors import DataError, RunError, SettingError
from molfun.losses.catalog import balanced_weights, build_loss, find_loss
from molfun.models.precision import Precision
from molfun.models.structure import MolfunStructureModel
from molfun.tracking.base import BaseTracker
from molfun.training import checkpoint
from molfun.training.callbacks import Callback, CallbackList
from molfun.training.checkpoint import BEST, LAST, PREVIOUS
from molfun.training.distributed import BaseDistributedStrategy
from molfun.training.ema import EMA, NullEMA
from molfun.training.gradients import set_training_mode
from molfun.training.groups import optimizer_groups
from molfun.training.loaders import RankLoader
from molfun.training.progress import Progress
from molfun.training.randomness import random_state, set_random_state
from molfun.training.saving import CheckpointWriter, NullWriter, Saved, SavePolicy
from molfun.training.schedules import build_scheduler
from molfun.training.snapshot import Weights, take_snapshot
from molfun.training.steering import Steering
from molfun.training.stepping import Stepper
from molfun.training.validation import check_monitor, validate
from molfun.types import Batch, Loader

if TYPE_CHECKING:
    from molfun.training.base import FinetuneStrategy

logger = logging.getLogger(__name__)


class Loop:
    """Optimiser, schedule, precision, EMA, progress and checkpoints of one fit.

    Args:
        strategy: Gives settings and parameter groups.
        model: Prepared by the strategy, on its device.
        wrapped: The module whose forward and backward synchronise gradients; the model itself on one process.
        train_loader: This process's share of the training rows.
        val_loader: Its share of the validation rows; None is no validation.
        epochs: Passes over the training rows.
        distributed: How the run is spread.
        callbacks: Hooks.
        checkpoint_dir: Where checkpoints go; None keeps none.
        policy: When they are written.
        about_model: What a checkpoint must find again (`describe_model`); {} where nothing is written or read.

    Raises:
        DataError: There is no training batch.
        SettingError: Loss or monitored metric do not fit the task.
    """

    def __init__(
        self, strategy: FinetuneStrategy, model: MolfunStructureModel, wrapped: nn.Module, train_loader: RankLoader,
        val_loader: RankLoader | None = None, *, epochs: int, distributed: BaseDistributedStrategy,
        callbacks: Sequence[Callback], checkpoint_dir: Path | None, policy: SavePolicy,
        about_model: Mapping[str, Any] | None = None,
    ) -> None:  # fmt: skip
        if len(train_loader) < 1:
            raise DataError("There is no training row; give the training part of the split at least one.")
        settings = strategy.settings
        check_monitor(settings.monitor, model.task)
        self.strategy, self.settings, self.model, self.wrapped = strategy, settings, model, wrapped
        self.train_loader, self.distributed, self.policy = train_loader, distributed, policy
        self.generators = train_loader.generators + (val_loader.generators if val_loader else [])
        self.about_model = dict(about_model or {})
        a_batch = train_loader.rows_a_batch
        a_step = None if a_batch is None else a_batch * settings.accumulation_steps
        self.rows = {"an_epoch": train_loader.num_rows, "a_step": a_step}
        # Decides, with the epoch, the order of the rows where their sampler draws from the global random numbers.
        self.order_seed = int(distributed.collect(int(torch.randint(2**31, ())))[0])
        self.callbacks, self.checkpoint_dir = CallbackList(callbacks), checkpoint_dir
        self.progress = Progress(epochs, math.ceil(len(train_loader) / settings.accumulation_steps))
        self.min_items = find_loss(settings.loss_fn).min_items
        self.loss = build_loss(
            settings.loss_fn, class_weights=self._class_weights(), focal_gamma=settings.focal_gamma, task=model.task
        )
        self.precision = Precision(distributed.device, amp=settings.amp)
        logger.info("Computing in %s.", self.precision.reason)
        groups = optimizer_groups(strategy.param_groups(model), model, settings.weight_decay)
        # Fused: one pass over memory instead of a dozen.
        self.optimizer = torch.optim.AdamW(groups, fused=True)
        self.scheduler = build_scheduler(
            self.optimizer, total_steps=self.progress.total_steps, warmup_steps=settings.warmup_steps,
            kind=settings.scheduler, min_lr=settings.min_lr,
        )  # fmt: skip
        self.ema = EMA(model.named_parameters(), settings.ema_decay) if settings.ema_decay > 0 else NullEMA()
        self.writer: CheckpointWriter | NullWriter = NullWriter()
        if checkpoint_dir is not None and distributed.is_main_process:
            self.writer = CheckpointWriter(checkpoint_dir, keep=policy.keep)
        self.resumed_from = ""
        self._padding = [0, 0]  # positions of padding, and all
        self.was_interrupted = False
        # Random numbers at the beginning of the epoch under way: they decide the order of its rows.
        self.epoch_start: dict[str, Any] = {}
        self._stepper = Stepper(self)
        self.steering = Steering(self)
        # Epoch and step of the newest `last`, so that a fit without a step writes none.
        self.saved_at = (-1, -1)
        # Left over where an earlier fit of this model ended with an error.
        model.zero_grad(set_to_none=True)

    @property
    def wants_epoch(self) -> bool:
        """True while epochs are left and nobody asked to stop."""
        return self.progress.epoch < self.progress.epochs and not self.progress.stop_reason

    @property
    def position(self) -> float:
        """Epochs that are trained once the step under way is, with the share of the one it belongs to."""
        return (self.progress.step + 1) / self.progress.steps_per_epoch

    def request_stop(self, reason: str) -> None:
        """End the fit after the step under way, on every process; `reason` is shown to people."""
        self.progress.stop_reason = self.progress.stop_reason or reason

    def request_stop_after_epoch(self, reason: str) -> None:
        """End the fit once the epoch under way is trained, validated and saved."""
        self.steering.stop_after_epoch = reason

    def request_save(self) -> None:
        """Save `last` after the step under way."""
        self.steering.wants_save = True

    def request_lr_factor(self, factor: float) -> None:
        """Multiply every learning rate from the next step on."""
        self.steering.lr_factor = factor

    def request_epochs(self, epochs: int) -> None:
        """Train so many epochs in all; schedule and steps follow, as those of a resume with more epochs do.

        Raises:
            RunError: More have begun.
        """
        self.steering.ask_epochs(epochs)

    def request_pause(self) -> None:
        """Wait after the step under way, until `request_go_on` or `request_stop`."""
        self.steering.wants_pause = True

    def request_go_on(self) -> None:
        """End a pause; without one, do nothing."""
        self.steering.wants_pause = False

    def compute_loss(self, batch: Batch) -> torch.Tensor:
        """Return the scaled summed loss of a batch, for a backward that nobody follows up."""
        return self.precision.scaler.scale(self._stepper.losses(batch.to(self.distributed.device)).sum())

    def train_epoch(self, tracker: BaseTracker) -> dict[str, float]:
        """Take every step of an epoch that is left; return epoch, train_loss (mean over items) and seconds."""
        progress, mark = self.progress, time.monotonic()
        set_training_mode(self.model)
        for window in self._windows_left():
            metrics, items = self._stepper.step(window)
            self._count_padding(window)
            mark, waited = time.monotonic(), time.monotonic() - mark
            progress.add_step(metrics["loss"], items, waited)
            tracker.log_step(metrics, step=progress.step)
            self.callbacks.on_step_end(self, metrics)
            # A pause is no time of the next step.
            mark += self.steering.obey()
            self._report_saves(self.writer.poll())
            if progress.stop_reason and progress.steps_done_in_epoch < progress.steps_per_epoch:
                self.was_interrupted = True
                return {}
        return progress.end_epoch()

    @property
    def padding_share(self) -> float:
        """Share of padding in the token positions that this process trained on, 0 to 1."""
        return self._padding[0] / max(1, self._padding[1])

    def _count_padding(self, window: Sequence[Batch]) -> None:
        positions = sum(batch.num_positions for batch in window)
        self._padding[0] += positions - sum(batch.num_tokens for batch in window)
        self._padding[1] += positions

    def _windows_left(self) -> Iterator[list[Batch]]:
        """Yield the accumulation windows that are not trained yet, in the order that an unbroken epoch has them."""
        done, loader = self.progress.steps_done_in_epoch, self.train_loader
        loader.begin_epoch(self.order_seed, self.progress.epoch)
        generators, here = loader.generators, random_state()
        if done and self.epoch_start:
            # The order was drawn when the epoch began, so it is drawn again from there.
            set_random_state(self.epoch_start["random"])
            for generator, state in zip(generators, self.epoch_start["generators"], strict=True):
                generator.set_state(state)
        else:
            self.epoch_start = {"random": here, "generators": [g.get_state() for g in generators]}
        windows = _windows(loader, self.settings.accumulation_steps)
        for _ in islice(windows, done):
            pass
        if done:
            set_random_state(here)
        yield from windows

    def share_stop(self) -> None:
        """Give every process the reason of the first one that wants to stop."""
        reasons = self.distributed.collect(self.progress.stop_reason)
        self.progress.stop_reason = next(reason for reason in reasons if reason)

    def settled_checkpoint(self) -> str:
        """Return the newest checkpoint in words, once all that were handed over are on disk; "" where there is none."""
        with suppress(RunError):
            self._report_saves(self.writer.close())
        return self.writer.last_good

    def validate(self, loader: Loader) -> dict[str, float]:
        """Score the validation rows under the averaged weights, and under the raw ones on request."""
        before = random_state()
        with self.ema.applied():
            metrics = validate(self, loader)
        if self.ema.is_active and self.settings.validate_raw:
            metrics["val_loss_raw"] = validate(self, loader)["val_loss"]
        # A loader draws a random number at every pass; looking must not change what is trained.
        set_random_state(before)
        return metrics

    def finish_epoch(self, row: dict[str, float], tracker: BaseTracker) -> None:
        """Judge an epoch, record it, then save: whatever a checkpoint counts as done is in the record already."""
        progress, settings = self.progress, self.settings
        if settings.monitor in row:
            progress.judge(
                row, metric=settings.monitor, patience=settings.early_stopping_patience,
                min_delta=settings.early_stopping_min_delta,
            )  # fmt: skip
        progress.history.append(row)
        tracker.log_metrics(row, step=progress.epoch)
        self.callbacks.on_epoch_end(self, row)
        progress.stop_reason = progress.stop_reason or self.steering.ends_after_epoch
        if self.distributed.total(float(bool(progress.stop_reason)))[0]:
            self.share_stop()
        self.save_epoch()

    def save_epoch(self) -> None:
        """Save under every name that is due at the end of this epoch; `last` comes last: it implies the others."""
        epoch, every = self.progress.epoch, self.policy.every_epochs
        names: list[tuple[str, Weights]] = []
        if epoch == self.progress.best_epoch:
            names.append((BEST, "ema" if self.ema.is_active else "raw"))
        if every and epoch % every == 0:
            names.append((f"epoch_{epoch}", "raw"))
        self.save([*names, (LAST, "raw")])

    def finish(self, *, has_validation: bool) -> None:
        """Keep the last state, and the average as `best` where no validation could choose one; wait for the disk."""
        names: list[tuple[str, Weights]] = []
        if self.ema.is_active and not has_validation:
            names.append((BEST, "ema"))
        if self.saved_at != (self.progress.epoch, self.progress.step):
            names.append((LAST, "raw"))
        if names:
            self.save(names)
        self._report_saves(self.writer.close())
        if self.checkpoint_dir is not None and self.distributed.is_main_process and not self.was_interrupted:
            # The last state is safely on disk and nothing will follow it.
            checkpoint.remove(self.checkpoint_dir / PREVIOUS)
        self.callbacks.on_fit_end(self)
        self.distributed.barrier()

    def abandon(self) -> None:
        """Let what is being written come to its end, after an error that ends the fit."""
        with suppress(RunError):
            self._report_saves(self.writer.close())

    def save(self, names: Sequence[tuple[str, Weights]]) -> None:
        """Hand the state of this instant to the writer under each name; every process must call it."""
        if self.checkpoint_dir is None:
            return
        self.writer.put(take_snapshot(self), names)
        self.policy.note_save()
        self.saved_at = (self.progress.epoch, self.progress.step)

    def _report_saves(self, saves: Sequence[Saved]) -> None:
        for saved in saves:
            if saved.problem:
                self.callbacks.on_alert(
                    self, f"Checkpoint {saved.name} of step {saved.step} could not be written: {saved.problem}. "
                    "The one before stays, training goes on, and it is tried again with the next one.",
                )  # fmt: skip
            else:
                self.callbacks.on_checkpoint(self, saved.name, saved.path)

    def _class_weights(self) -> torch.Tensor | None:
        """Return balanced class weights, counted over the training targets of all processes, or None."""
        if self.settings.class_weights == "none":
            return None
        if self.model.task in ("regression", "structure"):
            raise SettingError(
                f"Setting 'class_weights' is 'balanced', but {self.model.task} has no classes; set it to none."
            )
        batches = [(b.targets, b.target_mask) for b in self.train_loader]
        counted = torch.cat([targets[mask] for targets, mask in batches if targets is not None]).long()
        counts = torch.bincount(counted, minlength=getattr(self.model.head, "num_outputs", 1))
        longest = max(self.distributed.collect(len(counts)))
        counts = self.distributed.reduce(torch.nn.functional.pad(counts, (0, longest - len(counts))))
        # A class that training lacks counts once in validation; at 0, its rows would look perfect.
        weights = torch.where(counts > 0, balanced_weights(counts), 1.0)
        return weights.to(self.distributed.device)


def _windows(loader: Loader, size: int) -> Iterator[list[Batch]]:
    """Yield lists of up to `size` batches; the last one of an epoch may be shorter."""
    batches = iter(loader)
    while window := list(islice(batches, size)):
        yield window
