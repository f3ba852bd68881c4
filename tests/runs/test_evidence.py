"""Facts of runs in every state: what is recorded is told as it is, what is not is None."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from molfun.data.dataset import Dataset, save_dataset
from molfun.data.hashes import split_hash
from molfun.data.settings import ColumnSettings, SplitSettings
from molfun.runs.bundle import gather
from molfun.runs.evidence import collect
from molfun.runs.evidence_training import read_course
from molfun.runs.methods import methods_paragraph
from molfun.runs.spec import RunSpec
from molfun.runs.store import RunFolder, RunStore
from tests.drawn_pages import dataset, make_run, write_checkpoint, write_results

__all__ = ["dataset", "make_run"]


@pytest.fixture
def finished(make_run: Callable[..., RunFolder], dataset: Dataset) -> RunFolder:
    """A finished run with scores, predictions and a checkpoint."""
    folder = make_run("done", "finished", num_train=28)
    write_results(folder, dataset)
    write_checkpoint(folder, "best", 10)
    folder.write_parameters({"total": 50, "trainable": 5, "groups": [], "parts": []})
    return folder


def test_a_finished_run_is_known(finished: RunFolder, dataset: Dataset) -> None:
    facts = collect(finished)
    assert facts["data"]["sha256"] == dataset.about["sha256"]
    assert facts["data"]["split_sha256"] == split_hash(dataset.frame)
    assert facts["data"]["rows"] == dataset.counts == {"train": 28, "val": 4, "test": 8}
    assert facts["data"]["split"] == {"kind": "random", "val_fraction": 0.1, "test_fraction": 0.2, "seed": 0}
    assert (facts["model"]["total"], facts["model"]["trainable"]) == (50, 5)
    assert facts["training"]["kept"] == {
        "epoch": 1, "weights": "ema", "checkpoint": "best", "monitor": "val_loss", "value": 0.1, "is_chosen": True,
    }  # fmt: skip
    (digest,) = facts["checkpoints"]["best"]["files"].values()
    assert len(digest) == 64
    assert json.loads(json.dumps(facts, allow_nan=False)) == facts


def test_steps_are_those_of_the_record_not_of_the_last_word_of_the_state(finished: RunFolder) -> None:
    finished.write_state(step=17)
    assert collect(finished)["training"]["steps"] == 20
    finished.metrics_path.write_text("")
    assert collect(finished)["training"]["steps"] == 17


def test_scores_have_intervals_and_are_computed_again(finished: RunFolder) -> None:
    scores = collect(finished)["scores"]
    assert (scores["rows"], scores["primary"], scores["best_baseline"]) == (8, "spearman", "one_hot")
    # The predictions are the targets plus one: in perfect order, off by one.
    assert scores["metrics"]["spearman"] | {"value": 0} == {
        "value": 0, "low": pytest.approx(1.0), "high": pytest.approx(1.0), "better": "higher", "resamples": 2000,
    }  # fmt: skip
    assert scores["metrics"]["mae"]["value"] == pytest.approx(1.0)
    assert scores["metrics"]["mae"]["resamples"] == 500
    assert scores["metrics"]["spearman"]["value"] == 0.71  # what the run wrote down comes first
    assert scores["agrees"] is False


@pytest.mark.parametrize("status", ["queued", "starting", "running", "stopped", "failed", "lost"])
def test_runs_in_every_state_have_facts_and_methods(make_run: Callable[..., RunFolder], status: str) -> None:
    folder = make_run("some", status, cause="It was so.")
    facts = collect(folder)
    assert facts["scores"]["rows"] is None
    assert {"scores.rows", "training.kept", "environment", "model.total"} <= set(facts["not_known"])
    assert "No test score is recorded." in methods_paragraph(facts)
    assert gather(folder).files["facts.json"]


def test_a_run_whose_data_are_gone_says_so(finished: RunFolder, dataset: Dataset) -> None:
    shutil.rmtree(dataset.folder)
    facts = collect(finished)
    assert facts["data"]["is_there"] is False
    assert facts["data"]["sha256"] is facts["data"]["rows"] is facts["data"]["leaks"] is None
    assert facts["scores"]["metrics"]["mae"]["value"] == pytest.approx(1.0)
    assert "no longer there" in methods_paragraph(facts)
    assert "split.csv" not in gather(finished).files


@pytest.mark.parametrize("content", [b"", b"{", b'{"test": {"metrics": 3}, "parts": [7]}', b"\xff\x00", b"[" * 99])
def test_half_written_files_are_left_out(finished: RunFolder, content: bytes) -> None:
    for path in sorted(finished.path.rglob("*")):
        if path.is_file() and path.name != "spec.yaml":
            path.write_bytes(content)
    facts = collect(finished)
    assert facts["data"]["sha256"]
    assert methods_paragraph(facts)
    assert "predictions/test.csv" not in gather(finished).files


@pytest.mark.parametrize("content", [b"", b"strategy: {kind: lora", b"\xff\x00"])
def test_without_settings_what_follows_from_them_is_not_known(finished: RunFolder, content: bytes) -> None:
    finished.spec_path.write_bytes(content)
    facts = collect(finished)
    assert facts["settings"] is facts["data"] is facts["model"] is facts["training"] is None
    assert {"settings", "data", "model", "training"} <= set(facts["not_known"])
    assert "spec.yaml" not in gather(finished).files


def test_links_are_not_followed(finished: RunFolder, tmp_path: Path) -> None:
    outside = tmp_path / "outside.json"
    outside.write_text('{"python": "of another folder"}')
    finished.environment_path.unlink(missing_ok=True)
    finished.environment_path.symlink_to(outside)
    assert collect(finished)["environment"] is None


def test_a_resume_undoes_what_was_asked_after_its_checkpoint() -> None:
    events: list[dict[str, Any]] = [
        {"kind": "start"},
        {"kind": "steer", "action": "lr", "step": 5, "factor": 0.5},
        {"kind": "steer", "action": "lr", "step": 9, "factor": 0.5},
        {"kind": "start"},
        {"kind": "resume", "name": "last", "step": 7},
        {"kind": "alert", "message": "Hm."},
        {"kind": "steer", "action": "epochs", "step": "nine"},
        {"kind": ["odd"], "step": -1},
    ]
    assert read_course(events) == {
        "starts": 2, "resumes": [{"step": 7, "checkpoint": "last"}],
        "steered": [{"action": "lr", "step": 5, "factor": 0.5}], "undone": 1, "alerts": ["Hm."],
    }  # fmt: skip


def test_early_stopping_is_told_from_other_ends(make_run: Callable[..., RunFolder]) -> None:
    folder = make_run("some", "finished")
    spec = folder.spec.changed({"strategy.early_stopping_patience": 3})
    for name, cause in (("early", "Ended after epoch 5 of 9: no better val_loss for 3 epochs."), ("other", "")):
        other = RunStore(folder.path.parents[1]).create(spec, run_id=name)
        other.write_state(status="finished", cause=cause, step=4, epoch=5)
        assert collect(other)["training"]["ended_by_patience"] is (name == "early")


@pytest.fixture
def residues(home: Path) -> RunFolder:
    """A run of classes per residue, without a test part in its split."""
    rows = [{"sequence": "ACDEFGHIKLMNPQRSTVWY"[i:], "labels": ("HEC" * 7)[: 20 - i]} for i in range(10)]
    columns = ColumnSettings(sequence=["sequence"], target="labels", task="per_residue")
    split = SplitSettings(test_fraction=0.0, val_fraction=0.2)
    saved = save_dataset(home / "datasets", pd.DataFrame(rows), columns, split, name="Residues")
    source = {"dataset": saved.id, "columns": columns.model_dump(), "split": split.model_dump()}
    folder = RunStore(home).create(RunSpec.parse({"data": source}), run_id="residues")
    folder.write_state(status="finished", step=3, epoch=1)
    return folder


def test_a_split_without_test_rows_is_told(residues: RunFolder) -> None:
    facts = collect(residues)
    assert facts["data"]["rows"] == {"train": 8, "val": 2, "test": 0}
    assert "The split has no test rows, so there is no test score." in methods_paragraph(facts)


def test_labels_of_residues_are_scored_and_written_as_letters(residues: RunFolder) -> None:
    labels = [list("HECHECHE"), list("HHEECCHE"), list("CCCCEEEE"), list("HHHHHHHH"), list("EECCHHEE")]
    table = pd.DataFrame({"row": range(5), "target": labels, "prediction": labels})
    table.to_parquet(residues.predictions / "test.parquet")
    test = {"metrics": {"balanced_accuracy": 1.0}, "rows": 5}
    residues.write_scoreboard({"primary": "balanced_accuracy", "test": test, "baselines": {}})
    evidence = gather(residues)
    assert evidence.facts["scores"]["agrees"] is True
    assert evidence.facts["scores"]["metrics"]["mcc"]["value"] == pytest.approx(1.0)
    assert evidence.files["predictions/test.csv"].splitlines()[1] == "0,HECHECHE,HECHECHE"
