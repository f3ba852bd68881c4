"""Whatever lies in a run folder: states, lists, tables and curves, and never an error."""

from __future__ import annotations

import io
import os
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import strategies as st
from rich.console import Console

from molfun.data.exports import to_csv
from molfun.errors import MolfunError
from molfun.runs import control, endings
from molfun.runs.alerts import find_alerts
from molfun.runs.bin import discarded
from molfun.runs.cleaning import CleaningRules, plan_cleaning
from molfun.runs.disk import disk_use
from molfun.runs.files import as_json, read_json
from molfun.runs.folder import RunFolder
from molfun.runs.health import where_it_resumes
from molfun.runs.history import list_runs, summarise
from molfun.runs.launchers.catalog import launcher_of
from molfun.runs.notes import all_tags, tags_of
from molfun.runs.queue import queue_path, read_queue
from molfun.runs.spec import RunSpec
from molfun.runs.status import run_status
from molfun.runs.store import RunStore
from molfun.runs.terminal import run_table, score_table
from molfun.tracking.reader import MetricsReader, read_events, read_metrics
from molfun.ui import charts, outcomes, results, run_facts
from molfun.ui.evidence_bundle import evidence_zip
from molfun.ui.markers import markers_of
from molfun.ui.run_table import matching, table_of
from molfun.ui.verdict import verdict
from tests.fuzz.cases import assert_sentence, assert_shown, fuzz, outcome, time_limit
from tests.fuzz.damage import damaged
from tests.fuzz.folders import DRAWN, LINES, SOUND, fill, folder_files, make_folder
from tests.fuzz.tables import parquets


def look_at(folder: RunFolder) -> None:
    """Ask a run folder for everything that the command line and the pages show of it."""
    assert_shown(run_status(folder).cause)
    assert_shown(folder.title)
    as_json([summarise(folder), folder.read_state(), folder.read_launch(), folder.read_amended()])
    assert folder.saved_step is None or folder.saved_step >= 0
    control.requested(folder)
    for action in control.ACTIONS:
        control.read(folder, action)
    board = folder.read_scoreboard()
    score_table(board)
    outcomes.scores_table(board)
    if board.get("test"):
        verdict(board)
    results.checkpoint_rows(folder)
    failures, codes = endings.read_failures(folder.notes), endings.read_exit_codes(folder.notes)
    endings.find_cause(failures, codes, num_processes=2, returncode=1)
    endings.read_end(folder.notes)
    launcher_of(folder)
    assert_sentence(where_it_resumes(folder).sentence)
    run_facts.preflight_line(folder.read_preflight())
    assert all(isinstance(tag, str) for tag in tags_of(folder))


def list_all(home: Path) -> None:
    """List all runs as the command line and the page Runs do."""
    runs = list_runs(home)
    assert len(runs) == len(RunStore(home).list())
    Console(file=io.StringIO(), width=100).print(run_table(runs))
    table_of(matching(runs, "fuzz", []))
    discarded(home)
    disk_use(home)
    plan_cleaning(home, CleaningRules())
    all_tags(home)


def room_folder(room: Path, run_id: str) -> RunFolder:
    """Return the folder of a run, made where it is absent; cases share it."""
    return RunFolder(room / "runs" / run_id) if (room / "runs" / run_id).exists() else make_folder(room, run_id)


@fuzz("run folders", 300, content=folder_files())
def test_folder(room: Path, content: dict[str, bytes]) -> None:
    folder = room_folder(room, "fuzz")
    fill(folder, content)
    outcome(lambda: look_at(folder), room)


@fuzz("evidence", 30, content=folder_files())
def test_evidence(room: Path, content: dict[str, bytes]) -> None:
    folder = room_folder(room, "fuzz")
    fill(folder, content)
    outcome(lambda: evidence_zip([folder]), room)


@fuzz("lists of runs", 50, contents=st.lists(folder_files(), min_size=4, max_size=4))
def test_list(room: Path, contents: list[dict[str, bytes]]) -> None:
    for number, content in enumerate(contents):
        fill(room_folder(room, f"fuzz-{number}"), content)
    outcome(lambda: list_all(room), room)


@pytest.mark.parametrize("name", [name for name in SOUND if "/" not in name])
@fuzz("JSON files", 60, data=st.data())
def test_json_file_can_be_read_changed_and_written(room: Path, name: str, data: st.DataObject) -> None:
    folder = room_folder(room, "fuzz")
    fill(folder, {name: data.draw(DRAWN[name])})
    (folder.path / name).rename(folder.path / "state.json")

    def act() -> None:
        folder.write_state(heartbeat=1.0)
        as_json(folder.read_state())

    outcome(act, room)
    assert read_json(folder.path / "state.json")["heartbeat"] == 1.0


