from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from molfun.ui import charts
from molfun.ui.markers import Marker, markers_of


def steer(action: str, step: Any, **about: Any) -> dict[str, Any]:
    return {"kind": "steer", "action": action, "step": step, "segment": 0, **about}


def test_every_act_has_its_label() -> None:
    events = [
        {"kind": "start"},
        {"kind": "best", "step": 4},
        steer("pause", 5),
        steer("go_on", 5),
        steer("lr", 7, factor=0.5, lr_factor=0.25),
        steer("checkpoint", 9),
        steer("epochs", 9, epochs=24),
        steer("stop_after_epoch", 11),
    ]
    assert markers_of(events) == [
        Marker(4, "best"),
        Marker(5, "paused"),
        Marker(7, "LR ×0.5"),
        Marker(9, "saved, 24 epochs"),
        Marker(11, "last epoch"),
    ]


def test_a_resume_undoes_what_came_after_its_checkpoint() -> None:
    resume = {"kind": "resume", "step": 20, "segment": 1}
    events = [steer("lr", 10, factor=0.5), steer("lr", 30, factor=0.5), {"kind": "resume", "name": "n"}, resume]
    assert markers_of(events) == [Marker(10, "LR ×0.5"), Marker(20, "resumed")]


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"kind": "steer"},
        steer("lr", 3, factor="half"),
        steer("lr", 3),
        steer("epochs", 3, epochs=None),
        steer("pause", "3"),
        steer("pause", -1),
        steer("pause", 1e300),
        steer("from_a_newer_version", 3),
        {"kind": "steer", "action": ["pause"], "step": 3},
    ],
)
def test_events_that_make_no_sense_are_left_out(event: dict[str, Any]) -> None:
    assert markers_of([event, steer("pause", 4)]) == [Marker(4, "paused")]


def figure_with(markers: list[Marker], last_step: int = 1000) -> Any:
    figure = charts.empty_figure("Loss", "Step", "")
    figure.add_scatter(x=np.arange(1, last_step + 1), y=np.zeros(last_step))
    return charts.add_markers(figure, markers)


def test_markers_are_lines_over_the_whole_height_with_labels() -> None:
    figure = figure_with([Marker(100, "paused"), Marker(500, "saved")])
    lines = [(line.x0, line.x1, line.y0, line.y1, line.yref, line.line.dash) for line in figure.layout.shapes]
    assert lines == [(100, 100, 0, 1, "paper", "dot"), (500, 500, 0, 1, "paper", "dot")]
    assert [(note.x, note.text) for note in figure.layout.annotations] == [(100, "paused"), (500, "saved")]


def test_labels_close_to_each_other_are_staggered() -> None:
    figure = figure_with([Marker(100, "a"), Marker(110, "b"), Marker(120, "c"), Marker(400, "d")])
    assert [note.y for note in figure.layout.annotations] == pytest.approx([1, 2 / 3, 1 / 3, 1])


def test_of_many_markers_only_the_newest_carry_labels() -> None:
    figure = figure_with([Marker(step, "saved") for step in range(1, 101)])
    assert len(figure.layout.shapes) == 100
    assert [note.x for note in figure.layout.annotations] == list(range(81, 101))


def test_no_marker_changes_nothing() -> None:
    figure = figure_with([])
    assert (figure.layout.shapes, figure.layout.annotations) == ((), ())
    assert charts.add_markers(charts.empty_figure("", "", ""), [Marker(1, "saved")]).layout.shapes


def test_of_the_weights_that_were_written_the_newest_are_marked() -> None:
    events = [{"kind": kind, "step": step} for step in (5, 10, 15) for kind in ("checkpoint", "best")]
    events += [{"kind": "checkpoint", "step": 20}, {"kind": "checkpoint", "step": None}]
    assert markers_of(events) == [Marker(15, "best"), Marker(20, "checkpoint")]
    resumed = [*events, {"kind": "resume", "step": 12}]
    assert markers_of(resumed) == [Marker(10, "best, checkpoint"), Marker(12, "resumed")]
