from __future__ import annotations

import time
from pathlib import Path
from threading import Event

from molfun.errors import RunError
from molfun.runs.spec import RunSpec
from molfun.runs.store import RunStore
from molfun.ui.launch_desk import LaunchDesk
from tests.drawn_pages import write_checkpoint


def wait_until_done(desk: LaunchDesk, run_id: str) -> None:
    deadline = time.monotonic() + 10
    while desk.under_way(run_id):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_an_errand_is_done_once_and_shown_meanwhile() -> None:
    desk, may_end, done = LaunchDesk(), Event(), []
    work = lambda: (may_end.wait(10), done.append(1))  # noqa: E731 - two acts in one
    assert desk.send("a", "Sending the run", work)
    assert not desk.send("a", "Sending the run", work)
    assert (desk.under_way("a"), desk.under_way("b"), desk.problem("a")) == ("Sending the run", "", "")
    may_end.set()
    wait_until_done(desk, "a")
    assert (done, desk.problem("a")) == ([1], "")


def test_a_problem_stays_until_it_is_forgotten_or_tried_again() -> None:
    def fail() -> None:
        raise RunError("No partition is named gpu.")

    desk = LaunchDesk()
    desk.send("a", "Sending the run", fail)
    wait_until_done(desk, "a")
    assert desk.problem("a") == "No partition is named gpu."
    desk.forget("a")
    assert desk.problem("a") == ""
    desk.send("a", "Sending the run", fail)
    wait_until_done(desk, "a")
    assert desk.send("a", "Sending the run", lambda: None)
    wait_until_done(desk, "a")
    assert desk.problem("a") == ""


def test_what_nobody_foresaw_is_a_sentence_too() -> None:
    def fail() -> None:
        raise ZeroDivisionError("x")

    def fill_disk() -> None:
        raise OSError(28, "No space left on device")

    desk = LaunchDesk()
    for run_id, work in (("a", fail), ("b", fill_disk)):
        desk.send(run_id, "Sending the run", work)
        wait_until_done(desk, run_id)
    assert desk.problem("a").startswith("Unexpected problem: ZeroDivisionError('x')")
    assert "No space left on device. Check the disk" in desk.problem("b")


def test_a_resume_point_is_looked_up_anew_each_time(home: Path) -> None:
    folder, desk = RunStore(home).create(RunSpec(), run_id="one"), LaunchDesk()
    weights = write_checkpoint(folder, "last", 12)
    point = desk.resume_point(folder)
    assert point is not None
    assert point.sentence == "Goes on after step 12, from the checkpoint last."
    weights.write_bytes(b"torn")
    point = desk.resume_point(folder)
    assert point is not None
    assert not point.is_possible
