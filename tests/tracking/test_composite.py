"""A failing tracker is set aside; the others go on; errors of the training reach every one."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from typing_extensions import override

from molfun.errors import ModelError, SettingError
from molfun.tracking.base import BaseTracker, NullTracker, Row, Status
from molfun.tracking.catalog import TRACKERS, build_tracker, find_tracker
from molfun.tracking.composite import CompositeTracker
from molfun.tracking.local import LocalTracker, read_events, read_metrics
from molfun.tracking.packages import REQUIREMENTS


class Brittle(BaseTracker):
    """A remote service that breaks at the second epoch."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    @override
    def log_metrics(self, metrics: Mapping[str, float], step: int) -> None:
        self.calls.append(f"epoch {step}")
        if step == 2:
            raise ConnectionError("gone")

    @override
    def end_run(self, status: Status = "finished", error: str = "") -> None:
        self.calls.append(status)


def test_a_failing_member_is_named_once_and_set_aside(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    brittle = Brittle()
    with caplog.at_level(logging.WARNING), CompositeTracker([LocalTracker(tmp_path), brittle]) as tracker:
        for epoch in (1, 2, 3, 4):
            tracker.log_metrics({"val_loss": 1.0}, epoch)
    assert brittle.calls == ["epoch 1", "epoch 2"]
    (record,) = caplog.records
    assert "Brittle failed" in record.message
    assert "ConnectionError: gone" in record.message
    _, epochs = read_metrics(tmp_path / "metrics.jsonl")
    assert epochs["step"].tolist() == [1, 2, 3, 4]


def test_every_call_reaches_every_member(tmp_path: Path) -> None:
    folders = [tmp_path / "a", tmp_path / "b"]
    for folder in folders:
        folder.mkdir()
    tracker = CompositeTracker([LocalTracker(folder) for folder in folders])
    tracker.start_run("id", name="n", group="g", tags=("t",), resume=True)
    tracker.log_config({"lr": 1e-3})
    tracker.log_step({"loss": 1.0}, 1)
    tracker.log_artifact(tmp_path / "best")
    tracker.log_text("hello", "note")
    tracker.end_run("stopped")
    for folder in folders:
        events = read_events(folder / "events.jsonl")
        assert [event["kind"] for event in events] == ["resume", "config", "artifact", "text", "end"]
        assert events[1]["config"] == {"lr": 1e-3}
        assert len(read_metrics(folder / "metrics.jsonl")[0]) == 1


class Keeping(BaseTracker):
    """Keeps what is sent in bulk and at the end."""

    def __init__(self) -> None:
        self.kept: list[object] = []

    @override
    def log_metrics(self, metrics: Mapping[str, float], step: int) -> None:
        self.kept.append(dict(metrics))

    @override
    def log_rows(self, rows: Sequence[Row]) -> None:
        self.kept.append(list(rows))

    @override
    def log_summary(self, values: Mapping[str, float]) -> None:
        self.kept.append(dict(values))

    @override
    def flush(self) -> None:
        self.kept.append("flush")


def test_rows_and_scores_reach_every_member_as_they_are() -> None:
    members, row = [Keeping(), Keeping()], Row("step", 3, 1e9, {"loss": 1.0})
    tracker = CompositeTracker(members)
    tracker.log_rows([row])
    tracker.log_summary({"test_spearman": 0.5})
    tracker.flush()
    assert [member.kept for member in members] == [[[row], {"test_spearman": 0.5}, "flush"]] * 2


def test_an_error_inside_the_block_ends_as_failed_and_goes_on() -> None:
    brittle = Brittle()
    with pytest.raises(RuntimeError, match="diverged"), CompositeTracker([brittle]):
        raise RuntimeError("diverged")
    assert brittle.calls == ["failed"]


def test_null_tracker_takes_everything(tmp_path: Path) -> None:
    with NullTracker() as tracker:
        tracker.log_metrics({"a": 1.0}, 1)
        tracker.log_step({"a": 1.0}, 1)
    assert list(tmp_path.iterdir()) == []


def test_base_tracker_asks_for_log_metrics_only() -> None:
    assert BaseTracker.__abstractmethods__ == {"log_metrics"}


def test_find_tracker_names_the_nearest() -> None:
    with pytest.raises(SettingError, match="did you mean 'wandb'"):
        find_tracker("wandbb")


def test_find_tracker_gives_the_install_line(monkeypatch: pytest.MonkeyPatch) -> None:
    card = TRACKERS["wandb"]
    monkeypatch.setitem(TRACKERS, "wandb", replace(card, package="no_such_package"))
    monkeypatch.setitem(REQUIREMENTS, "no_such_package", "'no-such-package>=2'")
    with pytest.raises(ModelError, match=r"pip install 'no-such-package>=2'"):
        find_tracker("wandb")


@pytest.mark.parametrize("name", TRACKERS)
def test_build_tracker_builds_every_listed_one(name: str, tmp_path: Path) -> None:
    assert isinstance(build_tracker(name, folder=tmp_path), BaseTracker)
