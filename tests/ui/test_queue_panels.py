"""The queue on the page Runs, and runs that wait on Home."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from molfun.runs.process import identity_of
from molfun.runs.queue import Holder, Ticket, changing, read_queue
from molfun.runs.store import RunFolder
from tests.drawn_pages import dataset, draw, make_run, words

__all__ = ["dataset", "make_run"]
Make = Callable[..., RunFolder]


def fill_queue(home: Path, make_run: Make) -> None:
    """One run at work, two that wait; one of the queue was deleted meanwhile."""
    make_run("works", "running", attempt=1)
    for run_id in ("first", "second"):
        make_run(run_id, "queued", attempt=1)
    with changing(home) as queue:
        queue.holding = [Holder("works", [], identity_of(os.getpid()))]
        queue.waiting = [Ticket("first"), Ticket("second"), Ticket("deleted")]


def test_queue_shows_what_works_and_what_waits_for_what(home: Path, make_run: Make) -> None:
    fill_queue(home, make_run)
    said = words(draw("runs"))
    for part in ("Queue of this machine", "Next; 1 of 1 slot is in use.", "1 run waits before it.", "50%"):
        assert part in said


def test_queue_is_reordered_and_cancelled(home: Path, make_run: Make) -> None:
    fill_queue(home, make_run)
    app = draw("runs")
    app.button(key="queue.arrow_upward.second").click().run()
    assert [ticket.id for ticket in read_queue(home).waiting] == ["second", "first", "deleted"]
    app.button(key="queue.arrow_downward.second").click().run()
    app.button(key="queue.vertical_align_top.second").click().run()
    assert [ticket.id for ticket in read_queue(home).waiting] == ["second", "first", "deleted"]
    app.button(key="queue.cancel.second").click().run()
    assert [ticket.id for ticket in read_queue(home).waiting] == ["first", "deleted"]
    assert app.button(key="queue.arrow_upward.first").disabled


def test_slots_are_set_where_the_queue_is_and_on_settings(home: Path, make_run: Make) -> None:
    fill_queue(home, make_run)
    with changing(home) as queue:  # nothing may start here
        queue.waiting = []
    for page, number in (("runs", 3), ("settings", 2)):
        app = draw(page)
        next(item for item in app.number_input if item.label == "Runs at once").set_value(number).run()
        assert not app.exception
        assert read_queue(home).num_slots == number


def test_no_queue_is_shown_where_nothing_is_in_it(make_run: Make) -> None:
    make_run("over", "finished")
    assert "Queue of this machine" not in words(draw("runs"))


def test_home_lists_runs_that_wait_behind_those_at_work(home: Path, make_run: Make) -> None:
    fill_queue(home, make_run)
    app = draw("home")
    links = [item.label for item in app.sidebar.get("page_link")]
    assert links == ["Run works · 50%", "Run first · 50%", "Run second · 50%"]
    assert "Run first · queued" in words(app)


def test_settings_tell_what_the_machine_has(home: Path) -> None:
    said = words(draw("settings")).replace("\\", "")
    for part in ("core", "No GPU found", "Python 3.", "torch 2.", f"Data folder: {home}"):
        assert part in said
