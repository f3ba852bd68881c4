from __future__ import annotations

import time
from pathlib import Path

import pytest

from molfun.runs.folder import RunFolder
from molfun.runs.signs import signs_during, watched
from molfun.runs.store import RunStore
from tests.real_runs import few_rows, tiny_spec


@pytest.fixture
def folder(home: Path, tmp_path: Path) -> RunFolder:
    made = RunStore(home).create(tiny_spec(home, few_rows(tmp_path / "few.csv")))
    made.write_state(heartbeat=1.0)
    return made


def test_something_silent_gives_signs_of_life_until_it_has_lasted_too_long(folder: RunFolder) -> None:
    with signs_during(folder, every_seconds=0.01, most_seconds=0.9):
        time.sleep(1.5)
        last = folder.read_state()["heartbeat"]
        assert last > 1.0
        time.sleep(1.5)
        assert folder.read_state()["heartbeat"] == last


def test_no_sign_comes_after_the_end(folder: RunFolder) -> None:
    with signs_during(folder, every_seconds=30.0):
        pass
    assert folder.read_state()["heartbeat"] == 1.0


def test_every_item_is_handed_on(folder: RunFolder) -> None:
    assert list(watched([1, 2, 3], folder)) == [1, 2, 3]
    assert folder.read_state()["heartbeat"] > 1.0
    assert list(watched([1], None)) == [1]
