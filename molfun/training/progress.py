"""How far a fit is, and the rules that follow from it: what is best, when patience ends. Plain values, no tensors."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Self

from molfun.data.settings import lower_is_better
from molfun.errors import RunError

EARLY_STOP = "no better {metric} for {patience} epochs"


@dataclass
class Progress:
    """Counters and history of one fit, as a checkpoint keeps them.

    Attributes:
        epochs: Epochs of the whole run.
        steps_per_epoch: Optimiser steps of one epoch.
        epoch: Epochs that are finished, training and validation.
        step: Optimiser steps that are finished.
        loss_sum: Summed item losses of the epoch under way.
        num_items: Rows or residues that counted in the epoch under way.
        seconds: Time spent in the epoch under way.
        best_value: Best value of the monitored metric; NaN before there is one.
        best_epoch: Epoch of `best_value`, from 1; 0 before there is one.
        patience_value: Value that the next epoch must beat by more than the smallest improvement.
        epochs_without_improvement: Epochs since it was beaten.
        lr_factor: What the learning rates were multiplied with on request.
        stop_reason: Why the fit ends before its last epoch, in words; empty while it does not.
        history: One row an epoch.
    """

    epochs: int
    steps_per_epoch: int
    epoch: int = 0
    step: int = 0
    loss_sum: float = 0.0
    num_items: int = 0
    seconds: float = 0.0
    best_value: float = math.nan
    best_epoch: int = 0
    patience_value: float = math.nan
    epochs_without_improvement: int = 0
    lr_factor: float = 1.0
    stop_reason: str = ""
    history: list[dict[str, float]] = field(default_factory=list)

    @property
    def total_steps(self) -> int:
        """Optimiser steps of the whole run."""
        return self.epochs * self.steps_per_epoch

    @property
    def steps_done_in_epoch(self) -> int:
        """Optimiser steps taken in the epoch under way."""
        return self.step - self.epoch * self.steps_per_epoch

    def add_step(self, loss: float, items: int, seconds: float) -> None:
        """Count one optimiser step with its mean loss over `items`."""
        self.step += 1
        self.loss_sum += loss * items if items else 0.0
        self.num_items += items
        self.seconds += seconds

    def end_epoch(self) -> dict[str, float]:
        """Count the epoch under way as trained; return epoch, train_loss (mean over items) and seconds."""
        self.epoch += 1
        row = {
            "epoch": float(self.epoch),
            "train_loss": self.loss_sum / max(1, self.num_items),
            "seconds": self.seconds,
        }
        self.loss_sum, self.num_items, self.seconds = 0.0, 0, 0.0
        return row

    def judge(self, metrics: Mapping[str, float], *, metric: str, patience: int, min_delta: float) -> bool:
        """Take note of an epoch's validation.

        Args:
            metrics: Holds `metric`.
            metric: What is monitored; its name gives the direction.
            patience: Epochs without improvement after which the fit stops; 0 never does.
            min_delta: An improvement must be larger than this to count for patience.

        Returns:
            Whether this epoch is the best so far, however small its lead.
        """
        value = metrics[metric]
        is_best = _beats(value, self.best_value, 0.0, metric)
        if is_best:
            self.best_value, self.best_epoch = value, self.epoch
        if _beats(value, self.patience_value, min_delta, metric):
            self.patience_value, self.epochs_without_improvement = value, 0
        else:
            self.epochs_without_improvement += 1
        if patience and self.epochs_without_improvement >= patience:
            self.stop_reason = self.stop_reason or EARLY_STOP.format(metric=metric, patience=patience)
        return is_best

    def state_dict(self) -> dict[str, Any]:
        """Return everything as plain values."""
        return asdict(self)

    def load_state_dict(self, saved: Mapping[str, Any], *, patience: int) -> None:
        """Go on where `saved` was.

        A run that early stopping had ended stays ended, unless it was given more epochs: then patience starts anew.

        Raises:
            RunError: The steps of an epoch are others than they were.
        """
        self.check_steps(saved)
        was_extended = self.epochs > saved["epochs"]
        # Checkpoints of an earlier version lack what came later; its default is what they had.
        for name in ({f.name for f in fields(self)} - {"epochs", "stop_reason"}) & set(saved):
            setattr(self, name, saved[name])
        self.history = [dict(row) for row in saved["history"]]
        if was_extended:
            self.epochs_without_improvement = 0
        elif patience and self.epochs_without_improvement >= patience:
            self.stop_reason = saved["stop_reason"]

    def check_steps(self, saved: Mapping[str, Any]) -> None:
        """Hold that an epoch has as many steps as it had.

        Raises:
            RunError: It has not.
        """
        if saved["steps_per_epoch"] != self.steps_per_epoch:
            raise RunError(
                f"The checkpoint was written with {saved['steps_per_epoch']} steps an epoch, this run has "
                f"{self.steps_per_epoch}; resume with the same rows, and with batch size x accumulation x processes as "
                "they were."
            )

    @classmethod
    def blank(cls) -> Self:
        """Return the progress of a fit that has not begun."""
        return cls(epochs=0, steps_per_epoch=0)


def _beats(value: float, other: float, min_delta: float, metric: str) -> bool:
    """Return whether `value` is better than `other` by more than `min_delta`; NaN never is, and loses to all."""
    if math.isnan(value) or math.isnan(other):
        return not math.isnan(value)
    return other - value > min_delta if lower_is_better(metric) else value - other > min_delta
