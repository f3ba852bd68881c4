"""`molfun race`: what is wrong is said before any run is made; the rest is the queue's."""

from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner

from molfun.cli import app
from molfun.runs.queue import read_queue
from molfun.runs.store import RunStore
from tests.real_runs import few_rows, kill_all


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
