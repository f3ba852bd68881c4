"""Learning rate as a pure function of the optimiser step: for training and for previews. Loads no torch."""

from __future__ import annotations

import math

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
