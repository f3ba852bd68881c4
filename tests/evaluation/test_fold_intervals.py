"""Intervals of all folds together cover new rows as often as they say; those learned from rows in training do not."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import KFold

from molfun.data.examples import load_example
from molfun.errors import DataError
from molfun.evaluation.fold_intervals import FoldCalibration, calibrate_folds, class_sets, interval_ends

NUM_FOLDS = 5


def rows_of_gb1() -> tuple[np.ndarray, np.ndarray]:
    """Return one-hot residues, float64 [rows, features], and ddG of the variants of GB1."""
    frame = load_example("gb1_stability")
    letters = np.array([list(sequence) for sequence in frame["sequence"]])
    features = (letters[:, :, None] == np.array(sorted(set(letters.ravel())))).reshape(len(frame), -1)
    return features.astype(float), frame["ddg"].to_numpy()


def test_ends_are_those_of_the_paper() -> None:
    # One row a member: CV+ of two folds, worked out by hand for a coverage of 2 in 3.
    learned = FoldCalibration(2 / 3, (np.array([1.0, 4.0]), np.array([2.0, 3.0])))
    low, high = interval_ends(np.array([[10.0, np.nan], [20.0, 20.0]]), learned)
    # 10 - 1, 10 - 4, 20 - 2, 20 - 3 in order: 6, 9, 17, 18; floor(5/3) = 1st. 11, 14, 22, 23; ceil(10/3) = 4th.
    assert (low[0], high[0]) == (6.0, 23.0)


def test_one_member_is_split_conformal() -> None:
    off = np.sort(np.random.default_rng(0).exponential(size=99))
    low, high = interval_ends(np.array([[5.0]]), FoldCalibration(0.9, (off,)))
    assert (5.0 - low[0], high[0] - 5.0) == pytest.approx((off[89], off[89]))
    sets = class_sets(np.array([[[0.7, 0.2, 0.1]]]), FoldCalibration(0.5, (np.array([0.1, 0.5, 0.85]),)))
    assert sets.tolist() == [[True, False, False]]  # the 2nd of 3 scores: probabilities from 0.5 on


def test_measured_proteins_held_out_are_covered() -> None:
    features, target = rows_of_gb1()
    classes = np.where(target > np.median(target), "high", "low")
    found: dict[str, list[list[float]]] = {"numbers": [], "classes": [], "training": []}
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(len(target))
        own, new = order[:300], order[300:]
        numbers, shares, tables, of_classes, fitted = [], [], [], [], []
        for train, test in KFold(NUM_FOLDS, shuffle=True, random_state=seed).split(own):
            train, test = own[train], own[test]
            model = Ridge(1.0, solver="cholesky").fit(features[train], target[train])
            numbers.append(model.predict(features[new]))
            tables.append(pd.DataFrame({"target": target[test], "prediction": model.predict(features[test])}))
            fitted.append(pd.DataFrame({"target": target[train], "prediction": model.predict(features[train])}))
            other = LogisticRegression(max_iter=500).fit(features[train], classes[train])
            shares.append(other.predict_proba(features[new]))
            known = pd.DataFrame(other.predict_proba(features[test]), columns=["p_high", "p_low"])
            of_classes.append(known.assign(target=classes[test], prediction=other.predict(features[test])))
        for name, learned_from in (("numbers", tables), ("training", fitted)):
            ends = [
                interval_ends(np.stack(numbers), calibrate_folds(learned_from, "regression", c)) for c in (0.8, 0.9)
            ]
            found[name].append([((low <= target[new]) & (target[new] <= high)).mean() for low, high in ends])
        sets = [class_sets(np.stack(shares), calibrate_folds(of_classes, "classification", c)) for c in (0.8, 0.9)]
        found["classes"].append([one[np.arange(len(new)), (classes[new] == "low").astype(int)].mean() for one in sets])
    assert np.mean(found["numbers"], axis=0) == pytest.approx([0.8, 0.9], abs=0.03)
    assert np.mean(found["classes"], axis=0) == pytest.approx([0.8, 0.9], abs=0.03)
    assert (np.mean(found["training"], axis=0) < [0.75, 0.85]).all()  # why rows that a member trained on are left out


def test_many_rows_are_thinned_and_few_are_refused() -> None:
    dice = np.random.default_rng(0)
    tables = [pd.DataFrame({"target": dice.normal(size=4_000), "prediction": np.zeros(4_000)}) for _ in range(5)]
    learned = calibrate_folds(tables, "regression", 0.9)
    assert learned.num_rows == 5_000
    low, high = interval_ends(np.zeros((5, 1)), learned)
    assert (low[0], high[0]) == pytest.approx((-1.645, 1.645), abs=0.05)
    with pytest.raises(DataError, match="Intervals need 20 out-of-fold rows for a coverage of 90%, and there are 15"):
        calibrate_folds([table.head(3) for table in tables], "regression", 0.9)
