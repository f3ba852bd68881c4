from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn import metrics as sk

from molfun.data.settings import METRICS_OF_TASK
from molfun.metrics import compute_metrics


def test_regression_metrics_equal_scipy_and_sklearn() -> None:
    random = np.random.default_rng(0)
    targets = random.normal(size=50)
    preds = targets + random.normal(size=50)
    preds[3] = preds[4]  # a tie
    scores = compute_metrics(torch.tensor(preds), torch.tensor(targets), task="regression")
    assert scores["spearman"] == pytest.approx(stats.spearmanr(preds, targets).statistic, abs=1e-6)
    assert scores["pearson"] == pytest.approx(stats.pearsonr(preds, targets).statistic, abs=1e-6)
    assert scores["rmse"] == pytest.approx(math.sqrt(sk.mean_squared_error(targets, preds)), rel=1e-6)
    assert scores["mae"] == pytest.approx(sk.mean_absolute_error(targets, preds), rel=1e-6)
    assert scores["r2"] == pytest.approx(sk.r2_score(targets, preds), rel=1e-6)


def test_classification_metrics_equal_sklearn() -> None:
    random = np.random.default_rng(0)
    targets, chosen = random.integers(0, 3, 60), random.integers(0, 3, 60)
    logits = torch.nn.functional.one_hot(torch.tensor(chosen), 3).float()
    scores = compute_metrics(logits, torch.tensor(targets), task="classification", num_classes=3)
    assert scores["balanced_accuracy"] == pytest.approx(sk.balanced_accuracy_score(targets, chosen), rel=1e-6)
    assert scores["accuracy"] == pytest.approx(sk.accuracy_score(targets, chosen), rel=1e-6)
    assert scores["mcc"] == pytest.approx(sk.matthews_corrcoef(targets, chosen), rel=1e-5)
    assert scores["macro_f1"] == pytest.approx(sk.f1_score(targets, chosen, average="macro"), rel=1e-6)


@pytest.mark.parametrize(
    ("preds", "targets"), [([1.0, 1.0, 1.0], [1.0, 2.0, 3.0]), ([1.0, 2.0], [5.0, 5.0]), ([1.0], [2.0])]
)
def test_undefined_correlations_are_nan(preds, targets) -> None:
    scores = compute_metrics(torch.tensor(preds), torch.tensor(targets), task="regression")
    assert math.isnan(scores["spearman"])
    assert math.isnan(scores["pearson"])


@pytest.mark.parametrize("task", ["regression", "classification"])
def test_predictions_that_are_no_numbers_have_no_score(task: str) -> None:
    preds, targets = torch.tensor([1.0, 2.0, math.nan, 4.0]), torch.tensor([1.0, 2.0, 3.0, 4.0])
    if task == "classification":
        preds, targets = preds[:, None].expand(4, 3), torch.tensor([0, 1, 2, 0])
    scores = compute_metrics(preds, targets, task=task, num_classes=3)
    assert set(scores) == set(METRICS_OF_TASK[task])
    assert all(math.isnan(value) for value in scores.values())


def test_no_items_give_nan() -> None:
    scores = compute_metrics(torch.zeros(0, 3), torch.zeros(0, dtype=torch.int64), task="per_residue", num_classes=3)
    assert all(math.isnan(value) for value in scores.values())


def test_balanced_accuracy_leaves_out_classes_that_the_targets_lack() -> None:
    logits = torch.nn.functional.one_hot(torch.tensor([0, 2, 1, 1]), 3).float()
    scores = compute_metrics(logits, torch.tensor([0, 0, 1, 1]), task="classification", num_classes=3)
    assert scores["balanced_accuracy"] == 0.75


@pytest.mark.parametrize("num_items", [0, 6])
@pytest.mark.parametrize("task", [task for task in METRICS_OF_TASK if task != "structure"])
def test_metrics_of_a_task_are_those_that_may_be_monitored(task: str, num_items: int) -> None:
    is_number = task == "regression"
    targets = torch.arange(num_items) % 3
    preds = torch.arange(num_items).float() if is_number else torch.nn.functional.one_hot(targets, 3).float()
    scores = compute_metrics(preds, targets.float() if is_number else targets, task=task, num_classes=3)
    assert tuple(scores) == METRICS_OF_TASK[task]
