"""Tests of what makes long runs open at once: many lines read together, and the copy as columns."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from molfun.tracking import local, reader
from molfun.tracking.bulk import parse_lines
from molfun.tracking.columns import read_copy
from molfun.tracking.local import LocalTracker, MetricsReader, read_metrics
from molfun.tracking.names import LINE_BYTES

VALUES = st.one_of(
    st.none(), st.floats(width=64), st.integers(-(2**60), 2**60), st.booleans(), st.just("text"), st.just([1.0])
)
ROWS = st.fixed_dictionaries(
    {"kind": st.sampled_from(["step", "step", "step", "epoch", "other"]), "step": st.integers(0, 60)},
    optional={"segment": st.integers(0, 4), "t": st.floats(0, 2e9), "loss": VALUES, "lr/head": VALUES, "late": VALUES},
)
PLAIN_ROWS = st.fixed_dictionaries(
    {"kind": st.sampled_from(["step", "epoch"]), "segment": st.integers(0, 4), "step": st.integers(0, 60)},
    optional={"t": st.floats(0, 2e9), "loss": st.floats(allow_nan=False, allow_infinity=False), "late": st.none()},
)


def lines(rows: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def read(path: Path, bulk_bytes: int, monkeypatch: pytest.MonkeyPatch) -> tuple[pd.DataFrame, pd.DataFrame]:
    with monkeypatch.context() as patch:
        patch.setattr(reader, "BULK_BYTES", bulk_bytes)
        return read_metrics(path)


@pytest.fixture
def metrics(tmp_path: Path) -> Path:
    return tmp_path / "metrics.jsonl"


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.one_of(st.lists(ROWS, max_size=40), st.lists(PLAIN_ROWS, max_size=60)), torn=st.booleans())
def test_many_lines_together_are_what_they_are_alone(
    rows: list[dict[str, Any]], torn: bool, metrics: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    metrics.write_bytes(lines(rows) + (b'{"kind": "st\n{"kind": "step", "step": 99}\n' if torn else b""))
    for alone, together in zip(read(metrics, 1 << 30, monkeypatch), read(metrics, 0, monkeypatch), strict=True):
        told = alone.columns[~alone.isna().all() | alone.columns.isin(["step", "segment", "t"])]
        pd.testing.assert_frame_equal(alone[told], together[told], check_exact=True)
        assert together.drop(columns=told).isna().all(axis=None)


def write_rows(folder: Path, num_steps: int, *, segment: int = 0, first: int = 1, ends: bool = True) -> None:
    tracker = LocalTracker(folder, segment=segment)
    for step in range(first, first + num_steps):
        tracker.log_step({"loss": 1 / step, "grad_norm": float("nan") if step % 3 else 2.0, "epoch": step / 10}, step)
        if step % 10 == 0:
            tracker.log_metrics({"val_loss": 2 / step, "epoch": step / 10}, step // 10)
    if ends:
        tracker.end_run()
    else:
        kill(tracker)


def kill(tracker: LocalTracker) -> None:
    """Leave its files as a killed process does."""
    for file in tracker._files.values():
        file.close()


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return how many lines each later look takes from the metrics file itself."""
    taken: list[int] = []
    own = MetricsReader._add_lines

    def count(self: MetricsReader, text: bytes) -> bool:
        taken.append(text.count(b"\n") + 1)
        return own(self, text)

    monkeypatch.setattr(MetricsReader, "_add_lines", count)
    monkeypatch.setattr(reader, "BULK_BYTES", 0)
    return taken


