"""The local record survives NaN, kills, resumes, and is read while it grows."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from molfun.tracking.local import LocalTracker, MetricsReader, read_events, read_metrics


def lines(path: Path) -> list[dict[str, object]]:
    def refuse(constant: str) -> float:
        raise ValueError(constant)

    return [json.loads(line, parse_constant=refuse) for line in path.read_text().splitlines()]


def test_log_step_writes_one_row_at_once(tmp_path: Path) -> None:
    tracker = LocalTracker(tmp_path, segment=2)
    tracker.log_step({"loss": 0.5, "lr/head": 1e-3}, 7)
    (row,) = lines(tmp_path / "metrics.jsonl")
    assert row.pop("t") == pytest.approx(time.time(), abs=60)
    assert row == {"kind": "step", "segment": 2, "step": 7, "loss": 0.5, "lr/head": 0.001}
    tracker.end_run()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), np.float32("nan")])
def test_log_metrics_writes_null_for_what_json_lacks(tmp_path: Path, value: float) -> None:
    with LocalTracker(tmp_path) as tracker:
        tracker.log_metrics({"val_loss": value, "train_loss": np.float32(0.5)}, 1)
        tracker.log_event("alert", value=value, shape=(1, 2))
    assert lines(tmp_path / "metrics.jsonl")[0]["val_loss"] is None
    assert lines(tmp_path / "events.jsonl")[0]["value"] is None
    _, epochs = read_metrics(tmp_path / "metrics.jsonl")
    assert np.isnan(epochs["val_loss"][0])
    assert epochs["train_loss"][0] == 0.5


def test_metrics_cannot_overwrite_the_row_s_own_fields(tmp_path: Path) -> None:
    with LocalTracker(tmp_path) as tracker:
        tracker.log_step({"step": 99.0, "loss": 1.0}, 3)
    assert lines(tmp_path / "metrics.jsonl")[0]["step"] == 3


def test_events_tell_how_a_run_ended(tmp_path: Path) -> None:
    tracker = LocalTracker(tmp_path)
    tracker.start_run(run_id="a", tags=["x"])
    with pytest.raises(ValueError, match="no room"), tracker:
        raise ValueError("no room")
    start, end = read_events(tmp_path / "events.jsonl")
    assert (start["kind"], start["tags"]) == ("start", ["x"])
    assert (end["kind"], end["status"], end["error"]) == ("end", "failed", "ValueError: no room")


def test_half_characters_are_recorded_all_the_same(tmp_path: Path) -> None:
    """A file name that is no UTF-8 has them, and stands in errors."""
    with LocalTracker(tmp_path) as tracker:
        tracker.log_event("alert", message="caf\udce9.csv")
    assert read_events(tmp_path / "events.jsonl")[0]["message"] == "caf?.csv"


def test_poll_reads_only_what_is_new(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    reader = MetricsReader(path)
    assert not reader.poll()
    tracker = LocalTracker(tmp_path)
    for step in range(1, 1001):
        tracker.log_step({"loss": 1 / step}, step)
    assert reader.poll()
    assert not reader.poll()
    tracker.log_metrics({"val_loss": 0.25}, 1)
    assert reader.poll()
    assert reader.steps["step"].tolist() == list(range(1, 1001))
    assert reader.steps["loss"].tolist() == [1 / step for step in range(1, 1001)]
    assert reader.epochs["val_loss"].tolist() == [0.25]
    assert reader.last("step")["loss"] == 0.001
    tracker.end_run()


def test_a_metric_that_comes_late_is_nan_before(tmp_path: Path) -> None:
    with LocalTracker(tmp_path) as tracker:
        tracker.log_step({"loss": 1.0}, 1)
        tracker.log_step({"loss": 0.5, "grad_norm": 2.0}, 2)
    steps, _ = read_metrics(tmp_path / "metrics.jsonl")
    np.testing.assert_array_equal(steps["grad_norm"], [np.nan, 2.0])


def test_a_torn_last_line_waits_for_its_rest(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"kind":"step","step":1,"loss":1.0}\n{"kind":"step","st')
    reader = MetricsReader(path)
    assert reader.poll()
    assert reader.steps["step"].tolist() == [1]
    with path.open("a") as file:
        file.write('ep":2,"loss":0.5}\n')
    assert reader.poll()
    assert reader.steps["loss"].tolist() == [1.0, 0.5]


def test_a_resume_after_a_torn_line_loses_that_line_only(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"kind":"step","step":1,"loss":1.0}\n{"kind":"step","st')
    with LocalTracker(tmp_path, segment=1) as tracker:
        tracker.log_step({"loss": 0.5}, 2)
    steps, _ = read_metrics(path)
    assert steps["step"].tolist() == [1, 2]


def test_a_later_segment_supersedes_the_steps_it_repeats(tmp_path: Path) -> None:
    first, second = LocalTracker(tmp_path), LocalTracker(tmp_path, segment=1)
    for step in (1, 2, 3, 4):
        first.log_step({"loss": float(step)}, step)
    for epoch in (1, 2):
        first.log_metrics({"val_loss": float(epoch)}, epoch)
    for step in (3, 4, 5):
        second.log_step({"loss": 10.0 * step}, step)
    second.log_metrics({"val_loss": 20.0}, 2)
    steps, epochs = read_metrics(tmp_path / "metrics.jsonl")
    assert steps["loss"].tolist() == [1, 2, 30, 40, 50]
    assert steps["segment"].tolist() == [0, 0, 1, 1, 1]
    assert epochs["val_loss"].tolist() == [1, 20]
    first.end_run()
    second.end_run()


def test_poll_reads_a_replaced_file_anew(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"kind":"step","step":1}\n{"kind":"step","step":2}\n')
    reader = MetricsReader(path)
    reader.poll()
    path.write_text('{"kind":"step","step":9}\n')
    assert reader.poll()
    assert reader.steps["step"].tolist() == [9]


@pytest.mark.parametrize("line", ["", "[1]", "nonsense", '{"kind":"gpu","step":1}', '{"kind":"step"}', '{"kind":[1]}'])
def test_poll_skips_lines_it_does_not_know(tmp_path: Path, line: str) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text(f'{line}\n{{"kind":"step","step":1,"note":"text","loss":2}}\n')
    reader = MetricsReader(path)
    assert reader.poll()
    assert reader.steps["loss"].tolist() == [2.0]
    assert "note" not in reader.steps


def test_frames_do_not_change_when_more_is_read(tmp_path: Path) -> None:
    tracker = LocalTracker(tmp_path)
    tracker.log_step({"loss": 1.0}, 1)
    reader = MetricsReader(tmp_path / "metrics.jsonl")
    reader.poll()
    before = reader.steps
    with LocalTracker(tmp_path, segment=1) as resumed:
        resumed.log_step({"loss": 5.0}, 1)
    reader.poll()
    assert before["loss"].tolist() == [1.0]
    assert reader.steps["loss"].tolist() == [5.0]
    tracker.end_run()


def test_a_killed_writer_loses_no_row(tmp_path: Path) -> None:
    """The writer says every step aloud after it is logged, then dies by SIGKILL; all it said is in the file."""
    code = (
        "import os, pathlib, signal, sys; from molfun.tracking.local import LocalTracker\n"
        f"tracker = LocalTracker(pathlib.Path({str(tmp_path)!r}))\n"
        "for step in range(1, 501): tracker.log_step({'loss': 1.0}, step)\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2], check=False)
    assert done.returncode == -signal.SIGKILL
    steps, _ = read_metrics(tmp_path / "metrics.jsonl")
    assert steps["step"].tolist() == list(range(1, 501))


def test_read_of_nothing_is_empty(tmp_path: Path) -> None:
    steps, epochs = read_metrics(tmp_path / "metrics.jsonl")
    assert (len(steps), len(epochs), read_events(tmp_path / "events.jsonl")) == (0, 0, [])
    assert list(steps.columns) == ["step", "segment", "t"]
