"""The first steps follow what lies in the data folder, are drawn while one is open, and can be hidden."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from molfun.data.dataset import Dataset
from molfun.runs.folder import RunFolder
from molfun.runs.jobs import make_folder
from molfun.ui.first_steps import Known, are_shown, first_steps, look, show
from tests.drawn_pages import button, dataset, draw, make_run, words

__all__ = ["dataset", "make_run"]


def done(known: Known) -> list[bool]:
    return [step.is_done for step in first_steps(known)]


def test_nothing_is_done_in_an_empty_folder(home: Path) -> None:
    assert look(home) == Known()
    assert done(Known()) == [False] * 5


def test_steps_follow_the_folder(home: Path, dataset: Dataset, make_run: Callable[..., RunFolder]) -> None:
    assert done(look(home)) == [True, False, False, False, False]
    make_run("one", "running")
    assert done(look(home)) == [True, True, False, False, False]
    make_run("two", "finished")
    assert done(look(home)) == [True, True, True, False, False]
    make_run("three", "finished")  # the same strategy once more
    assert done(look(home)) == [True, True, True, False, False]
    (make_run("four", "failed").path / "spec.yaml").write_text("torn")
    assert look(home).finished == "three"


def test_two_strategies_on_the_same_data_are_a_comparison(home: Path, make_run: Callable[..., RunFolder]) -> None:
    for run_id, kind in (("one", "head_only"), ("two", "lora")):
        folder = make_run(run_id, "finished")
        text = folder.spec_path.read_text().replace("kind: head_only", f"kind: {kind}")
        folder.spec_path.write_text(text)
    assert look(home).has_pair


def test_the_sidebar_tells_the_next_step_on_every_page(dataset: Dataset) -> None:
    for page in ("data", "runs"):
        said = words(draw(page))
        assert "First steps · 2 of 5" in said
        assert "the quick baseline" in said


def test_home_lists_all_steps_until_they_are_hidden(home: Path) -> None:
    app = draw("home")
    assert "Your first model in five steps" in words(app)
    button(app, "Hide").click().run()
    assert not are_shown(home)
    assert "first model" not in words(app).lower()
    assert "First steps" not in words(draw("runs"))


def test_settings_shows_them_again(home: Path) -> None:
    show(home, wanted=False)
    app = draw("settings")
    next(item for item in app.toggle if item.label == "Show the first steps").set_value(True).run()
    assert are_shown(home)


@pytest.mark.parametrize("torn", ["", "{", "[]", '{"hidden": 7}'])
def test_a_torn_file_hides_or_shows_but_never_fails(home: Path, torn: str) -> None:
    (home / "first_steps.json").write_text(torn)
    assert words(draw("home"))


def test_settings_says_when_there_is_nothing_left_to_show(home: Path, make_run: Callable[..., RunFolder]) -> None:
    finish_all(make_run)
    assert done(look(home)) == [True] * 5
    switch = next(item for item in draw("settings").toggle if item.label == "Show the first steps")
    assert (switch.disabled, switch.value) == (True, False)
    assert "First steps" not in words(draw("runs"))


def finish_all(make_run: Callable[..., RunFolder]) -> None:
    """Leave what somebody leaves who did all five."""
    for run_id, kind in (("one", "head_only"), ("two", "lora")):
        folder = make_run(run_id, "finished")
        folder.spec_path.write_text(folder.spec_path.read_text().replace("kind: head_only", f"kind: {kind}"))
    make_folder(folder.predictions / "jobs")
