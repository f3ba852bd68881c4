"""Structure files on the page Data: uploaded, refused or left out by name, joined with values, shown and saved."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from molfun.data.dataset import list_datasets
from molfun.data.example_structures import example_path
from molfun.errors import DataError
from molfun.ui.structure_sources import preview_of, structure_source
from tests.drawn_pages import button, draw, words

NAMES = ("5pti", "2xcj", "1mr1", "2cvi", "3a4r", "1i8n", "1lpb", "2va0", "2xdg", "1osm")
BAD = ("broken.pdb", b"no structure at all")


def uploads(*names: str) -> list[tuple[str, bytes]]:
    return [(example_path(name).name, example_path(name).read_bytes()) for name in names]


def test_files_become_rows_named_after_them() -> None:
    source = structure_source(uploads("5pti", "2xcj"))
    assert source.frame["name"].tolist() == ["5pti", "2xcj"]
    assert (source.columns.task, source.columns.target) == ("structure", "structure")
    assert source.about["source"] == "2 structure files"
    assert structure_source(uploads("5pti")).name == "5pti"


def test_a_bad_file_is_refused_by_name_or_left_out() -> None:
    files = [*uploads("5pti"), BAD]
    with pytest.raises(DataError, match=r"(?s)1 of 2 structures cannot be used.*broken\.pdb is no structure"):
        structure_source(files)
    source = structure_source(files, on_problem="skip")
    assert source.frame["name"].tolist() == ["5pti"]
    ((name, reason),) = source.frame.attrs["skipped"]
    assert name == "broken.pdb"
    assert "expected a PDB file" in reason


def test_names_of_uploads_are_no_paths() -> None:
    ((_, content),) = uploads("5pti")
    source = structure_source([("../../etc/my.pdb.gz", content)])
    assert source.frame["name"].tolist() == ["my"]


def test_chains_become_rows_where_that_is_chosen() -> None:
    source = structure_source(uploads("1hvr"), rows="chain")
    assert source.frame["name"].tolist() == ["1hvr_A", "1hvr_B"]
    assert structure_source(uploads("1hvr")).columns.sequence == ["chain_A", "chain_B"]


def test_values_are_joined_by_name() -> None:
    source = structure_source(uploads("5pti", "2xcj"), ("kd.csv", b"pdb,affinity\n2XCJ,7.5\n1abc,1\n"))
    assert source.frame[["name", "affinity"]].to_numpy().tolist() == [["2xcj", 7.5]]
    assert source.frame.attrs["unmatched_files"] == ["5pti"]


def test_the_preview_says_what_files_say_and_holds_no_objects() -> None:
    shown = preview_of(structure_source(uploads("1hvr", "5pti")).frame)
    assert shown.columns[:7].tolist() == [
        "Name", "Chains", "Residues", "With a C-alpha", "Resolution (Å)", "Date", "Method",
    ]  # fmt: skip
    assert shown["Chains"].tolist() == ["A, B", "A"]
    assert shown["Date"].tolist() == ["1994-02-14", "1984-10-05"]
    assert "structure" not in shown


def open_structures() -> AppTest:
    app = draw("data")
    app.segmented_control(key="data.source").set_value("structures").run()
    return app


def give(app: AppTest, files: list[tuple[str, bytes]]) -> AppTest:
    app.file_uploader(key="data.structures").set_value([(name, content, "") for name, content in files]).run()
    assert not app.exception, app.exception[0].stack_trace
    return app


def test_uploaded_structures_are_checked_and_saved(home: Path) -> None:
    app = give(open_structures(), uploads(*NAMES))
    said = words(app)
    assert "Every row is fine for ESMFold small" in said
    assert "The place of every atom is predicted" in said
    button(app, "Save dataset").click().run()
    assert not app.exception
    (saved,) = list_datasets(home / "datasets")
    assert (saved["task"], saved["rows"]) == ("structure", len(NAMES))
    assert not [item for item in app.button if item.label == "Score simple baselines"]


def test_a_bad_upload_stops_with_its_name_until_it_is_left_out() -> None:
    app = give(open_structures(), [*uploads(*NAMES), BAD])
    assert "broken.pdb is no structure" in app.error[0].value
    app.segmented_control(key="data.bad_files").set_value("skip").run()
    assert not app.error
    assert "broken.pdb" in "".join(item.value for item in app.warning)
    assert not button(app, "Save dataset").disabled


def test_a_plain_table_is_not_offered_the_task_structure() -> None:
    app = draw("data")
    button(app, "Look at it").click().run()
    task = next(item for item in app.segmented_control if item.label == "Task")
    assert "Structure" not in task.options


def test_the_example_is_shown_with_its_notes_and_can_be_saved(home: Path) -> None:
    app = draw("data")
    app.button(key="data.example.small_proteins").click().run()
    assert not app.exception
    assert "Eleven structures show how such runs work" in words(app)
    button(app, "Save dataset").click().run()
    (saved,) = list_datasets(home / "datasets")
    assert (saved["task"], saved["counts"]) == ("structure", {"train": 7, "val": 2, "test": 2})
