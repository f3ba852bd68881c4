"""What clean-up may take, what it never takes, and that a plan removes nothing."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from molfun.runs.bin import discard
from molfun.runs.cleaning import CleaningRules, Piece, clean, plan_cleaning
from molfun.runs.disk import PARTS, disk_use
from molfun.runs.process import identity_of
from molfun.runs.store import RunFolder

Sleeper = Callable[[], "subprocess.Popen[bytes]"]
ALL = CleaningRules(newest_epochs=0, last_after_days=0, bin_after_days=0, cache_after_days=0, frozen_after_days=0)
NAMES = ("best", "last", "previous", "epoch_1", "epoch_2", "replaced-1", ".last.writing")


@pytest.fixture
def full(folder: RunFolder) -> RunFolder:
    """A run with one checkpoint of every kind, 1000 bytes each."""
    for step, name in enumerate(("epoch_1", "previous", "epoch_2", "best", "last", "replaced-1", ".last.writing"), 1):
        (folder.checkpoints / name).mkdir()
        (folder.checkpoints / name / "weights").write_bytes(b"x" * 800)
        files = {"weights": hashlib.sha256(b"x" * 800).hexdigest()}
        manifest = json.dumps({"step": step, "epoch": step, "files": files})
        (folder.checkpoints / name / "manifest.json").write_text(manifest.ljust(200))
    old = time.time() - 2 * 86_400
    os.utime(folder.checkpoints / ".last.writing", (old, old))
    return folder


def left(folder: RunFolder) -> list[str]:
    return sorted(path.name for path in folder.checkpoints.iterdir())


def test_a_plan_removes_nothing_and_says_what_it_costs(home: Path, full: RunFolder) -> None:
    full.write_state(status="finished", ended=time.time() - 60)
    plan = plan_cleaning(home, CleaningRules())
    assert {piece.path.name: piece.num_bytes for piece in plan} == dict.fromkeys(
        ["epoch_1", "replaced-1", ".last.writing"], 1000
    )
    assert all(piece.what and piece.cost for piece in plan)
    assert left(full) == sorted(NAMES)


def test_of_a_finished_run_the_best_weights_always_stay(home: Path, full: RunFolder) -> None:
    full.write_state(status="finished", ended=time.time() - 60)
    assert clean(home, plan_cleaning(home, ALL)) == 6000
    assert left(full) == ["best"]


@pytest.mark.parametrize("status", ["stopped", "failed"])
def test_what_a_run_goes_on_from_stays(home: Path, full: RunFolder, status: str) -> None:
    full.write_state(status=status, ended=time.time() - 60)
    clean(home, plan_cleaning(home, ALL))
    assert left(full) == ["best", "last", "previous"]


def test_an_epoch_stays_while_a_run_could_only_go_on_from_it(home: Path, full: RunFolder) -> None:
    full.write_state(status="failed", ended=time.time() - 60)
    for name in ("last", "best"):
        (full.checkpoints / name / "weights").write_bytes(b"damaged")
    clean(home, plan_cleaning(home, ALL))
    assert left(full) == ["best", "epoch_2", "last", "previous"]


def test_an_extended_run_keeps_what_it_goes_on_from(home: Path, full: RunFolder) -> None:
    full.write_state(status="finished", epochs=4, ended=time.time() - 60)
    full.amend(epochs=8)
    clean(home, plan_cleaning(home, ALL))
    assert left(full) == ["best", "last", "previous"]


def test_half_a_swap_of_checkpoints_is_not_taken_for_rubbish(home: Path, full: RunFolder) -> None:
    full.write_state(status="failed", ended=time.time() - 60)
    (full.checkpoints / "last").rename(full.checkpoints / ".last.older")
    old = time.time() - 2 * 86_400
    os.utime(full.checkpoints / ".last.older", (old, old))
    assert ".last.older" not in {piece.path.name for piece in plan_cleaning(home, ALL)}


def test_a_run_at_work_is_not_touched_even_by_an_old_plan(home: Path, full: RunFolder, sleeper: Sleeper) -> None:
    full.write_state(status="finished", ended=time.time() - 60)
    plan = plan_cleaning(home, ALL)
    full.write_state(status="running", attempt=2, **identity_of(sleeper().pid))
    assert clean(home, plan) == 0
    assert plan_cleaning(home, ALL) == []
    assert left(full) == sorted(NAMES)


def test_nothing_outside_the_data_folder_is_removed(home: Path, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (home / "cache").mkdir(exist_ok=True)
    (home / "cache" / "link").symlink_to(precious)
    pieces = [Piece(path, 1, "", "", "") for path in (precious, home / "cache" / "link", home / "cache" / "..", home)]
    assert clean(home, pieces) == 0
    assert precious.is_dir()
    assert plan_cleaning(home, ALL) == []


def test_the_bin_and_the_cache_go_when_they_are_old_enough(home: Path, full: RunFolder) -> None:
    full.write_state(status="failed")
    discard(full)
    (home / "cache").mkdir(exist_ok=True)
    (home / "cache" / "answer.json").write_text("{}")
    assert plan_cleaning(home, CleaningRules()) == []
    assert clean(home, plan_cleaning(home, ALL)) > 7000
    assert disk_use(home).rooms == {"runs": 0, "datasets": 0, "cache": 0, "bin": 0}


def test_disk_use_adds_up(home: Path, full: RunFolder) -> None:
    full.write_state(status="finished")
    use = disk_use(home)
    (row,) = use.runs.to_dict("records")
    assert [row[name] for name in ("best", "last", "kept", "replaced")] == [1000, 2000, 2000, 2000]
    assert row["bytes"] == sum(row[name] for name in PARTS)
    assert use.rooms["runs"] == row["bytes"]
