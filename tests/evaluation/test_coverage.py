"""Promised coverage is counted as it is: kept on rows alike, broken on others, and never promised from too few rows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression, Ridge

from molfun.data.examples import load_example
from molfun.evaluation.conformal import add_intervals, calibrate
from molfun.evaluation.coverage import COVERAGES, coverage_table, verdict
from tests.evaluation.test_uncertainty import classes, numbers


def test_counts_intervals_and_sizes_are_worked_out_by_hand() -> None:
    validation = pd.DataFrame({"target": np.arange(1.0, 40.0), "prediction": np.zeros(39)})
    test = pd.DataFrame({"target": [0.0, 31.5, 32.5, -20.0, np.nan], "prediction": [0.0] * 5})
    (row,) = coverage_table(validation, test, "regression", [0.8]).to_dict("records")
    # The 32nd of 39 errors (0.8 times 40) is 32: three of the four rows with a value lie within.
    assert (row["inside"], row["rows"], row["size"]) == (3, 4, 64.0)
    assert (row["low"], row["high"]) == pytest.approx((0.1941, 0.9937), abs=1e-4)  # Clopper and Pearson's table
    assert (row["least"], row["most"]) == (0.25, 1.0)


def test_classes_are_counted_by_their_sets() -> None:
    table = coverage_table(classes(200, 0), classes(500, 1), "classification")
    assert table["size"].between(1, 3).all()
    assert (table["low"] < table["inside"] / table["rows"]).all()
    assert table["size"].is_monotonic_increasing


@pytest.mark.parametrize(("make", "task"), [(numbers, "regression"), (classes, "classification")])
def test_counts_lie_where_chance_puts_them_as_often_as_told(make, task: str) -> None:
    all_inside = []
    for seed in range(80):
        table = coverage_table(make(60, seed), make(200, 1_000 + seed), task)
        all_inside.append((table["inside"] / table["rows"]).between(table["least"], table["most"]).all())
    assert np.mean(all_inside) >= 0.92
    assert (table["most"] - table["least"] < 0.35).all()


def test_rows_unlike_the_validation_rows_break_the_promise_and_that_is_said() -> None:
    far = numbers(300, 1).assign(prediction=lambda table: table["prediction"] + 3.0)
    table = coverage_table(numbers(200, 0), far, "regression")
    assert (table["inside"] / table["rows"] < table["least"]).all()
    assert "hold fewer test rows than they promise, more than chance explains, at 80% and 90% and 95%" in verdict(
        table, 200
    )
    assert "too wide here" in verdict(coverage_table(far, numbers(300, 2), "regression"), 300)


def test_too_few_validation_rows_promise_nothing() -> None:
    table = coverage_table(numbers(12, 0), numbers(50, 1), "regression")
    assert table["problem"].str.contains("need 20 validation rows .*, and there are 12", regex=True).all()
    assert verdict(table, 12) == ""


def test_intervals_of_a_simple_model_on_measured_proteins_cover_what_they_say() -> None:
    frame = load_example("gb1_stability")
    letters = np.array([list(sequence) for sequence in frame["sequence"]])
    features = (letters[:, :, None] == np.array(sorted(set(letters.ravel())))).reshape(len(frame), -1).astype(float)
    target, dice = frame["ddg"].to_numpy(), np.random.default_rng(0)
    unstable = np.where(target > np.median(target), "high", "low")
    shares: dict[str, list[pd.Series]] = {"regression": [], "classification": []}
    for _ in range(8):
        train, val, test = np.split(dice.permutation(len(frame)), [400, 600])
        model = Ridge(3.0).fit(features[train], target[train])
        parts = [
            pd.DataFrame({"target": target[part], "prediction": model.predict(features[part])}) for part in (val, test)
        ]
        table = coverage_table(*parts, "regression")
        shares["regression"].append(table["inside"] / table["rows"])
        other = LogisticRegression(max_iter=500).fit(features[train], unstable[train])
        parts = [
            pd.DataFrame(other.predict_proba(features[part]), columns=["p_high", "p_low"]).assign(
                target=unstable[part], prediction=other.predict(features[part])
            )
            for part in (val, test)
        ]
        table = coverage_table(*parts, "classification")
        shares["classification"].append(table["inside"] / table["rows"])
    for found in shares.values():
        assert np.mean(found, axis=0) == pytest.approx(COVERAGES, abs=0.03)


def test_a_class_as_likely_as_the_edge_is_listed() -> None:
    # 1 - (1 - 0.3) is more than 0.3 in floating point.
    rows = pd.DataFrame({"target": ["b"] * 20, "prediction": ["a"] * 20, "p_a": [0.7] * 20, "p_b": [0.3] * 20})
    (found,) = coverage_table(rows, rows, "classification", [0.9]).to_dict("records")
    assert (found["inside"], found["size"]) == (20, 2.0)
    assert set(add_intervals(rows, "classification", calibrate(rows, "classification", 0.9))["set"]) == {"a b"}
