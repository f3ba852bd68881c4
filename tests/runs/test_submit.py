"""Nothing is created before everything is right; then a real worker trains, tests and records."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from typing_extensions import override

from molfun.adapters.catalog import find_model
from molfun.errors import DataError, ModelError, MolfunError, RunError, SettingError
from molfun.models.settings import ModelSettings
from molfun.runs.advice import advise
from molfun.runs.history import COLUMNS, list_runs
from molfun.runs.launchers.base import How, Job, Launcher
from molfun.runs.plan import plan_run
from molfun.runs.spec import RunSpec
from molfun.runs.status import run_status
from molfun.runs.store import RunFolder, RunStore
from molfun.runs.submit import check_loss_options, check_weights, loss_for, resolve_spec, submit_run
from molfun.tracking.local import read_events, read_metrics

V_GENES = {"data": {"example": "v_genes"}}


class NoLauncher(Launcher):
    """Starts nothing, so that a test sees what a submission leaves."""

    name = "nowhere"

    @override
    def check(self, spec: RunSpec) -> None:
        return

    @override
    def poll(self, folder: RunFolder) -> Job:
        return Job("unknown")

    @override
    def preview(self, spec: RunSpec, run_dir: Path) -> str:
        return ""

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
        ({"strategy.monitor": "val_acuracy"}, SettingError, "'val_acuracy', did you mean 'val_accuracy'"),
        ({"strategy.monitor": "val_r2"}, SettingError, "for classification choose one of val_loss, val_balanced_acc"),
        ({"strategy.monitor": "mcc"}, SettingError, "'mcc', did you mean 'val_mcc'"),
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
        ("regression", "ranking", "ranking"),
        ("classification", "mse", "cross_entropy"),
        ("per_residue", "auto", "cross_entropy"),
        ("classification", "cross_entropy", "cross_entropy"),
        ("classification", "bce", "bce"),
        ("per_residue", "focal", "focal"),
    ],
)
def test_loss_follows_the_task(task: str, loss: str, expected: str) -> None:
    assert loss_for(task, loss) == expected


@pytest.mark.parametrize("monitor", ["val_loss", "val_rmse", "val_spearman"])
def test_a_metric_of_the_task_may_choose_the_best_epoch(home: Path, monitor: str) -> None:
    values = {"data": {"example": "gb1_stability"}, "strategy": {"kind": "head_only", "monitor": monitor}}
    assert resolve_spec(home, RunSpec.parse(values))[0].strategy.monitor == monitor


@pytest.mark.parametrize(
    ("task", "loss", "changes", "message"),
    [
        ("regression", "mse", {"strategy.class_weights": "balanced"}, "regression has no classes; leave it at 'none'"),
        ("regression", "pearson", {"training.batch_size": 1}, "needs at least 2 .*'training.batch_size' is 1; raise"),
        ("regression", "ranking", {"training.batch_size": 1}, "The loss 'ranking' compares the rows of a batch"),
        ("regression", "ranking", {"training.batch_size": 2}, ""),
        ("regression", "mse", {"training.batch_size": 1}, ""),
        ("classification", "focal", {"strategy.class_weights": "balanced", "training.batch_size": 1}, ""),
    ],
)
def test_options_must_fit_the_loss(task: str, loss: str, changes: dict[str, object], message: str) -> None:
    spec = RunSpec().changed(changes)
    if not message:
        check_loss_options(task, loss, spec)
        return
    with pytest.raises(SettingError, match=message):
        check_loss_options(task, loss, spec)


def test_options_that_do_not_fit_create_no_run(home: Path) -> None:
    values = {"data": {"example": "gb1_stability"}, "strategy": {"kind": "head_only", "loss_fn": "pearson"}}
    with pytest.raises(SettingError, match="raise it"):
        submit_run(home, RunSpec.parse({**values, "training": {"batch_size": 1}}), launcher=NoLauncher())
    assert RunStore(home).list() == []


def test_a_loss_of_an_installed_package_is_taken_by_its_name(tmp_path: Path, fresh_python: Callable[..., str]) -> None:
    """Nothing is loaded for it, least of all torch; the package's module does not even exist."""
    info = tmp_path / "molfun_cosh-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: molfun-cosh\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[molfun.losses]\nlog_cosh = molfun_cosh_losses:CARD\n")
    code = f"""
import sys
sys.path.append({str(tmp_path)!r})
from molfun.errors import SettingError
from molfun.runs.submit import loss_for
print(loss_for("regression", "log_cosh"), loss_for("per_residue", "log_cosh"))
try:
    loss_for("regression", "logcosh")
except SettingError as error:
    print(error)
print("torch" in sys.modules)
"""
    lines = fresh_python(code).splitlines()
    assert lines == ["log_cosh log_cosh", "No loss is named 'logcosh', did you mean 'log_cosh'?", "False"]


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
