"""Where a run runs, on the page New run."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from streamlit.testing.v1 import AppTest

from molfun.data.dataset import Dataset
from molfun.runs.process import identity_of
from molfun.runs.queue import Holder, Ticket, changing, set_slots
from molfun.runs.spec import RunSpec
from molfun.runs.store import RunFolder
from molfun.ui.launch_form import missing_place, queue_note
from tests.drawn_pages import button, dataset, draw, make_run, words, write_checkpoint

__all__ = ["dataset", "make_run"]


def spec_of(app: AppTest) -> dict[str, Any]:
    """Return the settings that a form shows as YAML."""
    found: dict[str, Any] = yaml.safe_load(next(item.value for item in app.code if item.value.startswith("name:")))
    return found


def field(app: AppTest, label: str) -> Any:
    widgets = [*app.number_input, *app.text_input, *app.segmented_control, *app.toggle, *app.text_area]
    return next(item for item in widgets if item.label == label)


def test_this_machine_is_the_start_and_its_command_is_shown(dataset: Dataset) -> None:
    app = draw("new_run", dataset=dataset.id)
    assert "Starts at once." in words(app)
    assert any(item.value.startswith("python -m molfun.runs.worker") for item in app.code)
    field(app, "Processes").set_value(3).run()
    assert spec_of(app)["training"]["num_processes"] == 3
    assert any("torchrun --standalone --nproc-per-node 3" in item.value for item in app.code)
    assert "This machine: 3 processes" in words(app)
    assert len([item for item in app.number_input if item.label == "Processes"]) == 1


def test_slurm_settings_reach_the_spec_and_a_missing_slurm_is_explained(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    app = draw("new_run", dataset=dataset.id)
    field(app, "Where").set_value("slurm").run()
    assert button(app, "Start").disabled
    assert "There is no Slurm on this machine" in words(app)
    for label, value in (("Nodes", 2), ("Processes", 4), ("Partition", "gpu"), ("GPUs a node", 2)):
        field(app, label).set_value(value)
    field(app, "More options").set_value("--gres=gpu:a100:2,shard:1\n--exclusive").run()
    assert not app.exception
    launch = spec_of(app)["launch"]
    assert (launch["where"], launch["nodes"], launch["gpus"]) == ("slurm", 2, None)
    assert (launch["slurm"]["partition"], launch["slurm"]["gpus_per_node"]) == ("gpu", 2)
    assert launch["slurm"]["extra"] == ["--gres=gpu:a100:2,shard:1", "--exclusive"]
    assert any("#SBATCH --partition=gpu" in item.value for item in app.code)
    field(app, "Processes").set_value(3).run()
    assert "which 2 nodes cannot share evenly" in words(app)


def test_processes_that_share_a_run_may_be_spread_in_either_way(dataset: Dataset) -> None:
    app = draw("new_run", dataset=dataset.id)
    spread = next(item for item in app.selectbox if item.label == "Spread by")
    assert spread.disabled  # one process is not spread
    field(app, "Processes").set_value(2).run()
    spread = next(item for item in app.selectbox if item.label == "Spread by")
    assert not spread.disabled
    spread.set_value("fsdp").run()
    assert spec_of(app)["training"]["distributed"] == "fsdp"


def test_ray_is_reached_through_its_address(dataset: Dataset) -> None:
    app = draw("new_run", dataset=dataset.id)
    field(app, "Where").set_value("ray").run()
    field(app, "Ray address").set_value("http://head:8265").run()
    assert spec_of(app)["launch"]["ray"]["address"] == "http://head:8265"
    assert any("http://head:8265" in item.value for item in app.code if not item.value.startswith("name:"))
    assert not button(app, "Start").disabled


def test_a_fork_starts_from_the_place_and_may_start_from_the_weights(make_run: Callable[..., RunFolder]) -> None:
    folder = make_run("first", "finished")
    folder.spec_path.write_text(folder.spec.changed({"launch.where": "ray", "training.num_processes": 2}).to_yaml())
    folder.amend(epochs=77)
    app = draw("new_run", **{"from": "first"})
    assert field(app, "Start from its best weights").disabled
    write_checkpoint(folder, "best", 12)
    app = draw("new_run", **{"from": "first"})
    found = spec_of(app)
    assert (found["launch"]["where"], found["training"]["num_processes"], found["training"]["epochs"]) == ("ray", 2, 77)
    assert found["model"]["start_from"] == ""
    field(app, "Start from its best weights").set_value(True).run()
    assert spec_of(app)["model"]["start_from"] == "first"
    field(app, "Strategy").set_value("full").run()
    assert spec_of(app)["model"]["start_from"] == ""


def test_queue_note_tells_how_many_wait(home: Path) -> None:
    assert queue_note(home) == ""
    with changing(home) as queue:
        queue.holding = [Holder("one", [], identity_of(os.getpid()))]
    assert queue_note(home) == "1 of 1 slot in use; starts when one is free."
    set_slots(home, 2)
    assert queue_note(home) == ""
    with changing(home) as queue:
        queue.waiting = [Ticket("two"), Ticket("three")]
    assert queue_note(home) == "2 runs wait before it; starts when a slot is free."


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({}, ""),
        ({"launch": {"gpus": [7]}}, "GPU 7 does not exist here"),
        ({"launch": {"where": "slurm", "nodes": 2}}, "There is no Slurm on this machine"),
    ],
)
def test_missing_place_is_told_without_asking_a_scheduler(
    settings: dict[str, Any], sentence: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    found = missing_place(RunSpec.parse(settings))
    assert sentence in found if sentence else found == ""
