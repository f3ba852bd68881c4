"""The learning rates that are shown before a run are those that it uses."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from molfun.runs.advice import Schedule
from molfun.training.schedules import build_scheduler
from molfun.training.settings import FullSettings, LoRASettings
from molfun.ui.schedule_chart import MAX_POINTS, schedule_figure, shown_steps


@pytest.mark.parametrize("kind", ["cosine", "linear", "constant"])
@pytest.mark.parametrize(("epochs", "warmup"), [(3, 0), (4, 10), (200, 37)])
def test_every_point_is_what_the_optimiser_gets(kind: str, epochs: int, warmup: int) -> None:
    settings = LoRASettings(scheduler=kind, warmup_steps=warmup, min_lr=1e-6)
    groups = [{"name": "head", "lr": 5e-3}, {"name": "lora", "lr": 5e-4}]
    steps = Schedule(16, 5, 5 * epochs)
    parameters = [torch.nn.Parameter(torch.zeros(1)) for _ in groups]
    optimizer = torch.optim.AdamW([{"params": [p], "lr": g["lr"]} for p, g in zip(parameters, groups, strict=True)])
    scheduler = build_scheduler(
        optimizer, total_steps=steps.total_steps, warmup_steps=warmup, kind=kind, min_lr=settings.min_lr
    )
    used = []
    for _ in range(steps.total_steps):
        used.append([group["lr"] for group in optimizer.param_groups])
        optimizer.step()
        scheduler.step()
    figure = schedule_figure(groups, settings, steps)
    assert [curve.name for curve in figure.data] == ["head", "lora"]
    for number, curve in enumerate(figure.data):
        expected = [used[int(step) - 1][number] for step in curve.x]
        assert np.allclose(curve.y, expected, rtol=1e-12, atol=0)


def test_long_runs_keep_both_ends_and_the_peak() -> None:
    steps = shown_steps(1_000_000, 777)
    assert {1, 777, 1_000_000} <= set(steps)
    assert len(steps) <= MAX_POINTS + 1


def test_epochs_and_steps_stand_on_one_axis() -> None:
    axis = schedule_figure([{"name": "head", "lr": 1e-3}], LoRASettings(), Schedule(16, 44, 132)).layout.xaxis
    assert list(axis.tickvals) == [44, 88, 132]
    assert axis.ticktext[-1] == "132<br>epoch 3"
    many = schedule_figure([{"name": "head", "lr": 1e-3}], LoRASettings(), Schedule(16, 44, 4400)).layout.xaxis
    assert len(many.tickvals) <= 4


def test_many_groups_have_colours_in_their_order_and_groups_that_stand_still_are_left_out() -> None:
    groups = [{"name": f"block_{i}", "lr": 1e-5 * 1.1**i} for i in range(1, 13)] + [{"name": "idle", "lr": 0.0}]
    figure = schedule_figure(groups, FullSettings(), Schedule(16, 10, 30))
    assert len({curve.line.color for curve in figure.data}) == len(figure.data) == 12
    assert figure.layout.showlegend is False
    assert schedule_figure([], FullSettings(), Schedule(16, 1, 1)).data == ()
