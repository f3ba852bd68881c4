"""Intervals that cover what they say on rows that were held out, and ensembles."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from molfun.data.settings import ColumnSettings
from molfun.errors import DataError
from molfun.evaluation.conformal import add_intervals, calibrate
from molfun.evaluation.predictor import Predictor
from molfun.evaluation.uncertainty import Ensemble
from molfun.models.precision import Precision
from tests.tiny import SEQUENCES, tiny_model


def numbers(num: int, seed: int) -> pd.DataFrame:
    """Return predictions whose errors are skewed and of different sizes."""
    dice = np.random.default_rng(seed)
    target = dice.normal(size=num)
    return pd.DataFrame({"target": target, "prediction": target + dice.exponential(size=num) * dice.normal(size=num)})


def classes(num: int, seed: int) -> pd.DataFrame:
    """Return predictions of a model that is too sure of itself."""
    dice = np.random.default_rng(seed)
    target = dice.integers(0, 3, num)
    logits = 3 * (dice.normal(size=(num, 3)) + 1.5 * np.eye(3)[target])
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    table = pd.DataFrame({"target": ["abc"[i] for i in target], "prediction": ["abc"[i] for i in shares.argmax(1)]})
    return table.assign(**{f"p_{name}": shares[:, i] for i, name in enumerate("abc")})


@pytest.mark.parametrize("coverage", [0.5, 0.8, 0.9, 0.95])
def test_intervals_cover_what_they_say_on_rows_held_out(coverage: float) -> None:
    shares = []
    for seed in range(40):
        learned = calibrate(numbers(200, seed), "regression", coverage)
        held_out = add_intervals(numbers(500, 1_000 + seed), "regression", learned)
        shares.append(held_out["target"].between(held_out["low"], held_out["high"]).mean())
    # Theory: the mean lies between the coverage and the coverage + 1/201.
    assert coverage - 0.012 < np.mean(shares) < coverage + 0.017


@pytest.mark.parametrize("coverage", [0.8, 0.9])
def test_sets_hold_the_true_class_as_often_as_they_say(coverage: float) -> None:
    shares = []
    for seed in range(40):
        learned = calibrate(classes(200, seed), "classification", coverage)
        held_out = add_intervals(classes(500, 1_000 + seed), "classification", learned)
        shares.append(np.mean([t in s.split() for t, s in zip(held_out["target"], held_out["set"], strict=True)]))
    assert coverage - 0.015 < np.mean(shares) < coverage + 0.02


@pytest.mark.parametrize(
    ("num", "task", "coverage", "message"),
    [
        (19, "regression", 0.8, "need 20 validation rows for a coverage of 80%, and there are 19"),
        (50, "regression", 0.99, "need 99 validation rows for a coverage of 99%, and there are 50"),
        (50, "regression", 1.0, "The coverage is 1; expected a share between 0 and 1"),
        (50, "per_residue", 0.9, "numbers and classes of rows only"),
    ],
)
def test_what_cannot_be_promised_is_refused(num: int, task: str, coverage: float, message: str) -> None:
    with pytest.raises(DataError, match=message):
        calibrate(numbers(num, 0), task, coverage)  # type: ignore[arg-type]


def member(seed: int, task: str = "regression", name: str = "sequence") -> Predictor:
    model = tiny_model(task)
    with torch.no_grad():
        generator = torch.Generator().manual_seed(seed)
        for parameter in model.head.parameters():
            parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator))
    columns = ColumnSettings.parse({"sequence": [name], "target": "y", "task": task})
    names = () if task == "regression" else ("a", "b", "c")
    return Predictor(model, columns, names, precision=Precision(torch.device("cpu"), amp=False))


def test_an_ensemble_is_the_mean_of_its_members_and_tells_their_spread() -> None:
    members = [member(0), member(1, name="protein"), member(2)]
    rows = pd.DataFrame({"sequence": [*SEQUENCES, None]})
    found = Ensemble(members).predict(rows)
    each = np.stack([one.predict(list(SEQUENCES))["prediction"].to_numpy() for one in members])
    assert np.allclose(found["prediction"][:-1], each.mean(axis=0))
    assert np.allclose(found["spread"][:-1], each.std(axis=0, ddof=1))
    assert np.isnan(found["prediction"].iloc[-1])
    assert found["problem"].iloc[-1] == "There is no sequence; fill it in or leave out the row."


def test_a_row_that_one_member_cannot_read_says_why() -> None:
    members = [member(0), member(1)]
    adapter = members[1].model.adapter
    adapter.card = replace(adapter.card, num_residues_limit=20)
    found = Ensemble(members).predict(list(SEQUENCES))
    is_short = np.array([len(sequence) <= 20 for sequence in SEQUENCES])
    assert np.array_equal(found["prediction"].notna(), is_short)
    assert np.array_equal(found["problem"] == "", is_short)
    assert "20" in found["problem"][~is_short].iloc[0]


def test_an_ensemble_of_classes_averages_probabilities() -> None:
    members = [member(seed, "classification") for seed in range(3)]
    seen: list[tuple[int, int]] = []
    found = Ensemble(members).predict([*SEQUENCES, "1"], progress=lambda done, total: seen.append((done, total)))
    each = np.stack([one.predict(list(SEQUENCES))[["p_a", "p_b", "p_c"]].to_numpy() for one in members])
    mean = each.mean(axis=0)
    assert np.allclose(found[["p_a", "p_b", "p_c"]][:-1], mean)
    assert found["prediction"][:-1].tolist() == ["abc"[i] for i in mean.argmax(axis=1)]
    assert found["prediction"].iloc[-1] is None
    assert np.allclose(found["spread"][:-1], each.std(axis=0, ddof=1)[np.arange(5), mean.argmax(axis=1)])
    assert seen[-1] == (5, 5)
    assert seen == sorted(seen)


def test_different_things_are_no_ensemble() -> None:
    with pytest.raises(DataError, match="predict different things"):
        Ensemble([member(0), member(1, "classification")])
    with pytest.raises(DataError, match="numbers and classes of rows only"):
        Ensemble([member(0, "per_residue")])
