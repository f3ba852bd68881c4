"""How long a run is, worked out by hand."""

from __future__ import annotations

import pytest

from molfun.runs.advice import Schedule, schedule
from molfun.runs.spec import RunSpec


@pytest.mark.parametrize(
    ("batch", "processes", "accumulation", "rows", "expected"),
    [
        (16, 1, 1, 100, Schedule(16, 7, 21)),
        (16, 1, 4, 100, Schedule(64, 2, 6)),
        # 7 batches, 2 at a time, are 4 forwards; windows of 4 make 1 step.
        (16, 2, 4, 100, Schedule(100, 1, 3)),
        (16, 2, 1, 100, Schedule(32, 4, 12)),
        (8, 3, 2, 100, Schedule(48, 3, 9)),  # 13 batches, 5 forwards, 3 steps
        (16, 4, 1, 3, Schedule(3, 1, 3)),
    ],
)
def test_schedule_counts_processes(
    batch: int, processes: int, accumulation: int, rows: int, expected: Schedule
) -> None:
    spec = RunSpec().changed(
        {
            "training.batch_size": batch, "training.num_processes": processes, "training.epochs": 3,
            "strategy.accumulation_steps": accumulation,
        }
    )  # fmt: skip
    assert schedule(spec, rows) == expected
