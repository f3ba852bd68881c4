from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from molfun.runs import notes
from molfun.runs.bin import discard
from molfun.runs.history import list_runs
from molfun.runs.store import RunFolder
from molfun.ui.run_table import matching, table_of
from tests.drawn_pages import button, dataset, draw, make_run, words

__all__ = ["dataset", "make_run"]
Make = Callable[..., RunFolder]


@pytest.fixture
def three(home: Path, make_run: Make) -> Path:
    """Three runs, two of them tagged."""
    for run_id, tags in (("one", ["control"]), ("two", ["control", "esm"]), ("three", [])):
        folder = make_run(run_id, "finished" if tags else "failed")
        notes.add_tags(folder, tags)
    notes.set_notes(folder, "Looks *flat*.")
    return home


@pytest.mark.parametrize(
    ("search", "states", "tags", "found"),
    [
        ("", [], [], {"one", "two", "three"}),
        ("", [], ["control"], {"one", "two"}),
        ("", [], ["control", "esm"], {"two"}),
        ("FLAT", [], [], {"three"}),
        ("esm", [], [], {"two"}),
        ("run", ["failed"], [], {"three"}),
        ("", ["failed"], ["control"], set()),
    ],
)
def test_runs_are_found_by_words_states_and_tags(
    three: Path, search: str, states: Sequence[str], tags: Sequence[str], found: set[str]
) -> None:
    assert set(matching(list_runs(three), search, states, tags)["id"]) == found


def test_the_table_tells_tags_and_place(three: Path) -> None:
    shown = table_of(list_runs(three)).set_index("Run")
    assert shown.loc["Run two", "Tags"] == ["control", "esm"]
    assert set(shown["Where"]) == {"This machine"}


def test_a_click_opens_the_run_that_stood_in_its_row(three: Path, make_run: Make) -> None:
    app = draw("home")
    clicked = [str(run_id) for run_id in list_runs(three)["id"]][1]
    make_run("newest", "finished")
    app.session_state["home.runs.open"] = {"row": 1}
    app.run()
    assert app.query_params["run"] == clicked


def test_a_tag_has_to_be_chosen_first(three: Path) -> None:
    app = draw("runs")
    ids = [str(run_id) for run_id in list_runs(three)["id"]]
    app.session_state[f"runs.table.{hash(tuple(ids)):x}"] = {"selection": {"rows": [0], "columns": []}}
    app.run()
    button(app, "Add").click().run()
    assert [item.value for item in app.toast] == ["No tag is chosen; type a word and press Enter first."]


def test_what_cannot_come_back_does_not_keep_the_others_in_the_bin(three: Path) -> None:
    for run_id in ("one", "two"):
        discard(RunFolder(three / "runs" / run_id))
    (three / "runs" / "one").mkdir()
    app = draw("runs")
    app.session_state["runs.deleted"] = [("one", "Run one"), ("two", "Run two")]
    app.run()
    button(app, "Undo").click().run()
    assert [item.value for item in app.toast] == ["A run with the id one exists; delete or move that one first."]
    assert (three / "runs" / "two" / "spec.yaml").is_file()


def test_ticked_runs_are_tagged_and_deleted_together(three: Path) -> None:
    app = draw("runs")
    ids = [str(run_id) for run_id in list_runs(three)["id"]]
    key = f"runs.table.{hash(tuple(ids)):x}"
    app.session_state[key] = {"selection": {"rows": [ids.index("one"), ids.index("two")], "columns": []}}
    app.run()
    tagging = next(item for item in app.multiselect if item.key == "runs.tag")
    tagging.select("esm").run()
    button(app, "Add").click().run()
    assert [notes.tags_of(RunFolder(three / "runs" / run_id)) for run_id in ("one", "three")] == [
        ["control", "esm"],
        [],
    ]
    assert button(app, "Open").disabled
    button(app, "Delete…").click().run()
    button(app, "Delete 2 runs").click().run()
    assert sorted(path.name for path in (three / "bin").iterdir() if path.is_dir()) == ["one", "two"]
    assert "2 runs deleted." in words(app)
    button(app, "Undo").click().run()
    assert {"one", "two"} <= {path.name for path in (three / "runs").iterdir()}
