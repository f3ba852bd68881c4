"""Curves that deserve a look are told, those that do not are left in peace."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from molfun.runs import alerts
from molfun.runs.alerts import Alert, find_alerts
from molfun.runs.spec import RunSpec

SPEC = RunSpec.parse({"strategy": {"kind": "lora", "lr": 1e-3, "lr_head": 1e-2, "grad_clip": 1.0}})


def steps_of(losses: np.ndarray, *, norm: float = 0.5, rate: float = 1e-3) -> pd.DataFrame:
    """Return steps, ten an epoch."""
    step = np.arange(1, len(losses) + 1)
    return pd.DataFrame({"step": step, "loss": losses, "epoch": step / 10, "grad_norm": norm, "lr/head": rate})


def epochs_of(losses: list[float]) -> pd.DataFrame:
    """Return epochs with these validation losses."""
    return pd.DataFrame({"epoch": range(1, len(losses) + 1), "val_loss": losses})


FALLING = np.exp(-np.arange(100) / 40.0)
GOOD = [0.9, 0.7, 0.55, 0.45, 0.38, 0.33, 0.29, 0.26, 0.235, 0.215]


def kinds(steps: pd.DataFrame, epochs: pd.DataFrame, spec: RunSpec = SPEC) -> list[str]:
    return [alert.kind for alert in find_alerts(steps, epochs, spec)]


def only(steps: pd.DataFrame, epochs: pd.DataFrame) -> Alert:
    (alert,) = find_alerts(steps, epochs, SPEC)
    return alert


def test_good_curves_are_left_in_peace() -> None:
    assert kinds(steps_of(FALLING), epochs_of(GOOD)) == []
    noisy = FALLING + 0.05 * np.random.default_rng(0).normal(size=100)
    assert kinds(steps_of(noisy), epochs_of(GOOD)) == []


@pytest.mark.parametrize("num_steps", [0, 1, 5])
def test_nothing_is_said_of_the_first_steps(num_steps: int) -> None:
    assert kinds(steps_of(np.linspace(1, 5, num_steps)), epochs_of([1.0])) == []
    assert kinds(pd.DataFrame(), pd.DataFrame()) == []


def test_divergence() -> None:
    losses = np.concatenate([np.linspace(1, 0.2, 50), np.linspace(0.2, 1.5, 60)])
    alert = only(steps_of(losses), pd.DataFrame())
    assert (alert.kind, alert.step) == ("diverged", pytest.approx(55, abs=8))
    assert alert.changes == {"strategy.lr": "0.0003", "strategy.lr_head": "0.003"}
    assert "nan" not in alert.sentence


def test_overfitting_begins_after_the_best_epoch() -> None:
    alert = only(steps_of(FALLING), epochs_of([0.9, 0.5, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75]))
    assert (alert.kind, alert.step) == ("overfits", 30)
    assert "rises since epoch 3" in alert.sentence
    assert RunSpec().changed(alert.changes).strategy.early_stopping_patience == 3


def test_a_plateau() -> None:
    alert = only(steps_of(FALLING), epochs_of([0.9, 0.5, 0.3, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2]))
    assert (alert.kind, alert.step) == ("plateau", 70)


def test_clipping_of_nearly_every_step() -> None:
    alert = only(steps_of(FALLING, norm=4.2), epochs_of(GOOD))
    assert alert.kind == "clipped"
    assert RunSpec().changed(alert.changes).strategy.grad_clip == 4.0
    assert kinds(steps_of(FALLING, norm=4.2), epochs_of(GOOD), SPEC.changed({"strategy.grad_clip": 0})) == []


def test_a_group_that_does_not_move() -> None:
    assert only(steps_of(FALLING, rate=0.0), epochs_of(GOOD)).kind == "idle group"


def test_noise_that_is_larger_than_the_effect() -> None:
    losses = [0.5, 0.6, 0.45, 0.62, 0.44, 0.61, 0.5]
    assert only(steps_of(FALLING[:70]), epochs_of(losses)).kind == "noise"


def test_gaps_are_no_news() -> None:
    steps = steps_of(FALLING)
    steps.loc[::3, ["loss", "grad_norm"]] = np.nan
    assert kinds(steps, epochs_of([np.nan] * 6)) == []


@pytest.mark.parametrize("end", [0.1, 0.5, 0.79, 0.8, 0.81, 0.9, 1.0, 2.0])
def test_the_end_alone_never_changes_the_verdict(end: float, monkeypatch: pytest.MonkeyPatch) -> None:
    shortened = 0
    for seed in range(40):
        draws = np.random.default_rng(seed)
        falls = np.concatenate([np.linspace(1.0, 0.1, 900), np.linspace(0.1, end, 700)])
        loss = falls * draws.normal(1, 0.02 * seed, len(falls))
        if seed % 4 == 0:
            loss[draws.integers(len(loss), size=3)] = np.nan
        steps = pd.DataFrame({"step": np.arange(1.0, len(loss) + 1), "loss": loss})
        shortened += alerts._ends_low(loss)
        found = find_alerts(steps, pd.DataFrame(), RunSpec())
        with monkeypatch.context() as patch:
            patch.setattr(alerts, "_ends_low", lambda loss: False)
            assert found == find_alerts(steps, pd.DataFrame(), RunSpec())
    assert shortened > 0 or end >= 0.79
