"""`molfun race`: what is wrong is said before any run is made; the rest is the queue's."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from molfun.cli import app
from molfun.runs.notes import add_tags, tags_of
from molfun.runs.queue import read_queue
from molfun.runs.store import RunStore
from tests.real_runs import few_rows, kill_all
from tests.runs.fold_folders import write_folds


def test_a_race_is_queued_in_order_and_what_is_wrong_is_said_first(home: Path, tmp_path: Path) -> None:
    table = str(few_rows(tmp_path / "few.csv"))
    changes = ["--set", "model.name=esm2_8m", "--set", "model.weights=random", "--set", "training.num_threads=1"]
    refused = CliRunner().invoke(app, ["race", table, *changes, "--strategies", "lora,ful"])
    assert "No strategy is named 'ful', did you mean 'full'" in str(refused.exception)
    assert RunStore(home).list() == []
    try:
        done = CliRunner().invoke(app, ["race", table, *changes, "--strategies", "head_only,lora", "--seeds", "2"])
        ids = done.stdout.split()[:4]
        assert [run_id.partition("-race-")[2] for run_id in ids] == [
            "head-only-s0",
            "head-only-s1",
            "lora-s0",
            "lora-s1",
        ]
        assert sorted(folder.id for folder in RunStore(home).list()) == sorted(ids)
        assert [ticket.id for ticket in read_queue(home).waiting] == ids[-len(read_queue(home).waiting) :]
        assert f"/compare?runs={','.join(ids)}" in done.output
    finally:
        for folder in RunStore(home).list():
            folder.write_state(status="stopped")
            kill_all(folder)


def test_a_grid_of_specs_is_queued(home: Path, tmp_path: Path) -> None:
    table = few_rows(tmp_path / "few.csv")
    specs = []
    for name in ("lora", "partial"):
        specs.append(tmp_path / f"{name}.yaml")
        specs[-1].write_text(
            f"name: {name}\ndata: {{table: {table}}}\nmodel: {{name: esm2_8m, weights: random}}\n"
            f"training: {{num_threads: 1}}\nstrategy: {{kind: {name}, amp: false}}\n"
        )
    refused = CliRunner().invoke(app, ["race", *map(str, specs), "--grid", "training.epochs"])
    assert "--grid 'training.epochs' is no setting with values" in str(refused.exception)
    try:
        done = CliRunner().invoke(app, ["race", *map(str, specs), "--grid", "training.epochs=2,3", "--seeds", "1"])
        ids = done.stdout.split()[:4]
        epochs = [(run.spec.name, run.spec.training.epochs) for run in map(RunStore(home).get, ids)]
        assert epochs == [
            ("lora, epochs 2", 2), ("lora, epochs 3", 3), ("partial, epochs 2", 2), ("partial, epochs 3", 3),
        ]  # fmt: skip
    finally:
        for folder in RunStore(home).list():
            folder.write_state(status="stopped")
            kill_all(folder)


def test_a_cross_validation_is_queued_whole(home: Path, tmp_path: Path) -> None:
    table = str(few_rows(tmp_path / "few.csv"))
    changes = ["--set", "model.name=esm2_8m", "--set", "model.weights=random", "--set", "training.num_threads=1"]
    assert "into how many with --folds" in str(CliRunner().invoke(app, ["race", table, "--repeats", "2"]).exception)
    two = CliRunner().invoke(app, ["race", table, table, "--folds", "2"])
    assert "--folds takes one spec, table or example, but 2 were given" in str(two.exception)
    assert RunStore(home).list() == []
    try:
        done = CliRunner().invoke(app, ["race", table, *changes, "--strategies", "lora", "--folds", "2"])
        ids = done.stdout.split()[:2]
        assert [run_id.partition("-cv-")[2] for run_id in ids] == ["f1-lora-s0", "f2-lora-s0"]
        assert sorted(folder.id for folder in RunStore(home).list()) == sorted(ids)
        (tag,) = {tuple(tags_of(folder)) for folder in RunStore(home).list()}
        assert f"`molfun runs pooled {tag[0]}`, or in the app at /compare?tag={tag[0]}&group=but_fold" in done.output
        shown = CliRunner().invoke(app, ["runs", "pooled", tag[0]]).output
        assert "LoRA lacks 2 of 2 test scores: fold 1" in shown
    finally:
        for folder in RunStore(home).list():
            folder.write_state(status="stopped")
            kill_all(folder)


def test_what_folds_make_together_is_printed(home: Path) -> None:
    for folder in write_folds(home, {"lora": 0.5, "full": 0.6}):
        add_tags(folder, ["cv-ab12"])
    shown = CliRunner().invoke(app, ["runs", "pooled", "cv-ab12"]).output
    assert "3 of 3" in shown
    assert "scores highest: Spearman correlation 0." in shown
    found = json.loads(CliRunner().invoke(app, ["runs", "pooled", "cv-ab12", "--json"]).output)
    lora, full = found["table"][:2]
    assert (lora["title"], lora["rows"], lora["to_best"]) == ("LoRA", 60, None)
    assert full["to_best"]["value"] == pytest.approx(full["pooled"] - lora["pooled"])
    gone = str(CliRunner().invoke(app, ["runs", "pooled", "cv-none"]).exception)
    assert "No fold of a cross-validation has the tag 'cv-none'; `molfun race SPEC --folds 5` starts one." in gone
