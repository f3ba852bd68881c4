from __future__ import annotations

import pytest

from molfun.data.settings import METRICS_OF_TASK, PRIMARY_METRIC, lower_is_better


@pytest.mark.parametrize("metric", ["loss", "val_loss", "val_loss_raw", "rmse", "val_rmse", "val_mae"])
def test_errors_are_better_when_they_are_lower(metric: str) -> None:
    assert lower_is_better(metric)


@pytest.mark.parametrize(
    "metric",
    ["spearman", "val_pearson", "r2", "val_balanced_accuracy", "accuracy", "val_mcc", "macro_f1", "unheard_of"],
)
def test_scores_are_better_when_they_are_higher(metric: str) -> None:
    assert not lower_is_better(metric)


@pytest.mark.parametrize("task", METRICS_OF_TASK)
def test_the_metric_that_people_judge_by_is_one_of_the_task_and_higher_is_better(task: str) -> None:
    assert PRIMARY_METRIC[task] in METRICS_OF_TASK[task]
    assert not lower_is_better(PRIMARY_METRIC[task])
