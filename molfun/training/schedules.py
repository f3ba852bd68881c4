"""The torch scheduler that gives every parameter group its curve (`curves`), or moves it to another step or length."""

from __future__ import annotations

from functools import partial
from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from molfun.errors import SettingError, nearest
from molfun.training.curves import SCHEDULES, lr_at


def build_scheduler(
    optimizer: Optimizer, *, total_steps: int, warmup_steps: int = 0, kind: str = "cosine", min_lr: float = 0.0
) -> LambdaLR:
    """Return a scheduler that gives every parameter group its own curve; call `step()` once an optimiser step.

    Args:
        optimizer: Whose groups have their peak as `lr`.
        total_steps: Optimiser steps of the whole fit.
        warmup_steps: Of these, over which the rate rises from 0; 0 begins at the peak.
        kind: "cosine", "linear" or "constant".
        min_lr: Learning rate at the last step, of the first two kinds.

    Raises:
        SettingError: No schedule has that name.
    """
    if kind not in SCHEDULES:
        raise SettingError(f"No schedule is named {kind!r}{nearest(kind, SCHEDULES) or f'; known are {SCHEDULES}.'}")
    curve = partial(lr_at, total_steps=total_steps, warmup_steps=warmup_steps, kind=kind, min_lr=min_lr)
    return LambdaLR(optimizer, [partial(_factor, curve=curve, peak=group["lr"]) for group in optimizer.param_groups])


def go_to_step(scheduler: LambdaLR, steps_done: int) -> None:
    """Put a scheduler where it is after `steps_done` optimiser steps, whatever curve it was on before."""
    scheduler.last_epoch = steps_done
    curves = zip(scheduler.optimizer.param_groups, scheduler.base_lrs, scheduler.lr_lambdas, strict=True)
    for group, base, curve in curves:
        group["lr"] = base * curve(steps_done)
    scheduler._last_lr = [group["lr"] for group in scheduler.optimizer.param_groups]


def scale_rates(scheduler: LambdaLR, factor: float) -> None:
    """Multiply every group's learning rate from the next step on, warm-up and floor included."""
    scheduler.base_lrs = [base * factor for base in scheduler.base_lrs]
    go_to_step(scheduler, scheduler.last_epoch)


def retarget(scheduler: LambdaLR, total_steps: int) -> None:
    """Put a scheduler of `build_scheduler` on the curve of a run of another length, at the step where it is."""
    scheduler.lr_lambdas = [_retargeted(old, total_steps) for old in scheduler.lr_lambdas]
    go_to_step(scheduler, scheduler.last_epoch)


def _retargeted(factor: Any, total_steps: int) -> partial[float]:
    """Return the curve of one group for another number of steps."""
    curve = factor.keywords["curve"]
    return partial(factor, curve=partial(curve, total_steps=total_steps))


def _factor(steps_done: int, *, curve: partial[float], peak: float) -> float:
    # LambdaLR counts steps that were taken and asks for the next one, and multiplies; our curve is absolute.
    return curve(steps_done + 1, peak=peak) / peak if peak else 0.0
