from __future__ import annotations

import math

import pytest

from molfun.errors import RunError
from molfun.training.progress import Progress


def judged(values: list[float], metric: str = "val_loss", **rules: float) -> Progress:
    """Return the progress of a fit that validated to these values, until it stops."""
    progress = Progress(epochs=len(values), steps_per_epoch=1)
    for value in values:
        progress.add_step(1.0, 1, 0.0)
        progress.end_epoch()
        progress.judge({metric: value}, metric=metric, patience=int(rules.get("patience", 0)),
                       min_delta=rules.get("min_delta", 0.0))  # fmt: skip
        if progress.stop_reason:
            break
    return progress


def test_training_loss_is_the_mean_over_items() -> None:
    progress = Progress(epochs=2, steps_per_epoch=2)
    progress.add_step(1.0, 3, 0.5)
    progress.add_step(5.0, 1, 0.5)
    assert progress.end_epoch() == {"epoch": 1.0, "train_loss": 2.0, "seconds": 1.0}
    assert (progress.num_items, progress.loss_sum, progress.steps_done_in_epoch) == (0, 0.0, 0)


@pytest.mark.parametrize(
    ("metric", "values", "best"),
    [
        ("val_loss", [3.0, 1.0, 2.0], 2),
        ("val_rmse", [3.0, 1.0, 2.0], 2),
        ("val_spearman", [0.1, 0.5, 0.3], 2),
        ("val_spearman", [math.nan, -0.2, math.nan], 2),
        ("val_loss", [math.nan, math.nan], 0),
        ("val_loss", [1.0, 1.0], 1),
    ],
)
def test_best_epoch_follows_the_metrics_own_direction(metric: str, values: list[float], best: int) -> None:
    assert judged(values, metric).best_epoch == best


def test_improvements_not_larger_than_min_delta_do_not_feed_patience() -> None:
    """0.1 an epoch is never more than 0.15 in one, but the drift since the last real improvement is."""
    progress = judged([1.0, 0.9, 0.8, 0.8, 0.8], patience=2, min_delta=0.15)
    assert progress.epoch == 5
    assert progress.best_epoch == 3
    assert judged([1.0, 1.0 - 1e-9, 1.0 - 2e-9], patience=2, min_delta=1e-6).stop_reason
    assert not judged([1.0, 1.0 - 1e-9, 1.0 - 2e-9], patience=2).stop_reason


def test_stop_reason_names_metric_and_patience() -> None:
    assert judged([0.5, 0.4, 0.3], "val_mcc", patience=2).stop_reason == "no better val_mcc for 2 epochs"


def test_early_stop_survives_a_resume_and_more_epochs_end_it() -> None:
    stopped = judged([1.0, 2.0, 2.0, 2.0], patience=2)
    again, longer = Progress(epochs=4, steps_per_epoch=1), Progress(epochs=9, steps_per_epoch=1)
    again.load_state_dict(stopped.state_dict(), patience=2)
    longer.load_state_dict(stopped.state_dict(), patience=2)
    assert again.stop_reason == stopped.stop_reason
    assert (longer.stop_reason, longer.epochs_without_improvement, longer.best_value) == ("", 0, 1.0)


def test_request_to_stop_does_not_survive_a_resume() -> None:
    stopped = Progress(epochs=4, steps_per_epoch=1, epoch=2, step=2, stop_reason="stopped by the user")
    again = Progress(epochs=4, steps_per_epoch=1)
    again.load_state_dict(stopped.state_dict(), patience=2)
    assert (again.stop_reason, again.step) == ("", 2)


def test_other_steps_an_epoch_are_refused() -> None:
    with pytest.raises(RunError, match="written with 3 steps an epoch, this run has 5; resume with the same rows"):
        Progress(epochs=1, steps_per_epoch=5).load_state_dict(Progress(1, 3).state_dict(), patience=0)
