"""A tracker in a thread: the caller never waits, the end is bounded, failures are told once."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Mapping
from pathlib import Path
from threading import Event

import pytest
from typing_extensions import override

from molfun.tracking.background import BackgroundTracker
from molfun.tracking.base import BaseTracker
from molfun.tracking.local import LocalTracker, read_events, read_metrics


class Hanging(BaseTracker):
    """A service that does not answer."""

    def __init__(self) -> None:
        self.answer = Event()

    @override
    def log_metrics(self, metrics: Mapping[str, float], step: int) -> None:
        self.answer.wait()


class Failing(BaseTracker):
    """A service that refuses."""

    @override
    def log_metrics(self, metrics: Mapping[str, float], step: int) -> None:
        raise ConnectionError("gone")


def test_everything_arrives_in_order(tmp_path: Path) -> None:
    with BackgroundTracker(LocalTracker(tmp_path)) as tracker:
        tracker.start_run("id")
        tracker.log_config({"lr": 1.0})
        for step in range(1, 301):
            tracker.log_step({"loss": 1.0 / step}, step)
        tracker.log_metrics({"val_loss": 0.5}, 1)
        tracker.log_text("hello", "note")
    steps, epochs = read_metrics(tmp_path / "metrics.jsonl")
    assert steps["step"].tolist() == list(range(1, 301))
    assert epochs["val_loss"].tolist() == [0.5]
    assert [event["kind"] for event in read_events(tmp_path / "events.jsonl")] == ["start", "config", "text", "end"]


def test_a_service_that_hangs_costs_the_caller_nothing(caplog: pytest.LogCaptureFixture) -> None:
    hanging = Hanging()
    tracker = BackgroundTracker(hanging, max_calls=50, end_seconds=0.2)
    began = time.perf_counter()
    for step in range(1000):
        tracker.log_metrics({"loss": 1.0}, step)
    assert time.perf_counter() - began < 0.5
    with caplog.at_level(logging.WARNING):
        tracker.end_run()
    assert time.perf_counter() - began < 2.0
    assert tracker.num_dropped in (949, 950)  # whether the thread had taken the first one already
    assert re.search(r"Hanging did not take everything: (999|1000) calls are lost\.", caplog.text)
    hanging.answer.set()


def test_a_service_that_fails_is_named_once(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING), BackgroundTracker(Failing()) as tracker:
        for step in range(5):
            tracker.log_metrics({"loss": 1.0}, step)
    assert caplog.text.count("Failing failed") == 1
    assert "ConnectionError: gone" in caplog.text
