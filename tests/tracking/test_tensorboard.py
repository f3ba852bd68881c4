"""Event files read back: whose they are, and numbers that they have no room for."""

from __future__ import annotations

import math
from pathlib import Path

from molfun.tracking.event_files import read_scalars
from molfun.tracking.tensorboard import TensorBoardTracker


def test_files_of_another_training_stay(tmp_path: Path) -> None:
    (tmp_path / "events.out.tfevents.1.elsewhere").write_bytes(b"")
    for loss in (1.0, 2.0):
        with TensorBoardTracker(folder=tmp_path) as tracker:
            tracker.log_step({"loss": loss}, 1)
    files = sorted(tmp_path.iterdir())
    assert len(files) == 3
    assert sorted(point.value for file in files for point in read_scalars(file)) == [1.0, 2.0]


def test_a_run_that_is_sent_from_its_beginning_again_has_its_rows_once(tmp_path: Path) -> None:
    for _ in range(2):
        with TensorBoardTracker(folder=tmp_path) as tracker:
            tracker.start_run("run-1")
            tracker.log_step({"loss": 1.0}, 1)
    (file,) = tmp_path.iterdir()
    assert [point.value for point in read_scalars(file)] == [1.0]


def test_numbers_beyond_float32_are_infinite(tmp_path: Path) -> None:
    largest = 3.4028234663852886e38
    with TensorBoardTracker(folder=tmp_path) as tracker:
        tracker.log_metrics({"r2": -1e40, "rmse": 1e40, "mae": largest}, 1)
    (file,) = tmp_path.iterdir()
    found = {point.tag: point.value for point in read_scalars(file)}
    assert found == {"epoch/r2": -math.inf, "epoch/rmse": math.inf, "epoch/mae": largest}
