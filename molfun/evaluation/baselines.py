"""Simple models that a fine-tuned one has to beat: majority or mean, composition, one-hot. scikit-learn, no torch."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import pearsonr, spearmanr
from sklearn import metrics
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from molfun.adapters.alphabet import STANDARD_RESIDUES
from molfun.data.dataset import Dataset
from molfun.data.labels import NO_LABEL
from molfun.data.rows import ALIGNED

LETTERS = STANDARD_RESIDUES + "X"
RIDGE_ALPHAS = tuple(np.logspace(-2, 4, 13))


def compute_baselines(dataset: Dataset) -> dict[str, dict[str, float]]:
    """Fit simple models on the training rows and score them on the test rows.

    Args:
        dataset: With training and test rows.

    Returns:
        {baseline: {metric: test score}}. "mean" or "majority" ignores the sequence; "composition" sees residue
        frequencies and length (per residue: the letter alone); "one_hot" sees the letter at each place, of the
        alignment where the dataset has one, else counted from the first residue, shorter sequences filled up on the
        right (see `pads_right`). A metric is NaN where it is undefined (the rank correlation of a constant). Empty
        without training or test rows.
    """
    train, test = dataset.part("train"), dataset.part("test")
    if train.empty or test.empty:
        return {}
    if dataset.task == "per_residue":
        return _residue_baselines(train, test)
    constant = "mean" if dataset.task == "regression" else "majority"
    targets = train["target"].to_numpy()
    guess = targets.mean() if dataset.task == "regression" else np.bincount(targets.astype(int)).argmax()
    scores = {constant: score(test["target"].to_numpy(), np.full(len(test), guess), dataset.task)}
    features = {"composition": _composition(dataset.frame, dataset.num_chains), "one_hot": _one_hot(dataset)}
    for name, table in features.items():
        preds = _fit_predict(table[train.index], targets, table[test.index], dataset.task, scale=name == "composition")
        scores[name] = score(test["target"].to_numpy(), preds, dataset.task)
    return scores


def pads_right(dataset: Dataset) -> bool:
    """Tell whether the one-hot baseline fills sequences up on the right: unequal lengths and no alignment.

    Its places then mean little, which should be said beside its score.
    """
    if ALIGNED in dataset.frame or dataset.task == "per_residue":
        return False
    chains = [dataset.frame[f"chain_{i}"] for i in range(1, dataset.num_chains + 1)]
    return any(chain.str.len().nunique() > 1 for chain in chains)


def score(targets: np.ndarray, preds: np.ndarray, task: str) -> dict[str, float]:
    """Score predictions.

    Args:
        targets: Numbers [N], or class indices [N].
        preds: The same of the model.
        task: "regression", "classification" or "per_residue".

    Returns:
        {metric: value}; NaN where a metric is undefined.
    """
    if task == "regression":
        return _regression_scores(targets.astype(float), preds.astype(float))
    with warnings.catch_warnings():
        # Classes that the test rows lack are no fault here.
        warnings.simplefilter("ignore")
        return {
            "balanced_accuracy": float(metrics.balanced_accuracy_score(targets, preds)),
            "accuracy": float(metrics.accuracy_score(targets, preds)),
            "mcc": float(metrics.matthews_corrcoef(targets, preds)),
            "macro_f1": float(metrics.f1_score(targets, preds, average="macro")),
        }


def _regression_scores(targets: np.ndarray, preds: np.ndarray) -> dict[str, float]:
    ranked = len(targets) > 1 and np.ptp(targets) > 0 and np.ptp(preds) > 0
    return {
        "spearman": float(spearmanr(targets, preds).statistic) if ranked else float("nan"),
        "pearson": float(pearsonr(targets, preds).statistic) if ranked else float("nan"),
        "rmse": float(metrics.root_mean_squared_error(targets, preds)),
        "mae": float(metrics.mean_absolute_error(targets, preds)),
        "r2": float(metrics.r2_score(targets, preds)) if len(targets) > 1 else float("nan"),
    }


def _fit_predict(train: np.ndarray, targets: np.ndarray, test: np.ndarray, task: str, *, scale: bool) -> np.ndarray:
    """Fit ridge regression (strength by leave-one-out) or logistic regression, and predict."""
    if task != "regression" and len(np.unique(targets)) == 1:
        return np.full(len(test), targets[0])
    model: Any = RidgeCV(alphas=RIDGE_ALPHAS) if task == "regression" else LogisticRegression(max_iter=2000)
    model = make_pipeline(StandardScaler(), model) if scale else model
    # One thread: on a busy machine the spinning of BLAS threads makes these small fits a hundred times slower.
    with warnings.catch_warnings(), threadpool_limits(limits=1):
        # A solver that stops early still is a fair simple model.
        warnings.simplefilter("ignore")
        return np.asarray(model.fit(train, targets).predict(test))


def _composition(frame: pd.DataFrame, num_chains: int) -> np.ndarray:
    """Return float [rows, chains * 22]: frequency of each letter, and length."""
    columns = []
    for i in range(1, num_chains + 1):
        chain = frame[f"chain_{i}"]
        length = chain.str.len().to_numpy(dtype=float)
        counts = [chain.str.count(letter).to_numpy(dtype=float) / np.maximum(length, 1) for letter in LETTERS]
        columns += [*counts, length]
    return np.stack(columns, axis=1)


def _one_hot(dataset: Dataset) -> np.ndarray:
    """Return float32 [rows, features]: one column for each letter at each place that training rows have."""
    names = [ALIGNED] if ALIGNED in dataset.frame else [f"chain_{i}" for i in range(1, dataset.num_chains + 1)]
    train = (dataset.frame["split"] == "train").to_numpy()
    tables = [_one_hot_chain(dataset.frame[name], train) for name in names]
    return np.concatenate(tables, axis=1)


def _one_hot_chain(chain: pd.Series, train: np.ndarray) -> np.ndarray:
    width = int(chain.str.len()[train].max())
    letters = np.array([list(text[:width].ljust(width)) for text in chain], dtype="<U1")
    # Letters that no training row has at a place carry no weight; leaving them out keeps the table small.
    columns = [letters == letter for letter in LETTERS]
    seen = [table[:, table[train].any(axis=0)] for table in columns]
    return np.concatenate(seen, axis=1).astype(np.float32)


def _residue_baselines(train: pd.DataFrame, test: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Score the most frequent class, and the most frequent class of each letter."""
    letters, labels = _residues(train)
    test_letters, test_labels = _residues(test)
    if not len(labels) or not len(test_labels):
        return {}
    majority = np.bincount(labels).argmax()
    by_letter = {letter: np.bincount(labels[letters == letter]).argmax() for letter in np.unique(letters)}
    composition = np.array([by_letter.get(letter, majority) for letter in test_letters])
    return {
        "majority": score(test_labels, np.full(len(test_labels), majority), "per_residue"),
        "composition": score(test_labels, composition, "per_residue"),
    }


def _residues(rows: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Return (letters, class indices) of all labelled residues, end to end."""
    letters = np.array(list("".join(rows["chain_1"])), dtype="<U1")
    labels = np.array([label for cell in rows["target"] for label in cell], dtype=np.int64)
    return letters[labels != NO_LABEL], labels[labels != NO_LABEL]
