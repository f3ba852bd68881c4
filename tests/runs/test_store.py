"""Run folders: ids without tricks, files replaced whole, readers that tolerate what they find."""

from __future__ import annotations

import json
import os
import re
import resource
import shutil
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from molfun.errors import RunError
from molfun.runs.attempts import begin_attempt
from molfun.runs.spec import RunSpec
from molfun.runs.store import RunFolder, RunStore, new_run_id


def test_create_writes_the_spec_and_a_queued_state(home: Path) -> None:
    spec = RunSpec(name="First").changed({"training.epochs": 3})
    folder = RunStore(home).create(spec)
    assert folder.spec == spec
    assert folder.read_state()["status"] == "queued"
    assert folder.path.stat().st_mode & 0o077 == 0


def test_a_run_keeps_its_number_when_others_go(home: Path) -> None:
    store = RunStore(home)
    folders = [store.create(RunSpec(), run_id=f"run-{letter}") for letter in "abc"]
    shutil.rmtree(folders[1].path)
    folders.append(store.create(RunSpec(), run_id="run-0"))
    assert [folders[place].read_state()["number"] for place in (0, 2, 3)] == [0, 2, 3]


def test_runs_without_a_number_are_counted(home: Path) -> None:
    store = RunStore(home)
    for letter in "abc":
        store.create(RunSpec(), run_id=f"run-{letter}").write_state(number=None)
    assert store.create(RunSpec(), run_id="run-d").read_state()["number"] == 3


def test_create_twice_with_one_id_makes_one_run(home: Path) -> None:
    store = RunStore(home)
    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(lambda _: _try_create(store), range(8)))
    assert outcomes.count("made") == 1
    assert outcomes.count("A run with the id 'twice' exists already; open it, or start with another id.") == 7


def _try_create(store: RunStore) -> str:
    try:
        store.create(RunSpec(), run_id="twice")
    except RunError as error:
        return str(error)
    return "made"


@pytest.mark.parametrize("run_id", ["../x", "a/b", "A", "", ".", "..", "a b", "-a", "a" * 101, "a\n", "ä"])
def test_ids_hold_no_path_tricks(home: Path, run_id: str) -> None:
    with pytest.raises(RunError, match="is no run id; expected lower-case"):
        RunStore(home).get(run_id)


def test_get_names_the_nearest(home: Path, folder: RunFolder) -> None:
    with pytest.raises(RunError, match=r"No run has the id 'a-rum', did you mean 'a-run'"):
        RunStore(home).get("a-rum")


def test_list_is_newest_first_and_takes_runs_only(home: Path) -> None:
    store = RunStore(home)
    assert store.list() == []
    for age, name in enumerate(("new", "middle", "old")):
        spec = store.create(RunSpec(), run_id=name).spec_path
        os.utime(spec, (1_000_000 - age, 1_000_000 - age))
    (home / "runs" / "Notes").mkdir()
    (home / "runs" / "file").write_text("")
    assert [folder.id for folder in store.list()] == ["new", "middle", "old"]


@pytest.mark.parametrize(("name", "slug"), [("My Run: α/β 2", "my-run-2"), ("", "run"), ("x" * 99, "x" * 18)])
def test_new_run_id_is_a_valid_id_from_the_name(name: str, slug: str) -> None:
    run_id = new_run_id(name)
    assert re.fullmatch(rf"\d{{8}}-\d{{6}}-{slug}-[0-9a-f]{{4}}", run_id)


def test_write_state_merges(folder: RunFolder) -> None:
    folder.write_state(step=3)
    folder.write_state(status="running")
    state = folder.read_state()
    assert (state["step"], state["status"]) == (3, "running")


def test_write_state_loses_no_change_of_another_writer(folder: RunFolder) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda i: folder.write_state(**{f"key_{i}": i}), range(64)))
    assert {key for key in folder.read_state() if key.startswith("key_")} == {f"key_{i}" for i in range(64)}


@pytest.mark.parametrize("content", [None, "", "{", "[1]", "\x00\xff", '{"status": "running"'])
def test_readers_tolerate_absent_and_torn_files(folder: RunFolder, content: str | None) -> None:
    for path in (folder.state_path, folder.parameters_path, folder.scoreboard_path, folder.environment_path):
        path.unlink(missing_ok=True)
        if content is not None:
            path.write_text(content, encoding="latin-1")
    found = [folder.read_state(), folder.read_parameters(), folder.read_scoreboard(), folder.read_environment()]
    assert found == [{}, {}, {}, {}]
    assert folder.log_tail() == ""


def test_json_files_come_back(folder: RunFolder) -> None:
    folder.write_scoreboard({"primary": "spearman"})
    folder.write_parameters({"total": 3})
    folder.write_environment({"torch": "2"})
    assert folder.read_scoreboard() == {"primary": "spearman"}
    assert json.loads(folder.parameters_path.read_text()) == {"total": 3}
    assert folder.read_environment() == {"torch": "2"}
    assert [path.name for path in folder.path.glob(".*.*.*")] == []  # nothing left aside


def test_log_tail_starts_with_a_whole_line(folder: RunFolder) -> None:
    folder.log_path.write_text("".join(f"line {i}\n" for i in range(1000)))
    assert folder.log_tail(25).splitlines() == ["line 998", "line 999"]
    assert folder.log_tail().startswith("line 0\n")


def test_undefined_scores_become_null(folder: RunFolder) -> None:
    folder.write_scoreboard({"baselines": {"mean": {"spearman": float("nan"), "rmse": 1.5}}})
    assert '"spearman": null' in folder.scoreboard_path.read_text()
    assert folder.read_scoreboard() == {"baselines": {"mean": {"spearman": None, "rmse": 1.5}}}


@contextmanager
def full_disk() -> Iterator[None]:
    """Let no file grow, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)


def test_a_full_disk_leaves_no_half_run(home: Path) -> None:
    with full_disk(), pytest.raises(RunError, match=r"Cannot create the run folder .*Free some room"):
        RunStore(home).create(RunSpec(), run_id="a-run")
    assert RunStore(home).list() == []
    assert RunStore(home).create(RunSpec(), run_id="a-run").read_state()["status"] == "queued"


def test_an_attempt_on_a_full_disk_says_so(home: Path) -> None:
    folder = RunStore(home).create(RunSpec(), run_id="a-run")
    with full_disk(), pytest.raises(RunError, match=r"Cannot write to the run folder .*Check its disk"):
        begin_attempt(folder)
    assert begin_attempt(folder) == 1
