"""The forecast of memory as it is said and drawn."""

from __future__ import annotations

from typing import Any

import pytest

from molfun.ui.memory_panel import FAR, fit_words, memory_figure, memory_line

PARTS = {
    "weights": 4_000_000_000, "lora": 0, "gradients": 1_000_000_000, "optimizer": 2_000_000_000, "average": 0,
    "activations": 3_000_000_000,
}  # fmt: skip
TOTAL = sum(PARTS.values())


def answer(limit_bytes: int = 24_000_000_000) -> dict[str, Any]:
    return {"parts": PARTS, "total": TOTAL, "limit_bytes": limit_bytes}


def test_need_and_bound_are_said() -> None:
    assert memory_line(answer()) == "**10 GB** of 24 GB of memory for the heaviest batch"
    assert memory_line(answer(0)) == "**10 GB** of memory for the heaviest batch"


def test_parts_that_are_there_stack_up_to_the_total() -> None:
    bars = memory_figure(answer()).data
    assert [bar.name for bar in bars] == ["Weights", "Gradients", "Optimiser", "Activations"]
    assert sum(bar.x[0] for bar in bars) == pytest.approx(TOTAL / 1e9)
    assert len({bar.marker.color for bar in bars}) == len(bars)


@pytest.mark.parametrize(
    ("limit", "is_drawn"), [(0, False), (TOTAL // 2, True), (FAR * TOTAL - 1, True), (FAR * TOTAL, False)]
)
def test_the_bound_is_drawn_where_it_is_near(limit: int, is_drawn: bool) -> None:
    layout = memory_figure(answer(limit)).layout
    assert [line.x0 for line in layout.shapes] == ([limit / 1e9] if is_drawn else [])
    if is_drawn:
        assert layout.xaxis.range[1] > max(limit, TOTAL) / 1e9


def test_what_makes_it_fit_is_said_in_words() -> None:
    fit = {"training.batch_size": 4, "strategy.accumulation_steps": 8, "training.gradient_checkpointing": True}
    assert fit_words(fit) == "batch size 4, accumulation 8, gradient checkpointing"
    assert fit_words({**fit, "training.gradient_checkpointing": False}) == "batch size 4, accumulation 8"
