"""Scores held against scikit-learn and scipy, and intervals that hold what they promise."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import pearsonr, spearmanr
from sklearn import metrics

from molfun.evaluation.scoreboard import (
    auroc,
    average_precision,
    calibration_table,
    enrichment,
    ndcg,
    score_groups,
    score_table,
    threshold_curves,
)

CLASSES = ["a", "b", "c"]


def numbers(num: int = 200, *, noise: float = 0.7, seed: int = 0) -> pd.DataFrame:
    dice = np.random.default_rng(seed)
    target = dice.normal(size=num).round(1)
    return pd.DataFrame({"target": target, "prediction": (target + noise * dice.normal(size=num)).round(1)})


def classes(num: int = 200, *, seed: int = 0, names: list[str] = CLASSES) -> pd.DataFrame:
    dice = np.random.default_rng(seed)
    target = dice.integers(0, len(names), num)
    logits = dice.normal(size=(num, len(names))) + 1.2 * np.eye(len(names))[target]
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    table = pd.DataFrame({"target": [names[i] for i in target], "prediction": [names[i] for i in shares.argmax(1)]})
    return table.assign(**{f"p_{name}": shares[:, i] for i, name in enumerate(names)})


def test_regression_metrics_are_those_of_scipy_and_sklearn() -> None:
    table = numbers()
    found = score_table(table, "regression", [])["value"]
    target, prediction = table["target"], table["prediction"]
    assert found["spearman"] == pytest.approx(spearmanr(target, prediction).statistic)
    assert found["pearson"] == pytest.approx(pearsonr(target, prediction).statistic)
    assert found["rmse"] == pytest.approx(metrics.root_mean_squared_error(target, prediction))
    assert found["mae"] == pytest.approx(metrics.mean_absolute_error(target, prediction))
    assert found["r2"] == pytest.approx(metrics.r2_score(target, prediction))
    gains = (target - target.min()) / (target.max() - target.min())
    assert found["ndcg"] == pytest.approx(metrics.ndcg_score([gains], [prediction]))


@pytest.mark.parametrize("names", [CLASSES, ["no", "yes"]])
def test_class_metrics_are_those_of_sklearn(names: list[str]) -> None:
    table = classes(names=names)
    found = score_table(table, "classification", names)["value"]
    target, prediction = table["target"], table["prediction"]
    shares = table[[f"p_{name}" for name in names]].to_numpy()
    assert found["balanced_accuracy"] == pytest.approx(metrics.balanced_accuracy_score(target, prediction))
    assert found["accuracy"] == pytest.approx(metrics.accuracy_score(target, prediction))
    assert found["mcc"] == pytest.approx(metrics.matthews_corrcoef(target, prediction))
    assert found["macro_f1"] == pytest.approx(metrics.f1_score(target, prediction, average="macro"))
    binary = len(names) == 2
    expected = metrics.roc_auc_score(target, shares[:, 1] if binary else shares, multi_class="ovr", average="macro")
    assert found["auroc"] == pytest.approx(expected)
    chosen = names[1:] if binary else names
    each = [metrics.average_precision_score(target == name, table[f"p_{name}"]) for name in chosen]
    assert found["auprc"] == pytest.approx(np.mean(each))


def test_ties_are_shared() -> None:
    is_class = np.array([True, False, True, False, True])
    shares = np.array([0.5, 0.5, 0.5, 0.1, 0.9])
    assert auroc(is_class, shares) == pytest.approx(metrics.roc_auc_score(is_class, shares))
    assert average_precision(is_class, shares) == pytest.approx(metrics.average_precision_score(is_class, shares))
    targets = np.array([0.0, 1.0, 2.0, 3.0])
    assert ndcg(targets, np.zeros(4)) == pytest.approx(metrics.ndcg_score([targets / 3], [np.zeros(4)]))


def test_enrichment_is_ten_where_it_is_perfect_and_one_by_chance() -> None:
    targets = np.arange(1_000.0)
    assert enrichment(targets, targets) == pytest.approx(10)
    assert enrichment(targets, -targets) == 0
    dice = np.random.default_rng(0)
    assert np.mean([enrichment(targets, dice.normal(size=1_000)) for _ in range(200)]) == pytest.approx(1, abs=0.1)


def test_enrichment_does_not_read_the_order_of_equal_rows() -> None:
    targets = np.array([1.0] * 4 + [0.0] * 36)
    assert enrichment(targets, np.zeros(40)) == pytest.approx(1)
    assert enrichment(targets[::-1], np.zeros(40)) == pytest.approx(1)
    assert enrichment(targets, targets) == pytest.approx(10)
    # Two of the four best are above the rest; two places are shared by the 38 others, of which two are best.
    assert enrichment(targets, np.array([1.0] * 2 + [0.0] * 38)) == pytest.approx((2 + 2 * 2 / 38) / 4 / 0.1)


def test_residues_are_scored_as_items_and_drawn_as_rows() -> None:
    table = pd.DataFrame({"target": [["a", "b"], ["c"], ["a", "a"], ["b"], ["c"]],
                          "prediction": [["a", "c"], ["c"], ["a", "b"], ["b"], ["c"]]})  # fmt: skip
    found = score_table(table, "per_residue", CLASSES)
    flat = [[label for cell in table[name] for label in cell] for name in ("target", "prediction")]
    assert found.loc["balanced_accuracy", "value"] == pytest.approx(metrics.balanced_accuracy_score(*flat))
    assert found.loc["mcc", "value"] == pytest.approx(metrics.matthews_corrcoef(*flat))
    assert "auroc" not in found.index
    assert found["low"].notna().all()


def test_intervals_cover_the_truth_about_as_often_as_they_say() -> None:
    truth = float(np.corrcoef(numbers(200_000, seed=99)[["target", "prediction"]].T)[0, 1])
    inside = 0
    for seed in range(40):
        row = score_table(numbers(60, seed=seed), "regression", []).loc["pearson"]
        inside += bool(row["low"] <= truth <= row["high"])
    assert 33 <= inside <= 40


def test_calibration_of_a_model_that_knows_how_sure_it_is_has_no_error() -> None:
    dice = np.random.default_rng(0)
    share = dice.uniform(0.5, 1.0, 50_000)
    targets = (dice.uniform(size=50_000) < share).astype(int)
    shares = np.stack([1 - share, share], axis=1)
    table = calibration_table(targets, shares)
    assert table["accuracy"].to_numpy() == pytest.approx(table["confidence"].to_numpy(), abs=0.02)
    assert table["rows"].sum() == 50_000
    sure = pd.DataFrame({"target": ["a"] * 50 + ["b"] * 50, "prediction": "a", "p_a": 1.0, "p_b": 0.0})
    assert score_table(sure, "classification", ["a", "b"]).loc["calibration_error", "value"] == pytest.approx(0.5)


def test_groups_are_scored_by_themselves() -> None:
    table = numbers(100)
    groups = ["far"] * 60 + ["near"] * 37 + ["few"] * 3
    found = score_groups(table, groups, "regression", []).set_index("group")
    assert found.index.tolist() == ["far", "near", "few"]
    assert found["rows"].tolist() == [60, 37, 3]
    expected = spearmanr(table["target"][:60], table["prediction"][:60]).statistic
    assert found.loc["far", "value"] == pytest.approx(expected)
    assert np.isnan(found.loc["few", "value"])


@pytest.mark.parametrize(
    ("table", "task"),
    [
        (pd.DataFrame({"target": [1.0, 1.0], "prediction": [1.0, 2.0]}), "regression"),
        (pd.DataFrame({"target": [], "prediction": []}), "regression"),
        (pd.DataFrame({"target": [None, "a"], "prediction": ["a", None]}), "classification"),
        (pd.DataFrame({"target": [], "prediction": []}), "per_residue"),
    ],
)
def test_what_is_undefined_is_missing(table: pd.DataFrame, task: str) -> None:
    found = score_table(table, task, [] if task == "regression" else CLASSES)
    assert found["low"].isna().all()
    assert found["value"].drop(["rmse", "mae"], errors="ignore").isna().all()


@pytest.mark.parametrize("num_classes", [2, 3])
def test_threshold_curves_are_those_of_scikit_learn(num_classes: int) -> None:
    dice = np.random.default_rng(num_classes)
    targets, shares = np.arange(200) % num_classes, dice.dirichlet(np.ones(num_classes), 200).round(2)
    curves = threshold_curves(targets, shares)
    assert list(curves) == ([1] if num_classes == 2 else [0, 1, 2])
    for i, curve in curves.items():
        wrong, right, thresholds = metrics.roc_curve(targets == i, shares[:, i], drop_intermediate=False)
        np.testing.assert_allclose(curve[["false_positive_rate", "recall", "threshold"]].T, [wrong, right, thresholds])
        precision, recall, _ = metrics.precision_recall_curve(targets == i, shares[:, i])
        np.testing.assert_allclose(curve["precision"][1:], precision[-2::-1])
        np.testing.assert_allclose(curve["recall"][1:], recall[-2::-1])
        assert np.trapezoid(curve["recall"], curve["false_positive_rate"]) == pytest.approx(
            metrics.roc_auc_score(targets == i, shares[:, i])
        )


def test_threshold_curves_leave_out_classes_that_cannot_be_told() -> None:
    shares = np.full((4, 3), 1 / 3)
    assert list(threshold_curves(np.array([0, 0, 1, 1]), shares)) == [0, 1]
    assert threshold_curves(np.array([1, 1]), shares[:2]) == {}
