"""Nothing is created before everything is right; then a real worker trains, tests and records."""

from __future__ import annotations

import time
from pathlib import Path

import pandas as pd
import pytest
from typing_extensions import override

from molfun.adapters.catalog import find_model
from molfun.errors import DataError, ModelError, MolfunError, RunError, SettingError
from molfun.models.settings import ModelSettings
from molfun.runs.advice import advise
from molfun.runs.history import COLUMNS, list_runs
from molfun.runs.launchers.base import How, Launcher
from molfun.runs.plan import plan_run
from molfun.runs.spec import RunSpec
from molfun.runs.status import run_status
from molfun.runs.store import RunFolder, RunStore
from molfun.runs.submit import check_weights, loss_for, resolve_spec, submit_run
from molfun.tracking.local import read_events, read_metrics

V_GENES = {"data": {"example": "v_genes"}}


class NoLauncher(Launcher):
    """Starts nothing, so that a test sees what a submission leaves."""

    @override
    def start(self, folder: RunFolder) -> None:
        return

    @override
    def stop(self, folder: RunFolder, how: How = "save") -> None:
        return


@pytest.mark.parametrize(
    ("changes", "kind", "message"),
    [
        ({"data.example": "v_gens"}, DataError, "did you mean 'v_genes'"),
        ({"model.name": "antibert"}, ModelError, "did you mean 'antiberty'"),
        ({"model.weights": "/no/such/folder"}, ModelError, "No model lies in /no/such/folder"),
        ({"strategy.loss_fn": "huber"}, SettingError, "'huber' does not fit the task 'classification'"),
        ({"strategy.loss_fn": "crossentropy"}, SettingError, "did you mean 'cross_entropy'"),
        ({"trackers": ["wandbb"]}, SettingError, "did you mean 'wandb'"),
    ],
)
def test_a_spec_that_cannot_run_creates_no_run(
    home: Path, changes: dict[str, object], kind: type[MolfunError], message: str
) -> None:
    with pytest.raises(kind, match=message):
        submit_run(home, RunSpec.parse(V_GENES).changed(changes), launcher=NoLauncher())
    assert RunStore(home).list() == []


def test_a_double_click_starts_one_run(home: Path) -> None:
    spec = RunSpec.parse(V_GENES)
    submit_run(home, spec, run_id="once", launcher=NoLauncher())
    with pytest.raises(RunError, match="exists already"):
        submit_run(home, spec, run_id="once", launcher=NoLauncher())
    assert [folder.id for folder in RunStore(home).list()] == ["once"]


def test_a_resolved_spec_resolves_to_itself(home: Path) -> None:
    first, dataset = resolve_spec(home, RunSpec.parse(V_GENES))
    assert first.name == "Antibody V genes to species, Head only, AntiBERTy"
    assert first.strategy.loss_fn == "cross_entropy"
    second, again = resolve_spec(home, RunSpec.parse(first.model_dump(mode="json")))
    assert (second, again.id) == (first, dataset.id)


@pytest.mark.parametrize(
    ("task", "loss", "expected"),
    [
        ("regression", "mse", "mse"),
        ("regression", "auto", "mse"),
        ("regression", "huber", "huber"),
        ("classification", "mse", "cross_entropy"),
        ("per_residue", "auto", "cross_entropy"),
        ("classification", "cross_entropy", "cross_entropy"),
    ],
)
def test_loss_follows_the_task(task: str, loss: str, expected: str) -> None:
    assert loss_for(task, loss) == expected


def test_check_weights_takes_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    for weights in ("pretrained", "random", str(tmp_path)):
        check_weights(ModelSettings(weights=weights), find_model("antiberty"))


def test_advice_speaks_of_what_a_person_should_know(home: Path) -> None:
    def said(**changes: str) -> str:
        spec, dataset = resolve_spec(home, RunSpec().changed({k.replace("__", "."): v for k, v in changes.items()}))
        return " ".join(advise(spec, dataset))

    assert said(data__example="v_genes") == ""
    assert "antibody variable domains only; these are none" in said(data__example="gb1_stability")
    assert "fetched from the Hugging Face hub" in said(data__example="gb1_stability", model__name="esm2_8m")
    assert "Random weights" in said(data__example="v_genes", model__weights="random")


@pytest.mark.slow
def test_a_real_run_trains_tests_and_records(home: Path, tmp_path: Path) -> None:
    """36 short V-gene rows on random ESM-2 8M: what is tested is the path, not the score."""
    _, example = plan_run(home, V_GENES)
    few = (
        example.frame.groupby(["split", "target"]).head(4).rename(columns={"chain_1": "sequence", "target": "species"})
    )
    path = tmp_path / "few.csv"
    few[["sequence", "species", "split"]].replace({"species": {0: "a", 1: "b", 2: "c"}}).to_csv(path, index=False)
    columns = {"sequence": ["sequence"], "target": "species"}
    data = {"table": str(path), "columns": columns, "split": {"kind": "column", "column": "split"}}
    model = {"name": "esm2_8m", "weights": "random"}
    spec, _ = plan_run(home, {"data": data, "model": model}, changes={"training.epochs": 2, "training.num_threads": 1})
    folder = submit_run(home, spec)
    deadline = time.monotonic() + 240
    while run_status(folder).alive and time.monotonic() < deadline:
        time.sleep(0.2)
    status = run_status(folder)
    assert status.status == "finished", f"{status.cause}\n{folder.log_tail()}"
    assert status.progress == 1.0

    steps, epochs = read_metrics(folder.metrics_path)
    assert steps["step"].tolist() == list(range(1, folder.read_state()["total_steps"] + 1))
    assert {"loss", "lr/head", "grad_norm", "tokens_per_second"} <= set(steps)
    assert epochs["step"].tolist() == [1, 2]
    assert epochs[["train_loss", "val_loss", "val_balanced_accuracy"]].notna().all(axis=None)
    assert [event["kind"] for event in read_events(folder.events_path)][-1] == "end"

    board = folder.read_scoreboard()
    assert 0.0 <= board["test"]["metrics"]["balanced_accuracy"] <= 1.0
    assert {"majority", "composition"} <= set(board["baselines"])
    predictions = pd.read_parquet(folder.predictions / "test.parquet")
    assert len(predictions) == board["test"]["rows"] == 12
    assert (folder.checkpoints / "best").is_dir()
    assert folder.read_parameters()["trainable"] > 0

    runs = list_runs(home)
    assert tuple(runs.columns) == COLUMNS
    row = runs.iloc[0]
    assert (row["id"], row["status"], row["strategy"], row["task"]) == (
        folder.id,
        "finished",
        "head_only",
        "classification",
    )
    assert (row["metric"], row["test"]) == ("balanced_accuracy", board["test"]["metrics"]["balanced_accuracy"])
    assert row["sparkline"] == epochs["val_loss"].tolist()
