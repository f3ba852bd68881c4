from __future__ import annotations

import time
from pathlib import Path

import pytest

from molfun.runs.spec import RunSpec
from molfun.ui.preview import PreviewDesk, effective_batch, groups_table, parts_table


def test_desk_answers_a_question_that_cannot_be_answered_with_its_sentence(home: Path) -> None:
    desk, spec = PreviewDesk(home), RunSpec.parse({"data": {"dataset": "nowhere"}})
    deadline = time.monotonic() + 30
    answer = desk.ask(spec)
    while answer is None and time.monotonic() < deadline:
        time.sleep(0.02)
        answer = desk.ask(spec)
    assert answer is not None
    assert "'nowhere'" in answer["error"]


def test_tables_tell_rates_as_people_write_them() -> None:
    parts = [{"title": "Blocks 1–2", "trainable": 1200, "total": 2400, "rates": [1e-5, 2e-5]}]
    assert parts_table(parts).iloc[0].tolist() == ["Blocks 1–2", "1,200", "2,400", "1e-5 – 2e-5"]
    groups = groups_table({"groups": [{"name": "head", "lr": 5e-3, "num_parameters": 1539}]})
    assert groups.iloc[0].tolist() == ["head", "1,539", "5e-3"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "16 rows"),
        ({"training.batch_size": 1, "training.num_processes": 1000}, "1 row × 1,000 processes = 1,000 rows"),
        ({"strategy.accumulation_steps": 4}, "16 rows × 4 batches = 64 rows"),
        ({"training.num_processes": 2}, "16 rows × 2 processes = 32 rows"),
        (
            {"training.num_processes": 2, "strategy.accumulation_steps": 4},
            "16 rows × 2 processes × 4 batches = 128 rows",
        ),
    ],
)
def test_effective_batch_shows_how_it_comes_together(changes: dict[str, int], said: str) -> None:
    assert effective_batch(RunSpec().changed({"training.batch_size": 16, **changes})) == said
