"""Names, notes and tags: kept beside the settings, within bounds."""

from __future__ import annotations

from pathlib import Path

import pytest

from molfun.errors import SettingError
from molfun.runs.notes import add_tags, all_tags, remove_tags, rename, set_notes, tags_of
from molfun.runs.store import RunFolder


def test_a_name_of_its_own_leaves_the_settings_alone(folder: RunFolder) -> None:
    before = folder.spec_path.read_bytes()
    rename(folder, "  The   best one ")
    assert folder.title == "The best one"
    assert folder.spec_path.read_bytes() == before


def test_tags_are_added_once_and_removed(home: Path, folder: RunFolder) -> None:
    add_tags(folder, ["paper", "gb1", "paper"])
    add_tags(folder, ["gb1", "old"])
    assert tags_of(folder) == ["paper", "gb1", "old"]
    assert all_tags(home) == ["gb1", "old", "paper"]
    remove_tags(folder, ["paper", "unknown", "gb1", "old"])
    assert "tags" not in folder.read_amended()


def test_an_empty_note_removes_it(folder: RunFolder) -> None:
    set_notes(folder, "line one\nline two")
    assert folder.read_amended()["notes"] == "line one\nline two"
    set_notes(folder, "")
    assert folder.read_amended() == {}


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda f: rename(f, " "), "The name has 0 characters; expected 1 to 120"),
        (lambda f: rename(f, "x" * 121), "The name has 121 characters"),
        (lambda f: rename(f, "a\x00b"), r"holds the control character '\\x00' at place 2"),
        (lambda f: set_notes(f, "x" * 20_001), "The notes have 20,001 characters"),
        (lambda f: add_tags(f, ["a,b"]), "holds a comma"),
        (lambda f: add_tags(f, [str(i) for i in range(21)]), "would have 21 tags"),
    ],
)
def test_what_is_out_of_bounds_is_refused_and_changes_nothing(folder: RunFolder, act, message: str) -> None:
    with pytest.raises(SettingError, match=message):
        act(folder)
    assert folder.read_amended() == {}
