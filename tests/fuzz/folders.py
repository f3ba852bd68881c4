"""Run folders to draw: every file of one with values of the wrong kind, torn lines, deep nesting, other bytes."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from molfun.runs.control import ACTIONS
from molfun.runs.folder import RunFolder
from molfun.runs.process import identity_of
from molfun.runs.spec import RunSpec
from molfun.runs.store import RunStore
from tests.fuzz.damage import damaged

NOW = time.time()
STATUSES = ("queued", "starting", "running", "stopping", "finished", "stopped", "failed", "lost", "unknown", "resting")
SOUND: dict[str, dict[str, Any]] = {
    "state.json": {
        "status": "finished", "cause": "", "created": NOW, "attempt": 1, "launched": NOW, "started": NOW,
        "ended": NOW + 60, "heartbeat": NOW, "step": 20, "total_steps": 40, "epoch": 2, "epochs": 4, "resumed": None,
        "resumed_step": None, "resumed_progress": None, "precision": "float32", "paused": False,
        "best": {"metric": "spearman", "value": 0.5, "epoch": 2, "val_loss": 0.25}, **identity_of(os.getpid()),
    },
    "amended.json": {"name": "Mine", "notes": "Some.", "tags": ["a", "b"], "epochs": 5},
    "launch.json": {"launcher": "slurm", "job": "123", "host": "node1", "submitted": NOW},
    "scheduler.json": {"state": "running", "reason": "", "t": NOW},
    "preflight.json": {
        "seconds": 0.1, "peak_bytes": 10**9, "rows": 8, "residues": 300, "forecast_seconds": 60.0,
        "disk_free_bytes": 10**9, "disk_needed_bytes": 10**6,
    },
    "scoreboard.json": {
        "primary": "spearman", "weights": "pretrained", "test": {"metrics": {"spearman": 0.5, "rmse": None}, "rows": 9},
        "baselines": {"mean": {"spearman": None, "rmse": 2.0}, "one_hot": {"spearman": 0.25, "rmse": 1.0}},
    },
    "parameters.json": {"parts": [{"name": "head", "total": 9, "trainable": 9, "lr": 1e-3}], "total": 9},
    "environment.json": {"python": "3.11", "packages": {"torch": "2"}, "git": {"commit": "a", "changed": False}},
    "checkpoints/best/manifest.json": {"step": 10, "epoch": 1, "weights": "ema", "files": {}},
    ".notes/failure.0.json": {"rank": 0, "t": NOW, "cause": "Out of memory.", "is_secondary": False},
    ".notes/exit_codes.json": {"codes": [[0, -9], [1, 1]]},
    ".notes/end.json": {"status": "stopped", "cause": ""},
    "control/stop": {"t": NOW, "by": "user"},
    "control/extend": {"t": NOW, "by": "user", "epochs": 9},
}  # fmt: skip

ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 1e-320, 1e308, -1e308, float("inf"), float("-inf"), float("nan"), 2**31, 2**53, 2**63,
    10**400, NOW * 1000, -NOW, 1e-9, "", " ", "running", "1", "NaN", "2024-01-01T00:00:00", "\x1b[31m", "\ud800",
    "\u202e", "x" * 20_000, "../../x", "<b>", "![i](http://x/y.png)", "[a](javascript:alert(1))", ":material/error:",
    "$x$", "slurm", "ray", "-x", "/", *STATUSES, [], {}, [1], [[]], ["a"], [None], {"a": 1}, {"a": {}}, {"": None},
    [{}], {"metric": 1}, {"metrics": []}, [[1, 2, 3]], [["a", "b"]], {"x" * 300: 1},
)  # fmt: skip
anything = st.one_of(st.sampled_from(ODD), st.sampled_from(ODD), st.sampled_from(ODD), st.floats(), st.text(max_size=6))


@st.composite
def mappings(draw: Any, sound: Mapping[str, Any]) -> bytes:
    """Draw the JSON of a file in which some values, at any depth, are of another kind."""
    content = json.loads(json.dumps(sound))
    places = _places(content)
    for _ in range(draw(st.integers(1, 4))):
        place, name = draw(st.sampled_from(places))
        place[name] = draw(anything)
    return json.dumps(content, ensure_ascii=draw(st.booleans())).encode("utf-8", "surrogatepass")


def _places(content: dict[str, Any]) -> list[tuple[dict[str, Any], str]]:
    """Return (mapping, name) of everything in a mapping, at any depth."""
    inner = [place for value in content.values() if isinstance(value, dict) for place in _places(value)]
    return [(content, name) for name in [*content, "of_tomorrow"]] + inner


deep = st.integers(1, 5000).map(lambda depth: b'{"status":' * depth + b"1" + b"}" * depth)
deep_lists = st.integers(1, 5000).map(lambda depth: b'{"status": ' + b"[" * depth + b"]" * depth + b"}")


def files(name: str) -> st.SearchStrategy[bytes]:
    """Draw the content of one JSON file of a run folder."""
    sound = SOUND[name]
    plain = json.dumps(sound).encode()
    return st.one_of(
        mappings(sound), mappings(sound), mappings(sound), mappings(sound), damaged(st.just(plain)), deep, deep_lists,
        anything.map(lambda value: json.dumps(value).encode("utf-8", "surrogatepass")), st.binary(max_size=30),
    )  # fmt: skip


PLAIN = {name: json.dumps(sound).encode() for name, sound in SOUND.items()}
DRAWN = {name: files(name) for name in SOUND}


@st.composite
def folder_files(draw: Any) -> dict[str, bytes]:
    """Draw the files of a run folder: sound ones, a few of them spoilt."""
    names = draw(st.lists(st.sampled_from([*SOUND]), min_size=1, max_size=3, unique=True))
    kept = draw(st.integers(0, 2 ** len(SOUND) - 1))
    content = {name: plain for bit, (name, plain) in enumerate(PLAIN.items()) if kept >> bit & 1}
    state = {**SOUND["state.json"], "status": draw(st.sampled_from(STATUSES))}
    return {**content, "state.json": json.dumps(state).encode(), **{name: draw(DRAWN[name]) for name in names}}


ROW = {
    "kind": "step",
    "segment": 0,
    "step": 1,
    "t": NOW,
    "loss": 0.5,
    "lr/head": 1e-3,
    "epoch": 0.1,
    "tokens_per_second": 9.0,
}
EPOCH = {"kind": "epoch", "segment": 0, "step": 1, "t": NOW, "epoch": 1.0, "val_loss": 0.5, "val_spearman": 0.25}
EVENTS = (
    {"kind": "steer", "action": "lr", "step": 3, "factor": 0.5, "t": NOW}, {"kind": "best", "name": "best", "step": 3},
    {"kind": "alert", "message": "x", "step": 1}, {"kind": "resume", "name": "last", "step": 2},
    {"kind": "start", "tags": []},
)  # fmt: skip


@st.composite
def lines(draw: Any) -> bytes:
    """Draw a metrics or events file: values of other kinds, huge and negative steps, torn and endless lines."""
    rows = []
    for number in range(draw(st.integers(0, 8))):
        row = dict(draw(st.sampled_from([ROW, ROW, EPOCH, *EVENTS])))
        row["step"] = number
        for name in draw(st.lists(st.sampled_from([*row, "val_loss", "new", "loss"]), max_size=2)):
            row[name] = draw(anything)
        text = json.dumps(row).encode("utf-8", "surrogatepass")
        rows.append(text[: draw(st.integers(0, len(text)))] if draw(st.integers(0, 5)) == 0 else text)
    end = draw(st.sampled_from([b"\n", b"\n", b"\n", b"\r\n", b"", b"\n\n", b"\x00"]))
    return end.join(rows) + draw(st.sampled_from([b"\n", b"\n", b"", b'{"kind": "st']))


LINES = st.one_of(lines(), lines(), lines(), damaged(lines()), deep, st.binary(max_size=40))


def make_folder(home: Path, run_id: str) -> RunFolder:
    """Return a new run folder with a sound spec."""
    values = {"name": "Fuzz", "data": {"dataset": "x", "columns": {"sequence": ["s"], "target": "y"}}}
    return RunStore(home).create(RunSpec.parse(values), run_id=run_id)


def fill(folder: RunFolder, content: Mapping[str, bytes]) -> None:
    """Make the files of a run folder exactly these."""
    for name in {*SOUND, "metrics.jsonl", "events.jsonl", "log.txt", *(f"control/{action}" for action in ACTIONS)}:
        path = folder.path / name
        path.unlink(missing_ok=True)
        if name in content:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content[name])
