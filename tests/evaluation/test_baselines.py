"""Baselines: numbers worked out by hand, known signal, and the examples' own scores."""

from __future__ import annotations

import logging
import math
import time

import numpy as np
import pandas as pd
import pytest

from molfun.data.dataset import Dataset, save_dataset
from molfun.data.examples import save_example
from molfun.data.settings import ColumnSettings, SplitSettings
from molfun.evaluation.baselines import (
    ResidueStates,
    compute_baselines,
    pads_right,
    predict_baselines,
    score,
    training_rows,
)

RANDOM = np.random.default_rng(0)
SEQUENCES = ["".join(RANDOM.choice(list("ACDEFGHIKLMNPQRSTVWY"), 12)) for _ in range(200)]


def dataset(root, targets, task="regression", sequences=SEQUENCES, **more) -> Dataset:
    frame = pd.DataFrame({"seq": sequences, "y": targets, **more})
    columns = ColumnSettings(sequence=["seq", *(["light"] if "light" in more else [])], target="y", task=task)
    return save_dataset(root, frame, columns, SplitSettings(), name="t")


def test_score_of_numbers_by_hand():
    scores = score(np.array([1.0, 2.0, 3.0]), np.array([1.0, 3.0, 2.0]), "regression")
    assert scores["spearman"] == pytest.approx(0.5)
    assert scores["pearson"] == pytest.approx(0.5)
    assert scores["rmse"] == pytest.approx(math.sqrt(2 / 3))
    assert scores["mae"] == pytest.approx(2 / 3)
    assert scores["r2"] == pytest.approx(0.0)


def test_score_of_classes_by_hand():
    scores = score(np.array([0, 0, 0, 1]), np.array([0, 0, 0, 0]), "classification")
    assert scores == pytest.approx({"balanced_accuracy": 0.5, "accuracy": 0.75, "mcc": 0.0, "macro_f1": 3 / 7})


def test_constants_have_no_rank_correlation(tmp_path):
    scores = compute_baselines(dataset(tmp_path, RANDOM.normal(size=200)))["mean"]
    assert math.isnan(scores["spearman"])
    assert scores["r2"] <= 0


def test_one_hot_sees_positions_and_composition_does_not(tmp_path):
    scores = compute_baselines(dataset(tmp_path, [float(seq[3] in "ACDEFGHIKL") for seq in SEQUENCES]))
    assert scores["one_hot"]["spearman"] > 0.6
    assert scores["composition"]["spearman"] < 0.5


def test_composition_sees_the_length(tmp_path):
    sequences = [seq[: 4 + i % 8] for i, seq in enumerate(SEQUENCES)]
    data = dataset(tmp_path, [float(len(seq)) for seq in sequences], sequences=sequences)
    assert compute_baselines(data)["composition"]["r2"] > 0.99
    assert pads_right(data)


def test_residue_pairs_see_the_order_that_composition_does_not(tmp_path):
    sequences = [seq[:8] + ("WY" if i % 2 else "YW") for i, seq in enumerate(SEQUENCES)]
    scores = compute_baselines(dataset(tmp_path, [float(i % 2) for i in range(200)], sequences=sequences))
    assert scores["k_mer"]["r2"] > 0.5
    assert scores["composition"]["r2"] < 0.1


def test_frozen_embeddings_are_one_more_baseline(tmp_path):
    targets = RANDOM.normal(size=200)
    data = dataset(tmp_path, targets)
    states = np.stack([data.frame["target"], RANDOM.normal(size=200)], axis=1).astype(np.float32)
    assert compute_baselines(data, embeddings=states)["frozen_embedding"]["r2"] > 0.99
    states[data.part("test").index[0]] = np.nan
    assert "frozen_embedding" not in compute_baselines(data, embeddings=states)


def test_of_many_training_rows_some_are_drawn(tmp_path, monkeypatch):
    data = dataset(tmp_path, RANDOM.normal(size=200))
    monkeypatch.setattr("molfun.evaluation.baselines.MAX_ROWS", 50)
    drawn = training_rows(data)
    assert len(drawn) == 50
    assert set(drawn.index) < set(data.part("train").index)
    mean = predict_baselines(data)["mean"]
    assert mean[0] == pytest.approx(drawn["target"].mean())


def test_predictions_stand_in_the_order_of_the_test_rows(tmp_path):
    data = dataset(tmp_path, [float(seq[3] in "ACDEFGHIKL") for seq in SEQUENCES])
    predictions, scores = predict_baselines(data), compute_baselines(data)
    own = score(data.part("test")["target"].to_numpy(), predictions["one_hot"], "regression")
    assert own["spearman"] == pytest.approx(scores["one_hot"]["spearman"])


