"""What a card says of a run: from its folder and its data, as far as they are there, and no path of this machine."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import yaml

from molfun.data.dataset import Dataset
from molfun.data.hashes import split_hash
from molfun.evaluation.card import model_card
from molfun.runs.model_facts import model_facts
from molfun.runs.spec import RunSpec
from molfun.runs.store import RunFolder, RunStore
from tests.drawn_pages import dataset, make_run, write_checkpoint, write_results

__all__ = ["dataset", "make_run"]


@pytest.fixture
def run(make_run: Callable[..., RunFolder], dataset: Dataset) -> RunFolder:
    """Return a finished run with scores, baselines and best weights."""
    folder = make_run("done", "finished")
    write_results(folder, dataset)
    write_checkpoint(folder, "best", 10)
    return folder


def test_a_card_tells_data_split_scores_limits_and_sources(home: Path, run: RunFolder, dataset: Dataset) -> None:
    facts = model_facts(home, run, kind="merged")
    assert facts.facts["Hash of the data"] == f"sha256 {dataset.about['sha256']}"
    assert facts.facts["Hash of the split"] == f"sha256 {split_hash(dataset.frame)}"
    assert facts.facts["Weights"] == "checkpoint best of epoch 1, averaged (EMA)"
    # Predictions are the targets and 1 more: perfect order, and off by 1 in every resample.
    assert facts.scores.loc["spearman", ["value", "low", "high"]].tolist() == pytest.approx([1.0, 1.0, 1.0])
    assert facts.scores.loc["rmse", ["value", "low", "high"]].tolist() == pytest.approx([1.0, 1.0, 1.0])
    assert facts.num_test == dataset.counts["test"]
    assert facts.baselines["one_hot"]["spearman"] == 0.65
    said = " ".join(facts.limits)
    assert "up to 510 residues" in said
    assert "antibody variable domains only" in said
    assert "test row" in said  # how alike test and training rows are
    assert facts.citations["The backbone"].startswith("Ruffolo")
    front = yaml.safe_load(model_card(facts).split("---")[1])
    assert front["license"] == "mit"
    assert "base_model" not in front  # AntiBERTy's weights come in a package


def test_a_hub_backbone_is_named_where_its_weights_were_the_start(home: Path, dataset: Dataset) -> None:
    found = {}
    for weights in ("pretrained", "random", "/srv/private/esm"):
        spec = {"data": {"dataset": dataset.id}, "model": {"name": "esm2_8m", "weights": weights}}
        folder = RunStore(home).create(RunSpec.parse(spec), run_id=f"r{len(found)}")
        found[weights] = model_facts(home, folder, kind="onnx")
        assert "/srv" not in model_card(found[weights])
    assert found["pretrained"].base_model == "facebook/esm2_t6_8M_UR50D"
    assert (found["random"].base_model, found["random"].licence) == ("", "")
    assert any("a control, not a result" in sentence for sentence in found["random"].limits)
    assert found["/srv/private/esm"].facts["Backbone"] == "ESM-2 8 M, weights of a local folder"


def test_other_weights_than_the_best_are_said_to_have_no_scores(home: Path, run: RunFolder) -> None:
    facts = model_facts(home, run, kind="merged", checkpoint="last")
    assert facts.limits[0] == "The scores are those of the run's best weights; these are of its checkpoint last."


def test_what_is_gone_or_damaged_is_left_out(home: Path, run: RunFolder, dataset: Dataset) -> None:
    pd.DataFrame({"row": [1], "target": [[1, 2]]}).to_parquet(run.predictions / "test.parquet")
    facts = model_facts(home, run, kind="merged")
    assert facts.scores["value"].to_dict() == {"spearman": 0.71, "rmse": 1.0}
    assert facts.scores["low"].isna().all()
    shutil.rmtree(dataset.folder)
    run.scoreboard_path.write_text("{")
    bare = model_facts(home, run, kind="merged")
    assert "Data" not in bare.facts
    assert bare.scores.empty
    assert model_card(bare).startswith("---\nlibrary_name: transformers")
