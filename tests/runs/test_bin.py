"""Deleting is a rename that can be undone, and never touches a run that waits or is at work."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from molfun.errors import RunError
from molfun.runs.bin import discard, discarded, purge, restore
from molfun.runs.process import identity_of
from molfun.runs.store import RunFolder, RunStore

Sleeper = Callable[[], "subprocess.Popen[bytes]"]


@pytest.fixture
def ended(folder: RunFolder) -> RunFolder:
    folder.write_state(status="failed", attempt=1)
    return folder


def test_a_deleted_run_comes_back_as_it_was(home: Path, ended: RunFolder) -> None:
    before = {path.name: path.read_bytes() for path in ended.path.iterdir() if path.suffix == ".json"}
    discard(ended)
    assert RunStore(home).list() == []
    (row,) = discarded(home).to_dict("records")
    assert (row["id"], row["title"]) == ("a-run", "A test run")
    assert row["bytes"] > 0
    assert time.time() - row["deleted"] < 60
    restored = restore(home, "a-run")
    after = {path.name: path.read_bytes() for path in restored.path.iterdir() if path.name in before}
    assert after == before
    assert discarded(home).empty


def test_a_run_at_work_is_never_deleted(folder: RunFolder, sleeper: Sleeper) -> None:
    folder.write_state(status="running", attempt=1, **identity_of(sleeper().pid))
    with pytest.raises(RunError, match="is running; stop or cancel it before you delete it"):
        discard(folder)
    folder.write_state(status="queued", attempt=1, launched=time.time(), pid=None)
    with pytest.raises(RunError, match="is queued; stop or cancel"):
        discard(folder)
    assert folder.path.is_dir()


def test_a_name_that_is_taken_is_not_overwritten(home: Path, ended: RunFolder) -> None:
    spec = ended.spec
    discard(ended)
    again = RunStore(home).create(spec, run_id="a-run")
    again.write_state(status="failed")
    with pytest.raises(RunError, match="A run with the id a-run exists"):
        restore(home, "a-run")
    with pytest.raises(RunError, match="The bin holds a run a-run already"):
        discard(again)


def test_purging_follows_no_link(home: Path, ended: RunFolder, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("keep me")
    (ended.path / "link").symlink_to(tmp_path)
    discard(ended)
    (home / "bin" / "elsewhere").symlink_to(tmp_path)
    assert purge(home, older_than_days=1) == 0
    assert purge(home) > 0
    assert precious.read_text() == "keep me"
    with pytest.raises(RunError, match="The bin holds no run 'a-run'"):
        restore(home, "a-run")
    with pytest.raises(RunError, match="The bin holds no run 'elsewhere'"):
        purge(home, ["elsewhere"])
