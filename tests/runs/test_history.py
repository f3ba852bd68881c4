"""Every run has its row, also one that cannot be read."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from molfun.runs.history import COLUMNS, list_runs, sparkline
from molfun.runs.store import RunFolder
from molfun.tracking.local import LocalTracker


def test_no_run_is_an_empty_table_with_columns(home: Path) -> None:
    runs = list_runs(home)
    assert tuple(runs.columns) == COLUMNS
    assert runs.empty


def test_a_finished_run_shows_its_scores(home: Path, folder: RunFolder) -> None:
    best = {"metric": "spearman", "value": 0.5, "epoch": 2}
    folder.write_state(status="finished", started=100.0, ended=220.0, epoch=2, epochs=2, best=best)
    folder.write_scoreboard({"primary": "spearman", "test": {"metrics": {"spearman": 0.25}}})
    (row,) = list_runs(home).to_dict("records")
    assert (row["name"], row["strategy"], row["model"], row["dataset"]) == (
        "A test run",
        "head_only",
        "antiberty",
        "d-1",
    )
    assert (row["metric"], row["best"], row["test"], row["minutes"]) == ("spearman", 0.5, 0.25, 2.0)
    assert row["progress"] == 1.0


def test_a_damaged_run_still_has_its_row(home: Path, folder: RunFolder) -> None:
    folder.spec_path.write_text("{")
    folder.state_path.write_text('{"best": 3, "created": "x", "status": "finished"}')
    (row,) = list_runs(home).to_dict("records")
    assert (row["id"], row["name"], row["strategy"]) == ("a-run", "a-run", "")
    assert math.isnan(row["best"])


@pytest.mark.parametrize(("num_epochs", "expected"), [(0, 0), (5, 5), (60, 60), (500, 60)])
def test_sparkline_has_60_points_at_most(folder: RunFolder, num_epochs: int, expected: int) -> None:
    with LocalTracker(folder.path) as tracker:
        for epoch in range(1, num_epochs + 1):
            tracker.log_metrics({"val_loss": float(epoch)}, epoch)
    line = sparkline(folder.metrics_path)
    assert len(line) == expected
    assert line[:1] + line[-1:] == ([1.0, float(num_epochs)] if num_epochs else [])
    assert line == sorted(line)