def test_one_hot_reads_the_alignment(tmp_path):
    # Without the gaps, the telling residue stands at a different place in every row.
    sequences = [seq[: i % 6] + "W" * (i % 2) + seq[6:] for i, seq in enumerate(SEQUENCES)]
    aligned = [seq[: i % 6].ljust(6, "-") + ("W" if i % 2 else "-") + seq[6:] for i, seq in enumerate(SEQUENCES)]
    classes = ["odd" if i % 2 else "even" for i in range(200)]
    plain = dataset(tmp_path, classes, "classification", sequences)
    gapped = dataset(tmp_path, classes, "classification", sequences, aligned=aligned)
    assert compute_baselines(gapped)["one_hot"]["balanced_accuracy"] == 1.0
    assert compute_baselines(plain)["one_hot"]["balanced_accuracy"] < 1.0
    assert (pads_right(plain), pads_right(gapped)) == (True, False)


def test_one_hot_is_left_out_where_it_would_take_too_long(tmp_path, monkeypatch, caplog):
    data = dataset(tmp_path, RANDOM.normal(size=200))
    size = len(data.part("train")) * 12 * 20  # every letter stands at every place
    monkeypatch.setattr("molfun.evaluation.baselines.MAX_NUMBERS", size)
    assert "one_hot" in predict_baselines(data)
    monkeypatch.setattr("molfun.evaluation.baselines.MAX_NUMBERS", size - 1)
    with caplog.at_level(logging.INFO):
        assert set(predict_baselines(data)) == {"mean", "composition", "k_mer"}
    assert "140 rows and 240 features are too many" in caplog.text


def test_baselines_see_every_chain(tmp_path):
    light = ["ACDEF" if i % 3 else "WCDEF" for i in range(200)]
    scores = compute_baselines(dataset(tmp_path, [float(seq[0] == "W") for seq in light], light=light))
    assert scores["one_hot"]["r2"] > 0.9
    assert scores["composition"]["r2"] > 0.9


def test_residue_baselines_by_letter(tmp_path):
    labels = ["".join("h" if letter in "AVILMFW" else "p" for letter in seq) for seq in SEQUENCES]
    scores = compute_baselines(dataset(tmp_path, labels, "per_residue"))
    assert scores["composition"]["balanced_accuracy"] == 1.0
    assert scores["majority"]["balanced_accuracy"] == 0.5
    assert set(scores) == {"majority", "composition", "residue_window"}


def test_no_test_rows_give_no_baselines(tmp_path):
    frame = pd.DataFrame({"seq": SEQUENCES, "y": RANDOM.normal(size=200)})
    columns = ColumnSettings(sequence=["seq"], target="y")
    data = save_dataset(tmp_path, frame, columns, SplitSettings(test_fraction=0.0), name="t")
    assert compute_baselines(data) == {}


@pytest.mark.parametrize(
    ("name", "metric", "composition", "one_hot"),
    [
        ("v_genes", "balanced_accuracy", 0.402, 0.759),
        ("gb1_stability", "spearman", 0.473, 0.549),
        ("amyloid_beta", "spearman", 0.546, 0.848),
        ("localisation", "balanced_accuracy", 0.481, 0.438),
    ],
)
def test_examples_have_the_scores_that_the_docs_print(tmp_path, name, metric, composition, one_hot):
    data = save_example(tmp_path, name)
    start = time.perf_counter()
    scores = compute_baselines(data)
    assert time.perf_counter() - start < 10
    assert scores["composition"][metric] == pytest.approx(composition, abs=0.02)
    assert scores["one_hot"][metric] == pytest.approx(one_hot, abs=0.02)


def residues(root, label) -> Dataset:
    """Return sequences whose residues are labelled by `label(sequence, place)`."""
    labels = ["".join(label(seq, i) for i in range(len(seq))) for seq in SEQUENCES]
    return dataset(root, labels, task="per_residue")


def test_the_window_sees_the_neighbour_that_the_letter_does_not_show(tmp_path):
    data = residues(tmp_path, lambda seq, i: "H" if i and seq[i - 1] in "ACDEFGHIKL" else "C")
    scores = compute_baselines(data)
    assert scores["residue_window"]["balanced_accuracy"] > 0.95
    assert scores["composition"]["balanced_accuracy"] < 0.7


def test_residues_without_label_are_in_no_baseline(tmp_path):
    data = residues(tmp_path, lambda seq, i: "?" if i % 2 else "HC"[seq[i] in "ACDEFGHIKL"])
    found = predict_baselines(data)
    num = sum(label != -1 for cell in data.part("test")["target"] for label in cell)
    assert {len(preds) for preds in found.values()} == {num} == {6 * len(data.part("test"))}
    assert compute_baselines(data)["composition"]["accuracy"] == 1.0


def test_states_of_residues_are_one_more_baseline(tmp_path):
    data = residues(tmp_path, lambda seq, i: "HC"[(i * 7 + len(seq)) % 3 == 0])
    parts = [np.array([label for cell in data.part(name)["target"] for label in cell]) for name in ("train", "test")]
    own, other = (np.stack([labels, RANDOM.normal(size=len(labels))], axis=1).astype(np.float32) for labels in parts)
    found = predict_baselines(data, states=ResidueStates(own, parts[0], other))
    assert (found["frozen_embedding"] == parts[1]).all()
    assert "frozen_embedding" not in predict_baselines(data, states=ResidueStates(own, parts[0], other[:-1]))
