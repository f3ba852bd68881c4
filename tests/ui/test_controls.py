"""What can be asked of a run on its page, in every state; clicks change the run folder as the worker reads it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from molfun.runs import control
from molfun.runs.process import identity_of
from molfun.runs.queue import Holder, Ticket, changing, read_queue
from molfun.runs.status import run_status
from molfun.runs.store import RunFolder
from tests.drawn_pages import button, dataset, draw, make_run, words, write_checkpoint

__all__ = ["dataset", "make_run"]
Make = Callable[..., RunFolder]


def labels(app: AppTest) -> set[str]:
    return {item.label for item in app.button}


def toasts(app: AppTest) -> list[str]:
    return [item.value for item in app.toast]


def wait_in_queue(home: Path, *folders: RunFolder) -> None:
    """Put runs into the queue behind this process, which holds the only slot."""
    with changing(home) as found:
        found.holding = [Holder("other", [], identity_of(os.getpid()))]
        found.waiting = [Ticket(folder.id) for folder in folders]
    for folder in folders:
        folder.write_state(attempt=1, launched=time.time(), started=None)


def test_a_run_that_waits_says_for_what_and_can_be_moved_and_cancelled(home: Path, make_run: Make) -> None:
    first, second = make_run("first", "queued"), make_run("second", "queued")
    wait_in_queue(home, first, second)
    app = draw("live", run="second")
    assert "Waits in the queue of this machine. 1 run waits before it." in words(app)
    assert {"Start now", "First in line", "Cancel"} <= labels(app)
    assert "Delete…" not in labels(app)
    button(app, "First in line").click().run()
    assert [ticket.id for ticket in read_queue(home).waiting] == ["second", "first"]
    assert "Next; 1 of 1 slot is in use." in words(app)
    button(app, "Cancel").click().run()
    assert run_status(second).status == "stopped"
    assert {"Resume", "Extend…", "Delete…"} <= labels(app)


def test_start_now_starts_a_run_beside_the_others(home: Path, make_run: Make) -> None:
    folder = make_run("hasty", "queued")
    wait_in_queue(home, folder)
    # Settings that nobody can read end its supervisor at once, without the seconds that training takes.
    folder.spec_path.write_text("unknown: 1\n")
    app = draw("live", run="hasty")
    button(app, "Start now").click().run()
    assert toasts(app) == ["It starts at once."]
    assert read_queue(home).waiting == []
    deadline = time.monotonic() + 30
    while not run_status(folder).is_over:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert "Unknown setting 'unknown'" in run_status(folder).cause


def test_a_run_that_was_never_sent_can_be_sent_or_deleted(make_run: Make) -> None:
    make_run("cut", "queued")
    assert {"Send it", "Delete…"} <= labels(draw("live", run="cut"))


def test_pause_and_continue_are_asked_of_the_run(make_run: Make) -> None:
    folder = make_run("going", "running")
    app = draw("live", run="going")
    assert {"Stop", "Pause"} <= labels(app)
    button(app, "Pause").click().run()
    assert control.requested(folder) == {"pause"}
    assert "Pausing" in words(app)
    folder.write_state(paused=True)
    app.run()
    assert "Paused" in words(app)
    button(app, "Continue").click().run()
    assert control.requested(folder) == set()


def test_what_was_asked_and_is_not_obeyed_yet_is_shown(make_run: Make) -> None:
    folder = make_run("going", "running")
    for action in ("halve_lr", "stop_after_epoch"):
        control.request(folder, action)
    said = words(draw("live", run="going"))
    assert "Asked to halve the learning rate" in said
    assert "Stops after this epoch" in said


def test_the_stop_dialog_tells_what_each_way_costs_and_stops(make_run: Make) -> None:
    folder = make_run("going", "running")
    app = draw("live", run="going")
    button(app, "Stop").click().run()
    said = words(app)
    assert "SIGKILL" in said
    assert "left after 10 s" in said
    button(app, "Stop and save").click().run()
    assert control.read(folder, "stop")["by"] == "user"
    assert "Stop and save" not in labels(app)
    assert {"End at once…"} <= labels(app)


def test_a_click_that_comes_too_late_is_answered_with_a_sentence(make_run: Make) -> None:
    folder = make_run("going", "running")
    app = draw("live", run="going")
    folder.write_state(status="finished", ended=time.time())
    button(app, "Pause").click().run()
    assert toasts(app) == ["The run going is finished; only a run at work can be steered."]
    assert control.requested(folder) == set()
    assert "Extend…" in labels(app)


@pytest.mark.parametrize("status", ["running", "stopped"])
def test_epochs_are_added_to_a_run_at_work_and_to_one_that_stopped(make_run: Make, status: str) -> None:
    folder = make_run("more", status, attempt=1)
    write_checkpoint(folder, "last", 12)
    app = draw("live", run="more")
    app.session_state["live.dialog"] = "extend"
    app.run()
    field = next(item for item in app.number_input if item.label == "Epochs in all")
    assert (field.min, field.value) == (3, 15)
    field.set_value(24).run()
    if status == "running":
        button(app, "Train them").click().run()
        assert control.read(folder, "extend")["epochs"] == 24
        assert folder.epochs == 24
    else:
        assert button(app, "Leave it").help


def test_a_deleted_run_can_be_brought_back_where_it_was(home: Path, make_run: Make) -> None:
    folder = make_run("gone", "finished")
    app = draw("live", run="gone")
    button(app, "Delete…").click().run()
    button(app, "Delete 1 run").click().run()
    assert (home / "bin" / "gone").is_dir()
    assert "was deleted and lies in the bin" in words(app)
    assert "Run gone deleted." in words(draw_runs_after(app))
    button(draw("live", run="gone"), "Undo").click().run()
    assert folder.path.is_dir()


def test_a_run_that_was_started_meanwhile_is_not_deleted_and_that_is_said(home: Path, make_run: Make) -> None:
    folder = make_run("back", "finished")
    app = draw("live", run="back")
    button(app, "Delete…").click().run()
    folder.write_state(status="running", **identity_of(os.getpid()))
    button(app, "Delete 1 run").click().run()
    assert folder.path.is_dir()
    assert any("back" in said for said in toasts(app))
    assert not draw_runs_after(app).warning


def draw_runs_after(app: AppTest) -> AppTest:
    """Draw Runs in the session of another page."""
    other = draw("runs")
    other.session_state["runs.deleted"] = app.session_state["runs.deleted"]
    return other.run()


def test_name_notes_and_tags_are_kept_in_every_state(make_run: Make) -> None:
    folder = make_run("named", "running")
    app = draw("live", run="named")
    app.button(key="live.rename").click().run()
    next(item for item in app.text_input if item.label == "Name").set_value("A [new](http://x) *name*").run()
    assert folder.title == "A [new](http://x) *name*"
    assert app.title[0].value == r"A \[new\](http\://x) \*name\*"
    next(item for item in app.text_area if item.label == "Notes").set_value("Flat.").run()
    tags = next(item for item in app.multiselect if item.label == "Tags")
    assert folder.read_amended()["notes"] == "Flat."
    assert tags.value == []
    next(item for item in app.text_input if item.label == "Name").set_value(" ").run()
    assert "expected 1 to 120" in toasts(app)[-1]


def test_every_control_has_a_help_text(home: Path, make_run: Make) -> None:
    wait_in_queue(home, make_run("waits", "queued"))
    for run_id, status in (("waits", ""), ("going", "running"), ("over", "stopped")):
        if status:
            make_run(run_id, status)
        app = draw("live", run=run_id)
        widgets = [*app.button, *app.text_input, *app.text_area, *app.multiselect, *app.slider, *app.toggle]
        assert [item.label for item in widgets if not item.help] == []
