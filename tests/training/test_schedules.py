from __future__ import annotations

import math

import pytest
import torch

from molfun.errors import SettingError
from molfun.training.curves import lr_at
from molfun.training.schedules import build_scheduler


@pytest.mark.parametrize(
    ("kind", "step", "expected"),
    [
        ("cosine", 1, 1e-4), ("cosine", 5, 5e-4), ("cosine", 10, 1e-3), ("cosine", 60, 1e-6 + (1e-3 - 1e-6) * 0.5),
        ("cosine", 35, 1e-6 + (1e-3 - 1e-6) * 0.5 * (1 + math.cos(math.pi / 4))),
        ("cosine", 110, 1e-6), ("cosine", 500, 1e-6),
        ("linear", 1, 1e-4), ("linear", 10, 1e-3), ("linear", 60, 1e-6 + (1e-3 - 1e-6) * 0.5), ("linear", 110, 1e-6),
        ("constant", 1, 1e-4), ("constant", 10, 1e-3), ("constant", 110, 1e-3),
    ],
)  # fmt: skip
def test_lr_at_equals_the_closed_form(kind: str, step: int, expected: float) -> None:
    value = lr_at(step, peak=1e-3, total_steps=110, warmup_steps=10, kind=kind, min_lr=1e-6)
    assert value == pytest.approx(expected, rel=1e-12)


def test_first_step_of_warmup_moves() -> None:
    assert lr_at(1, peak=1.0, total_steps=100, warmup_steps=50) == 0.02


def test_min_lr_is_a_rate_and_never_above_the_peak() -> None:
    assert lr_at(100, peak=1e-5, total_steps=100, min_lr=1e-6) == pytest.approx(1e-6)
    assert lr_at(100, peak=1e-7, total_steps=100, min_lr=1e-6) == pytest.approx(1e-7)


@pytest.mark.parametrize("kind", ["cosine", "linear", "constant"])
def test_scheduler_gives_every_group_its_own_absolute_curve(kind: str) -> None:
    peaks = [1e-3, 2e-5, 0.0]
    optimizer = torch.optim.AdamW([{"params": [torch.nn.Parameter(torch.zeros(1))], "lr": lr} for lr in peaks])
    scheduler = build_scheduler(optimizer, total_steps=20, warmup_steps=4, kind=kind, min_lr=1e-6)
    for step in range(1, 21):
        for group, peak in zip(optimizer.param_groups, peaks, strict=True):
            expected = lr_at(step, peak=peak, total_steps=20, warmup_steps=4, kind=kind, min_lr=1e-6) if peak else 0.0
            assert group["lr"] == pytest.approx(expected, rel=1e-9, abs=1e-18)
        optimizer.step()
        scheduler.step()


def test_unknown_schedule_names_the_nearest() -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    with pytest.raises(SettingError, match="did you mean 'cosine'"):
        build_scheduler(optimizer, total_steps=1, kind="cosin")
