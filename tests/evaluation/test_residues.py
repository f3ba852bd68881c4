"""Labels of residues: one row a residue, whole proteins resampled, residues without label left out."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics

from molfun.evaluation.class_scores import score_classes
from molfun.evaluation.residues import aligned_labels, flatten_residues, residue_accuracy
from molfun.evaluation.scoreboard import score_table

CLASSES = ["C", "E", "H"]


def proteins(num: int = 30, *, seed: int = 0, with_shares: bool = True) -> pd.DataFrame:
    dice = np.random.default_rng(seed)
    rows = []
    for row in range(num):
        target = dice.integers(0, 3, dice.integers(5, 40))
        logits = dice.normal(size=(len(target), 3)) + 1.2 * np.eye(3)[target]
        shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        names = {"row": row + 2, "target": [CLASSES[i] for i in target],
                 "prediction": [CLASSES[i] for i in shares.argmax(1)]}  # fmt: skip
        rows.append(names | ({f"p_{name}": shares[:, i] for i, name in enumerate(CLASSES)} if with_shares else {}))
    return pd.DataFrame(rows)


def test_one_row_a_residue_in_order() -> None:
    table = pd.DataFrame({"row": [7, 9], "target": [["H", "C"], ["E"]], "prediction": [["H", "H"], ["E"]]})
    flat = flatten_residues(table, CLASSES)
    assert flat.to_dict("list") == {
        "place": [0, 0, 1], "row": [7, 7, 9], "target": ["H", "C", "E"], "prediction": ["H", "H", "E"],
    }  # fmt: skip


def test_scores_are_those_of_all_residues_together() -> None:
    table = proteins()
    found, flat = score_table(table, "per_residue", CLASSES), flatten_residues(table, CLASSES)
    shares = flat[[f"p_{name}" for name in CLASSES]].to_numpy()
    value = found["value"]
    assert value["mcc"] == pytest.approx(metrics.matthews_corrcoef(flat["target"], flat["prediction"]))
    assert value["macro_f1"] == pytest.approx(metrics.f1_score(flat["target"], flat["prediction"], average="macro"))
    expected = metrics.roc_auc_score(flat["target"], shares, multi_class="ovr", average="macro")
    assert value["auroc"] == pytest.approx(expected)
    assert 0 <= value["calibration_error"] <= 1
    assert (found["low"] <= value).all()
    assert (value <= found["high"]).all()


def test_whole_proteins_are_drawn_so_that_alike_residues_do_not_narrow_the_interval() -> None:
    right = [index % 2 == 0 for index in range(20)]
    chosen = ["H" if (i < 10) == ok else "C" for i, ok in enumerate(right)]
    table = pd.DataFrame({"row": range(20), "target": [["H"] * 200] * 10 + [["C"] * 200] * 10,
                          "prediction": [[label] * 200 for label in chosen]})  # fmt: skip
    row = score_table(table, "per_residue", ["C", "H"]).loc["accuracy"]
    assert row["value"] == 0.5
    assert row["high"] - row["low"] > 0.3  # of 4,000 independent residues it would be 0.03


@pytest.mark.parametrize("spoilt", ["p_E", "all"])
def test_without_probabilities_there_is_no_auroc(spoilt: str) -> None:
    table = proteins(with_shares=spoilt != "all")
    if spoilt != "all":
        table[spoilt] = [cell[:-1] for cell in table[spoilt]]
    assert "auroc" not in score_table(table, "per_residue", CLASSES).index


def test_recall_precision_and_f1_of_each_class_are_those_of_sklearn() -> None:
    table = proteins()
    found, flat = score_classes(table, "per_residue", CLASSES), flatten_residues(table, CLASSES)
    expected = metrics.precision_recall_fscore_support(flat["target"], flat["prediction"], labels=CLASSES)
    for name, values in zip(("precision", "value", "f1", "rows"), expected, strict=True):
        np.testing.assert_allclose(found[name], values)
    assert ((found["low"] <= found["value"]) & (found["value"] <= found["high"])).all()
    rows = flat.drop(columns="place")
    np.testing.assert_allclose(score_classes(rows, "classification", CLASSES)["f1"], expected[2])


def test_a_class_that_few_rows_have_gets_no_recall_and_one_without_any_no_line() -> None:
    table = pd.DataFrame({"target": ["C"] * 20 + ["H"] * 2, "prediction": ["C"] * 22})
    found = score_classes(table, "classification", CLASSES).set_index("group")
    assert list(found.index) == ["C", "H"]
    assert np.isnan(found.loc["H", "value"])
    assert np.isnan(found.loc["H", "precision"])


def test_accuracy_of_each_protein() -> None:
    table = pd.DataFrame({"row": [2, 3], "target": [["H", "C"], []], "prediction": [["H", "H"], []]})
    found = residue_accuracy(table)
    assert found["right"].tolist() == [1, 0]
    assert found["wrong_share"].iloc[0] == 0.5
    assert np.isnan(found["wrong_share"].iloc[1])


@pytest.mark.parametrize(
    ("labels", "known", "expected"),
    [(["H", "C"], [0, -1, 1], "H.C"), (["H"], [0, 0], ""), (["helix"], [0], ""), ([], [-1, -1], "..")],
)
def test_labels_stand_under_their_residues(labels: list[str], known: list[int], expected: str) -> None:
    assert aligned_labels(labels, known, -1) == expected
