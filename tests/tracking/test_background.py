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

from molfun.tracking.background import BackgroundTracker, without_waiting
from molfun.tracking.base import BaseTracker
from molfun.tracking.composite import CompositeTracker
from molfun.tracking.local import LocalTracker, read_events, read_metrics
from molfun.tracking.mlflow import MLflowTracker
from molfun.training import HeadOnlyFinetune
from tests.tiny import tiny_batch, tiny_model
from tests.tracking.services import serving


class Hanging(BaseTracker):
    """A service that does not answer."""

    speaks_to_service = True

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


def test_what_speaks_to_no_service_is_called_as_it_is(tmp_path: Path) -> None:
    local = LocalTracker(tmp_path)
    with without_waiting(local) as tracker:
        assert tracker is local


def test_of_several_trackers_only_those_with_a_service_get_a_thread(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    hanging = Hanging()
    local = LocalTracker(tmp_path)
    both = CompositeTracker([local, hanging])
    with caplog.at_level(logging.WARNING), local, without_waiting(both, end_seconds=0.2) as tracker:
        tracker.log_metrics({"val_loss": 0.5}, 1)
        # The record comes first and at once.
        assert read_metrics(tmp_path / "metrics.jsonl")[1]["val_loss"].tolist() == [0.5]
    assert "Hanging did not take everything" in caplog.text
    hanging.answer.set()


@pytest.mark.parametrize("fault", ["hang", "refuse", "500", "drop"])
def test_fit_does_not_wait_for_a_service(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The package alone would wait for minutes in each call."""
    monkeypatch.setattr("molfun.tracking.background.END_SECONDS", 1.0)
    model = tiny_model()
    with serving("mlflow", fault) as service:
        began = time.monotonic()
        tracker = MLflowTracker("test", uri=service.url)
        loader = [tiny_batch(model.adapter.alphabet)] * 3
        history = HeadOnlyFinetune(amp=False).fit(model, loader, epochs=2, tracker=tracker)
        assert time.monotonic() - began < 20.0
    assert [row["epoch"] for row in history] == [1.0, 2.0]
