"""Learning rate as a pure function of the optimiser step, and the torch scheduler that applies it to every group."""

from __future__ import annotations

import math
from functools import partial

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from molfun.errors import SettingError, nearest

SCHEDULES = ("cosine", "linear", "constant")


def lr_at(
    step: int, *, peak: float, total_steps: int, warmup_steps: int = 0, kind: str = "cosine", min_lr: float = 0.0
) -> float:
    """Return the learning rate of optimiser step `step`.

    Warm-up rises linearly from 0 (which no step uses) to `peak` at step `warmup_steps`; then cosine or linear decay
    reaches the floor exactly at `total_steps`. The floor is `min_lr`, or `peak` where that is smaller.

    Args:
        step: 1 for the first optimiser step.
        peak: Highest learning rate.
        total_steps: Optimiser steps of the whole run; later steps keep the floor.
        warmup_steps: Steps of the rise; 0 is none.
        kind: cosine, linear or constant.
        min_lr: A learning rate, not a multiplier.
    """
    if step <= warmup_steps:
        return peak * step / warmup_steps
    if kind == "constant":
        return peak
    floor = min(min_lr, peak)
    progress = min(1.0, (step - warmup_steps) / max(1, total_steps - warmup_steps))
    shape = 0.5 * (1 + math.cos(math.pi * progress)) if kind == "cosine" else 1 - progress
    return floor + (peak - floor) * shape


def build_scheduler(
    optimizer: Optimizer, *, total_steps: int, warmup_steps: int = 0, kind: str = "cosine", min_lr: float = 0.0
) -> LambdaLR:
    """Return a scheduler that gives every parameter group its own curve; call `step()` once an optimiser step.

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


def _factor(steps_done: int, *, curve: partial[float], peak: float) -> float:
    # LambdaLR counts steps that were taken and asks for the next one, and multiplies; our curve is absolute.
    return curve(steps_done + 1, peak=peak) / peak if peak else 0.0
