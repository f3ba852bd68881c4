"""The losses and the monitored metric on the page New run, drawn as the server draws it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from molfun.data.dataset import Dataset, save_dataset
from molfun.data.examples import save_example
from molfun.data.settings import ColumnSettings, SplitSettings
from molfun.runs.spec import RunSpec
from molfun.runs.store import RunStore
from tests.drawn_pages import draw as draw_page

RESIDUES = "ACDEFGHIKLMNPQRSTVWY"


def dataset_for(home: Path, task: str, *, seed: int = 0) -> Dataset:
    def target(i: int) -> Any:
        return {"regression": float(i), "classification": "ab"[i % 2], "per_residue": "HE" * (10 + i)}[task]

    rows = [{"sequence": RESIDUES[i % 20] * (20 + 2 * i), "target": target(i)} for i in range(40)]
    columns = ColumnSettings(sequence=["sequence"], target="target", task=task)
    split = SplitSettings(seed=seed)
    return save_dataset(home / "datasets", pd.DataFrame(rows), columns, split, name="Tiny", about={})


def draw(*, opened: bool = True, **query: str) -> AppTest:
    return draw_page("new_run", opened=opened, **query)


def setting(app: AppTest, name: str) -> Any:
    """Return the widget of a setting."""
    widgets = [*app.selectbox, *app.number_input, *app.text_input, *app.toggle]
    return next(item for item in widgets if item.key.endswith(f".{name}"))


def has_setting(app: AppTest, name: str) -> bool:
    return any(item.key.endswith(f".{name}") for item in [*app.selectbox, *app.number_input])


def start_button(app: AppTest) -> Any:
    return next(item for item in app.button if item.label == "Start")


@pytest.mark.parametrize(
    ("task", "losses", "monitors"),
    [
        ("regression", 5, ["val_loss", "val_spearman", "val_pearson", "val_rmse", "val_mae", "val_r2"]),
        ("classification", 3, ["val_loss", "val_balanced_accuracy", "val_accuracy", "val_mcc", "val_macro_f1"]),
        ("per_residue", 3, ["val_loss", "val_balanced_accuracy", "val_accuracy", "val_mcc", "val_macro_f1"]),
    ],
)
def test_losses_and_metrics_are_those_of_the_task(home: Path, task: str, losses: int, monitors: list[str]) -> None:
    app = draw(dataset=dataset_for(home, task).id)
    loss, monitor = setting(app, "loss_fn"), setting(app, "monitor")
    assert len(loss.options) == losses
    assert loss.value == ("mse" if task == "regression" else "cross_entropy")
    assert (monitor.value, len(monitor.options)) == ("val_loss", len(monitors))
    for name in monitors:
        monitor.set_value(name)
        assert monitor.value == name
    is_class = task != "regression"
    assert [has_setting(app, name) for name in ("class_weights", "focal_gamma")] == [is_class, is_class]


def test_choices_reach_the_spec(home: Path) -> None:
    app = draw(dataset=dataset_for(home, "classification").id)
    assert setting(app, "focal_gamma").disabled  # it has no effect on another loss
    setting(app, "loss_fn").set_value("focal")
    setting(app, "class_weights").set_value("balanced")
    setting(app, "monitor").set_value("val_mcc")
    app.run()
    setting(app, "focal_gamma").set_value(1.5)
    app.run()
    assert not app.exception
    spec = next(item.value for item in app.code if item.value.startswith("name:"))
    for line in ("loss_fn: focal", "class_weights: balanced", "monitor: val_mcc", "focal_gamma: 1.5"):
        assert line in spec


def test_a_loss_that_compares_rows_cannot_start_with_one_row_a_batch(home: Path) -> None:
    app = draw(dataset=dataset_for(home, "regression").id)
    setting(app, "loss_fn").set_value("pearson")
    setting(app, "batch_size").set_value(1)
    app.run()
    assert start_button(app).disabled
    assert any(r"'training.batch\_size' is 1; raise it" in item.value for item in app.caption)
    setting(app, "batch_size").set_value(8)
    app.run()
    assert not start_button(app).disabled


def test_a_run_of_numbers_is_taken_over_to_classes_with_what_fits(home: Path) -> None:
    strategy = {"kind": "head_only", "loss_fn": "ranking", "monitor": "val_rmse", "early_stopping_patience": 3}
    RunStore(home).create(RunSpec.parse({"data": {"dataset": "gone"}, "strategy": strategy}), run_id="first")
    app = draw(**{"from": "first", "dataset": dataset_for(home, "classification").id})
    assert (setting(app, "loss_fn").value, setting(app, "monitor").value) == ("cross_entropy", "val_loss")
    assert setting(app, "early_stopping_patience").value == 3


def test_changes_of_the_address_are_in_the_form(home: Path) -> None:
    dataset = dataset_for(home, "regression")
    spec = {"data": {"dataset": dataset.id}, "strategy": {"kind": "lora", "lr": 1e-3}}
    RunStore(home).create(RunSpec.parse(spec), run_id="first")
    app = draw(**{"from": "first", "set.strategy.lr": "3e-4", "set.strategy.early_stopping_patience": "3"})
    assert (setting(app, "lr").value, setting(app, "early_stopping_patience").value) == (3e-4, 3)
    refused = draw(**{"from": "first", "set.strategy.lrr": "1"})
    assert any("did you mean" in item.value for item in refused.warning)


def test_data_of_the_same_name_are_told_apart(home: Path) -> None:
    saved = [dataset_for(home, "regression", seed=seed).id for seed in (0, 1)]
    app = draw()
    for wanted in saved:
        next(item for item in app.selectbox if item.label == "Dataset").set_value(wanted).run()
        spec = next(item.value for item in app.code if item.value.startswith("name:"))
        assert f"dataset: {wanted}" in spec


def test_structures_are_offered_models_that_predict_them(home: Path) -> None:
    app = draw(dataset=save_example(home / "datasets", "small_proteins").id)
    model = next(item for item in app.selectbox if item.label == "Model")
    assert (model.value, "ESMFold (3.5 B)" in model.options) == ("esmfold_small", True)
    assert not any("AntiBERTy" in option for option in model.options)
    weights = next(item for item in app.segmented_control if item.label == "Weights")
    assert (weights.value, weights.options) == ("random", ["Random", "Folder"])
    assert "was never trained, so that it begins with random weights" in "".join(item.value for item in app.caption)
    assert [setting(app, name).value for name in ("crop_size", "recycles", "chunk_size")] == [256, 0, 0]
    assert (setting(app, "loss_fn").value, setting(app, "monitor").value) == ("structure_without_violation", "val_lddt")
    assert not has_setting(app, "pooling")
    setting(app, "recycles").set_value(2).run()
    assert not app.exception
    assert "recycles: 2" in "".join(item.value for item in app.code)
    assert not start_button(app).disabled
    model.set_value("esmfold").run()
    weights = next(item for item in app.segmented_control if item.label == "Weights")
    assert "Pretrained" in weights.options


def test_other_tasks_are_offered_every_model_and_no_settings_of_structures(home: Path) -> None:
    app = draw(dataset=dataset_for(home, "regression").id)
    model = next(item for item in app.selectbox if item.label == "Model")
    assert {"AntiBERTy (26 M)", "ESMFold (3.5 B)"} <= set(model.options)
    assert not has_setting(app, "recycles")
    model.set_value("esmfold").run()
    assert has_setting(app, "recycles")


def test_what_is_kept_of_a_frozen_trunk_is_said_before_the_start(home: Path) -> None:
    app = draw(dataset=dataset_for(home, "regression").id)
    deadline = time.monotonic() + 60
    while not (said := [item.value for item in app.caption if "Frozen states" in item.value]):
        assert time.monotonic() < deadline
        time.sleep(0.2)
        app.run()
    assert said[0].startswith(r"Frozen states\: 83.2 kB")  # 40 vectors of 512 numbers, and 32 bytes each of an index
    assert "on disk (of 20 GB), all of the trunk, one vector a sequence; computed once, read ever after." in said[0]
    setting(app, "keep_frozen").set_value(False).run()
    assert not any("Frozen states" in item.value for item in app.caption)


def spec_shown(app: AppTest) -> str:
    return next(item.value for item in app.code if item.value.startswith("name:"))


@pytest.mark.parametrize("task", ["regression", "classification", "per_residue"])
def test_folds_that_were_never_opened_give_the_same_run(home: Path, task: str) -> None:
    dataset = dataset_for(home, task).id
    closed, opened = draw(dataset=dataset, opened=False), draw(dataset=dataset)
    assert spec_shown(closed) == spec_shown(opened)
    assert not has_setting(closed, "monitor")
    assert has_setting(opened, "monitor")


def test_a_fork_keeps_what_lies_in_folds_that_were_never_opened(home: Path) -> None:
    data = dataset_for(home, "regression")
    spec = RunSpec.parse({"name": "One", "data": {"dataset": data.id, "columns": data.columns.model_dump()}})
    changes = {
        "strategy.grad_clip": 0.5, "training.num_processes": 2, "model.head.pooling": "cls", "trackers": ["mlflow"],
        "tracking.every": 7, "launch.hang_minutes": 44.0,
    }  # fmt: skip
    folder = RunStore(home).create(spec.changed(changes), run_id="one")
    closed = draw(**{"from": folder.id, "dataset": data.id}, opened=False)
    assert spec_shown(closed) == spec_shown(draw(**{"from": folder.id, "dataset": data.id}))
    for told in ("grad_clip: 0.5", "num_processes: 2", "pooling: cls", "- mlflow", "every: 7", "hang_minutes: 44"):
        assert told in spec_shown(closed)


def test_a_fork_onto_data_of_another_task_leaves_no_choice_behind_that_does_not_fit(home: Path) -> None:
    classes, numbers = dataset_for(home, "classification"), dataset_for(home, "regression")
    spec = RunSpec.parse({"name": "One", "data": {"dataset": classes.id, "columns": classes.columns.model_dump()}})
    changes = {"strategy.loss_fn": "focal", "strategy.monitor": "val_mcc", "launch.gpus": [3]}
    folder = RunStore(home).create(spec.changed(changes), run_id="one")
    app = draw(**{"from": folder.id, "dataset": numbers.id}, opened=False)
    assert not start_button(app).disabled
    assert "loss_fn: mse" in spec_shown(app)
    assert "val_mcc" not in spec_shown(app)
    assert "gpus: null" in spec_shown(app) or "gpus:" not in spec_shown(app)
