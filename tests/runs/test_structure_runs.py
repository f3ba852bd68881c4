"""A run on structure files from end to end: trained by a real worker, scored, predicted again, taken away."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from molfun.data.dataset import load_dataset
from molfun.data.example_structures import FOLDER
from molfun.data.folded import FoldedProtein, load_folded
from molfun.data.settings import METRICS_OF_TASK
from molfun.evaluation.scoreboard import score_table
from molfun.runs.certainty import find_certainty, read_baselines, read_predictions
from molfun.runs.exporting import export_run
from molfun.runs.loading import load
from molfun.runs.plan import plan_run
from molfun.runs.store import RunFolder
from molfun.runs.submit import submit_run
from tests.real_runs import kill_all, wait_for_end


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, RunFolder]]:
    """A LoRA run of a small ESMFold on small structures of the Protein Data Bank."""
    home = tmp_path_factory.mktemp("structures")
    data = {"table": str(FOLDER), "rows": "chain", "columns": {"task": "structure"}, "split": {"test_fraction": 0.45}}
    values = {"data": data, "model": {"name": "esmfold_small", "weights": "random", "recycles": 1}}
    told = {
        "training.epochs": 2, "training.batch_size": 2, "training.crop_size": 24, "training.num_threads": 1,
        "strategy.amp": False, "strategy.loss_fn": "structure_without_violation",
    }  # fmt: skip
    folder = submit_run(home, plan_run(home, values, strategy="lora", changes=told)[0])
    wait_for_end(folder)
    yield home, folder
    kill_all(folder)


def test_it_is_scored_beside_the_model_before_training(finished: tuple[Path, RunFolder]) -> None:
    _, folder = finished
    assert folder.read_state()["status"] == "finished", folder.log_tail()
    board = folder.read_scoreboard()
    assert board["primary"] == "lddt"
    assert set(board["test"]["metrics"]) == set(METRICS_OF_TASK["structure"])
    assert set(board["baselines"]) == {"before_training"}
    assert board["baselines"]["before_training"]["lddt"] != board["test"]["metrics"]["lddt"]
    own = read_predictions(folder)
    assert own is not None
    assert own["lddt"].mean() == pytest.approx(board["test"]["metrics"]["lddt"], abs=1e-6)
    table = score_table(own, "structure", ())
    assert table.loc["rmsd", "value"] == pytest.approx(board["test"]["metrics"]["rmsd"], abs=1e-5)
    certainty = find_certainty(own, read_baselines(folder), board)
    assert set(certainty.scores) == {"run", "before_training"}
    assert certainty.scores["run"].low <= board["test"]["metrics"]["lddt"] <= certainty.scores["run"].high


def test_it_keeps_what_trains(finished: tuple[Path, RunFolder]) -> None:
    _, folder = finished
    parts = {part["name"]: part for part in folder.read_parameters()["parts"]}
    assert parts["structure_module"]["trainable"] == 0 < parts["structure_module"]["total"]
    assert parts["block_1"]["trainable"] > 0
    assert parts["head"]["trainable"] == parts["head"]["total"] > 0


def test_its_predictions_are_made_again(finished: tuple[Path, RunFolder]) -> None:
    home, folder = finished
    dataset = load_dataset(home / "datasets", folder.spec.data.dataset)
    test = dataset.part("test")
    found = load(folder.id, home=home, device="cpu").predict(test["chain_1"].tolist())
    assert sorted(path.name for path in folder.structures.iterdir()) == sorted(f"row_{row}.npz" for row in test["row"])
    for row, protein in zip(test["row"], found["prediction"], strict=True):
        kept = load_folded(folder.structure_path(int(row)))
        assert isinstance(protein, FoldedProtein)
        assert protein.sequences == kept.sequences
        np.testing.assert_allclose(protein.positions, kept.positions, atol=2e-3)
        np.testing.assert_allclose(protein.plddt, kept.plddt, atol=1e-5)


def test_it_is_exported_with_a_card(finished: tuple[Path, RunFolder], tmp_path: Path) -> None:
    home, folder = finished
    about = export_run(home, folder.id, tmp_path / "model", kind="merged")
    assert about["largest_difference"] < 1e-3
    card = (tmp_path / "model" / "README.md").read_text()
    assert "| lddt | " in card
    assert "the place of every atom" in card
    assert json.loads((tmp_path / "model" / "molfun.json").read_text())["recycles"] == 1