@fuzz("metrics", 400, content=LINES, more=LINES)
def test_metrics(room: Path, content: bytes, more: bytes) -> None:
    path = room / "metrics.jsonl"
    path.unlink(missing_ok=True)
    path.write_bytes(content)

    def act() -> Any:
        reader = MetricsReader(path)
        reader.poll()
        with path.open("ab") as file:
            file.write(more)
        reader.poll()
        reader.last("step")
        return reader.steps, reader.epochs

    steps, epochs = outcome(act, room)
    whole_steps, whole_epochs = read_metrics(path)
    assert steps.equals(whole_steps)
    assert epochs.equals(whole_epochs)
    assert (steps["step"] >= 0).all()


@fuzz("curves", 60, content=LINES)
def test_curves(room: Path, content: bytes) -> None:
    (room / "metrics.jsonl").write_bytes(content)

    def act() -> None:
        steps, epochs = read_metrics(room / "metrics.jsonl")
        for figure in (
            charts.loss_figure(steps, epochs, smoothing=0.5),
            charts.metric_figure(epochs, "spearman"),
            charts.learning_rate_figure(steps),
        ):
            assert figure.to_json()
        charts.gradient_figure(steps, bound=1.0).to_json()
        charts.speed_figure(steps).to_json()
        for alert in find_alerts(steps, epochs, RunSpec()):
            assert_sentence(alert.sentence)

    outcome(act, room)


@fuzz("events", 400, content=LINES)
def test_events(room: Path, content: bytes) -> None:
    (room / "events.jsonl").write_bytes(content)
    events = outcome(lambda: read_events(room / "events.jsonl"), room)
    assert all(isinstance(event, dict) for event in events)
    as_json(events).encode()
    outcome(lambda: markers_of(events), room)


@fuzz("logs", 200, content=damaged(st.just(b"Epoch 1\nEpoch 2\n" * 20)), num_bytes=st.integers(1, 1000))
def test_log(room: Path, content: bytes, num_bytes: int) -> None:
    folder = RunFolder(room)
    (room / "log.txt").write_bytes(content)
    tail = outcome(lambda: folder.log_tail(num_bytes), room)
    assert len(tail) <= num_bytes
    tail.encode()


@cache
def sound_predictions(task: str) -> bytes:
    """Return the predictions of a small run."""
    values = {"number": [0.5, 1.5, -2.0], "class": ["a", "b", "a"], "index": [0, 1, 1], "residues": [[0, 1], [1], [0]]}
    table = pd.DataFrame({"row": [2, 3, 4], "target": values[task], "prediction": values[task]})
    file = io.BytesIO()
    table.to_parquet(file, index=False)
    return file.getvalue()


tables = st.sampled_from(["number", "class", "index", "residues"]).map(sound_predictions) | parquets()


@fuzz("predictions", 200, content=damaged(tables), is_link=st.integers(0, 9).map(lambda number: number == 0))
def test_predictions(room: Path, content: bytes, is_link: bool) -> None:
    folder = room_folder(room, "fuzz")
    folder.predictions.mkdir(exist_ok=True)
    path = folder.predictions / "test.parquet"
    path.unlink(missing_ok=True)
    (room / "elsewhere").write_bytes(content)
    path.symlink_to(room / "elsewhere") if is_link else path.write_bytes(content)

    def act() -> Any:
        found = results.read_predictions(folder)
        if found is not None:
            outcomes.predicted_figure(found).to_json()
            outcomes.confusion_figure(outcomes.confusion_table(found, ["a", "b"])).to_json()
            to_csv(found)
        return found

    assert outcome(act, room) is None or not is_link


@fuzz("queues", 200, content=st.one_of(*(DRAWN[name] for name in ("state.json", "launch.json"))))
def test_queue(room: Path, content: bytes) -> None:
    path = queue_path(room)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    outcome(lambda: read_queue(room), room)


FILES = (*(name for name in SOUND if "/" not in name), "spec.yaml", "metrics.jsonl", "events.jsonl", "log.txt")


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("kind", ["pipe", "link", "folder", "closed"])
def test_what_is_no_plain_file_is_neither_waited_for_nor_followed(room: Path, kind: str, name: str) -> None:
    folder = make_folder(room, "fuzz")
    path, secret = folder.path / name, room / "secret"
    path.unlink(missing_ok=True)
    secret.write_text('{"status": "failed", "cause": "secret", "name": "secret"}\nsecret: 1\nsecret\n')
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "link":
        path.symlink_to(secret)
    elif kind == "folder":
        path.mkdir()
    else:
        path.write_text("secret")
        path.chmod(0)
    with time_limit():
        said = outcome(
            lambda: (look_at(folder), list_all(room), folder.log_tail(), read_events(folder.events_path)), room
        )
    assert kind == "closed" or "secret" not in repr(said)


def test_a_run_that_is_a_link_is_none(room: Path) -> None:
    folder = make_folder(room, "real")
    (folder.path.parent / "link").symlink_to(folder.path)
    store = RunStore(room)
    assert [found.id for found in store.list()] == ["real"]
    with pytest.raises(MolfunError, match="No run has the id 'link'"):
        store.get("link")