def without_copy(metrics: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    metrics.with_name("metrics.parquet").rename(metrics.with_name("away"))
    try:
        return read_metrics(metrics)
    finally:
        metrics.with_name("away").rename(metrics.with_name("metrics.parquet"))


def assert_same(one: tuple[pd.DataFrame, ...], other: tuple[pd.DataFrame, ...]) -> None:
    for left, right in zip(one, other, strict=True):
        pd.testing.assert_frame_equal(left, right, check_exact=True)


def test_the_copy_of_an_ended_run_is_read_instead_of_its_lines(metrics: Path, counted: list[int]) -> None:
    write_rows(metrics.parent, 100)
    counted.clear()
    tables = read_metrics(metrics)
    assert counted == []
    assert_same(tables, without_copy(metrics))
    table = pd.read_parquet(metrics.with_name("metrics.parquet"))
    assert table["kind"].value_counts().to_dict() == {"step": 100, "epoch": 10}


def test_what_came_after_the_copy_is_read_from_the_lines(metrics: Path, counted: list[int]) -> None:
    write_rows(metrics.parent, 100)
    write_rows(metrics.parent, 30, segment=1, first=81, ends=False)  # a resume from step 80
    counted.clear()
    steps, epochs = read_metrics(metrics)
    assert counted == [33]
    assert steps["step"].tolist() == list(range(1, 111))
    assert steps["segment"].tolist() == [0] * 80 + [1] * 30
    assert_same((steps, epochs), without_copy(metrics))


def test_a_reader_follows_on_from_the_copy(metrics: Path, counted: list[int]) -> None:
    write_rows(metrics.parent, 50)
    follower = MetricsReader(metrics)
    assert follower.poll()
    before = follower.tables()
    write_rows(metrics.parent, 5, segment=1, first=41, ends=False)
    assert follower.poll()
    after = follower.tables()
    assert after.version != before.version
    assert before.steps["step"].tolist() == list(range(1, 51))  # what was handed out stays
    assert after.steps["step"].tolist() == list(range(1, 46))


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes()[:-40]),
        lambda path: path.write_bytes(bytes(len(path.read_bytes()))),
        lambda path: (path.unlink(), path.symlink_to("/etc/passwd")),
        lambda path: (path.unlink(), os.mkfifo(path)),
        lambda path: pq.write_table(pq.read_table(path).replace_schema_metadata({}), path),
        lambda path: pq.write_table(pq.read_table(path).slice(1), path),
        lambda path: pq.write_table(pq.read_table(path).drop_columns(["segment"]), path),
    ],
)
def test_a_copy_that_is_damaged_is_passed_over(damage: Any, metrics: Path, counted: list[int]) -> None:
    write_rows(metrics.parent, 40)
    whole = without_copy(metrics)
    damage(metrics.with_name("metrics.parquet"))
    assert read_copy(metrics) is None
    assert_same(read_metrics(metrics), whole)


@pytest.mark.parametrize("change", [(b"0.5", b"0.7"), (b'"step": 1,', b'"step": 0,')])
def test_a_copy_of_another_file_is_passed_over(change: tuple[bytes, bytes], metrics: Path) -> None:
    write_rows(metrics.parent, 5)
    metrics.write_bytes(metrics.read_bytes().replace(*change))
    assert read_copy(metrics) is None


def test_a_long_run_is_copied_while_it_trains(metrics: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "COPY_BYTES", 2_000)
    monkeypatch.setattr(reader, "BULK_BYTES", 0)
    tracker = LocalTracker(metrics.parent)
    sizes: dict[int, None] = {}
    for step in range(1, 2_001):
        tracker.log_step({"loss": 1.0}, step)
        if tracker._copying is not None:
            tracker._copying.join()
            copy = read_copy(metrics)
            sizes[copy.about.num_bytes if copy else 0] = None
    kill(tracker)
    assert list(sizes) == sorted(sizes)
    assert 30 < len(sizes) < 110  # each is a sixteenth longer than the one before
    assert next(reversed(sizes)) > 0.85 * metrics.stat().st_size


def test_a_full_disk_costs_the_copy_only(
    metrics: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*args: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("molfun.tracking.reader.write_copy", full)
    write_rows(metrics.parent, 5)
    assert len(read_metrics(metrics)[0]) == 5
    assert "the record itself is whole" in caplog.text


def test_columns_of_both_kinds_keep_apart(metrics: Path, counted: list[int]) -> None:
    write_rows(metrics.parent, 40)
    steps, epochs = read_metrics(metrics)
    assert "val_loss" not in steps
    assert "grad_norm" not in epochs
    assert np.isnan(steps["grad_norm"]).sum() == 27


def test_a_line_beyond_all_bounds_is_met_alone(metrics: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    endless: Mapping[str, Any] = {"kind": "step", "step": 3, "x": "y" * (LINE_BYTES + 5)}
    metrics.write_bytes(lines([{"kind": "step", "segment": 0, "step": 1}, dict(endless)]) * 2)
    assert_same(read(metrics, 1 << 30, monkeypatch), read(metrics, 0, monkeypatch))


def test_lines_of_a_run_are_read_together(tmp_path: Path) -> None:
    """Whatever metrics come later than others; it is the slow way that must be rare."""
    write_rows(tmp_path, 1000)
    text = (tmp_path / "metrics.jsonl").read_bytes()
    late = b'{"kind": "epoch", "segment": 0, "step": 1001, "epoch": 101, "val_spearman": 0.5}\n'
    for piece in (text, text + late, text.replace(b'"kind": "epoch"', b'"kind": "step"')):
        assert parse_lines(piece) is not None
    assert parse_lines(text + late.replace(b"0.5", b'"half"')) is None
