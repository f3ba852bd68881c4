"""Simple models that a fine-tuned one has to beat, from the mean to a ridge on a frozen trunk. No torch."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
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

logger = logging.getLogger(__name__)

LETTERS = STANDARD_RESIDUES + "X"
MAX_ROWS = 20_000
NEIGHBOURS = 5
RESIDUE_STEPS = 300
# Of one-hot features of training rows, which take up to four minutes and 5 GB: 20,000 long sequences without an
# alignment could have four times as many, and take longer than a run that gives no sign of life may.
MAX_NUMBERS = 100_000_000
RIDGE_ALPHAS = tuple(np.logspace(-2, 4, 13))


@dataclass(frozen=True)
class ResidueStates:
    """States of residues that have a label, in a trunk that nobody trained.

    Attributes:
        train: float32 [n, D], of training rows, drawn ones where there are many.
        labels: Class indices of these, int64 [n].
        test: float32 [m, D], of all test rows, end to end.
    """

    train: np.ndarray
    labels: np.ndarray
    test: np.ndarray


def compute_baselines(dataset: Dataset, *, embeddings: np.ndarray | None = None) -> dict[str, dict[str, float]]:
    """Fit simple models on the training rows and score them on the test rows.

    Args:
        dataset: With training and test rows.
        embeddings: As in `predict_baselines`.

    Returns:
        {baseline: {metric: test score}}. A metric is NaN where it is undefined (the rank correlation of a constant).
        Empty without training or test rows.
    """
    return score_baselines(dataset, predict_baselines(dataset, embeddings=embeddings))


def score_baselines(dataset: Dataset, predictions: Mapping[str, np.ndarray]) -> dict[str, dict[str, float]]:
    """Score what `predict_baselines` returned."""
    test = dataset.part("test")
    targets = _residues(test)[1] if dataset.task == "per_residue" else test["target"].to_numpy()
    return {name: score(targets, preds, dataset.task) for name, preds in predictions.items()}


def predict_baselines(
    dataset: Dataset, *, embeddings: np.ndarray | None = None, states: ResidueStates | None = None
) -> dict[str, np.ndarray]:
    """Fit simple models on the training rows and predict the test rows.

    Args:
        dataset: With training and test rows; of more than 20,000 training rows as many are drawn.
        embeddings: float32 [rows of `dataset.frame`, D], the mean state of each row in an untouched trunk (NaN in rows
            that have none); adds "frozen_embedding".
        states: The same for labels of residues.

    Returns:
        {baseline: numbers or class indices of the test rows; per residue of all labelled residues, end to end}. "mean"
        or "majority" ignores the sequence; "composition" sees residue frequencies and length (per residue: the letter
        alone); "k_mer" sees how often two residues stand side by side; "one_hot" sees the letter at each place, of the
        alignment where the dataset has one, else counted from the first residue, shorter sequences filled up on the
        right (see `pads_right`), and is left out where long rows would make it take minutes; "residue_window" sees each
        residue with five neighbours on both sides. Empty without training or test rows.
    """
    train, test = training_rows(dataset), dataset.part("test")
    if train.empty or test.empty:
        return {}
    if dataset.task == "per_residue":
        return _residue_baselines(dataset.part("train"), test, states)
    targets = train["target"].to_numpy()
    is_number = dataset.task == "regression"
    guess = targets.mean() if is_number else np.bincount(targets.astype(int)).argmax()
    found = {"mean" if is_number else "majority": np.full(len(test), guess)}
    features: dict[str, Callable[[], tuple[np.ndarray, np.ndarray] | None]] = {
        "composition": lambda: (_composition(train, dataset.num_chains), _composition(test, dataset.num_chains)),
        "k_mer": lambda: (_dimers(train, dataset.num_chains), _dimers(test, dataset.num_chains)),
        "one_hot": lambda: _one_hot(dataset, train, test),
    }
    if embeddings is not None and np.isfinite(embeddings[[*train.index, *test.index]]).all():
        features["frozen_embedding"] = lambda: (embeddings[train.index], embeddings[test.index])
    for name, make in features.items():
        if made := make():
            found[name] = _fit_predict(made[0], targets, made[1], dataset.task, scale=name != "one_hot")
    return found


def training_rows(dataset: Dataset) -> pd.DataFrame:
    """Return the training rows that baselines are fitted on: all, or 20,000 that are drawn from them."""
    train = dataset.part("train")
    return train if len(train) <= MAX_ROWS else train.sample(MAX_ROWS, random_state=0).sort_index()


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


def _dimers(frame: pd.DataFrame, num_chains: int) -> np.ndarray:
    """Return float32 [rows, chains * 400]: share of each pair of neighbours among all of a chain."""
    place = np.full(128, len(STANDARD_RESIDUES))
    place[[ord(letter) for letter in STANDARD_RESIDUES]] = np.arange(len(STANDARD_RESIDUES))
    width = len(STANDARD_RESIDUES) + 1
    tables = []
    for i in range(1, num_chains + 1):
        table = np.zeros((len(frame), width, width), dtype=np.float32)
        for row, text in zip(table, frame[f"chain_{i}"], strict=True):
            letters = place[np.frombuffer(text.encode("ascii", "replace"), dtype=np.uint8) & 127]
            np.add.at(row, (letters[:-1], letters[1:]), 1 / max(1, len(letters) - 1))
        tables.append(table[:, :-1, :-1].reshape(len(frame), -1))
    return np.concatenate(tables, axis=1)


def _one_hot(dataset: Dataset, train: pd.DataFrame, test: pd.DataFrame) -> tuple[np.ndarray, np.ndarray] | None:
    """Return float32 [rows, features] of training and test: a column for each letter at each place of training rows.

    None where that would be more numbers than `MAX_NUMBERS`.
    """
    names = [ALIGNED] if ALIGNED in dataset.frame else [f"chain_{i}" for i in range(1, dataset.num_chains + 1)]
    tables = [_letters_at(train[name], int(train[name].str.len().max())) for name in names]
    # Letters that no training row has at a place carry no weight; leaving them out keeps the table small.
    seen = [[(table == letter).any(axis=0) for letter in LETTERS] for table in tables]
    num_features = sum(int(at.sum()) for places in seen for at in places)
    if len(train) * num_features > MAX_NUMBERS:
        logger.info("The one-hot baseline is left out: %d rows and %d features are too many.", len(train), num_features)
        return None
    others = [_letters_at(test[name], table.shape[1]) for name, table in zip(names, tables, strict=True)]
    return _columns(tables, seen), _columns(others, seen)


def _letters_at(chain: pd.Series, width: int) -> np.ndarray:
    """Return the first letters of sequences, <U1 [rows, width], short ones filled up on the right."""
    return np.array([list(text[:width].ljust(width)) for text in chain], dtype="<U1")


def _columns(tables: list[np.ndarray], seen: list[list[np.ndarray]]) -> np.ndarray:
    """Return float32 [rows, features]: whether a letter stands at a place, where training rows have it there."""
    found = [
        table[:, at] == letter
        for table, places in zip(tables, seen, strict=True)
        for letter, at in zip(LETTERS, places, strict=True)
    ]
    return np.concatenate(found, axis=1, dtype=np.float32)


def _residue_baselines(train: pd.DataFrame, test: pd.DataFrame, states: ResidueStates | None) -> dict[str, np.ndarray]:
    """Predict the most frequent class, that of each letter, and by logistic regression on neighbours and states."""
    letters, labels = _residues(train)
    test_letters, test_labels = _residues(test)
    if not len(labels) or not len(test_labels):
        return {}
    majority = np.bincount(labels).argmax()
    by_letter = {letter: np.bincount(labels[letters == letter]).argmax() for letter in np.unique(letters)}
    composition = np.array([by_letter.get(letter, majority) for letter in test_letters])
    found = {"majority": np.full(len(test_labels), majority), "composition": composition}
    found["residue_window"] = _fit_residues(*_drawn(_windows(train), labels), _windows(test))
    if states is not None and len(states.test) == len(test_labels):
        found["frozen_embedding"] = _fit_residues(states.train, states.labels, states.test)
    return found


def _drawn(features: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return all residues, or as many as rows are drawn of large tables."""
    if len(labels) <= MAX_ROWS:
        return features, labels
    chosen = np.sort(np.random.default_rng(0).choice(len(labels), MAX_ROWS, replace=False))
    return features[chosen], labels[chosen]


def _fit_residues(train: np.ndarray, labels: np.ndarray, test: np.ndarray) -> np.ndarray:
    if len(np.unique(labels)) == 1:
        return np.full(len(test), labels[0])
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=RESIDUE_STEPS))
    with warnings.catch_warnings(), threadpool_limits(limits=1):
        # A solver that stops early still is a fair simple model.
        warnings.simplefilter("ignore")
        model.fit(train, labels)
        # A part at a time: scaling copies the features.
        parts = [model.predict(test[i : i + MAX_ROWS]) for i in range(0, len(test), MAX_ROWS)]
    return np.concatenate(parts)


def _windows(rows: pd.DataFrame) -> np.ndarray:
    """Return float32 [labelled residues, 11 * 21]: the letters of each residue and five on both sides, end to end."""
    place = np.full(128, len(LETTERS) - 1)
    place[[ord(letter) for letter in LETTERS]] = np.arange(len(LETTERS))
    one_hot = np.vstack([np.eye(len(LETTERS), dtype=np.float32), np.zeros((1, len(LETTERS)), dtype=np.float32)])
    found = [np.zeros((0, (2 * NEIGHBOURS + 1) * len(LETTERS)), dtype=np.float32)]
    for text, labels in zip(rows["chain_1"], rows["target"], strict=True):
        letters = place[np.frombuffer(text.encode("ascii", "replace"), dtype=np.uint8) & 127]
        # Beyond the ends there is no letter.
        padded = np.pad(letters, NEIGHBOURS, constant_values=len(LETTERS))
        own = np.lib.stride_tricks.sliding_window_view(padded, 2 * NEIGHBOURS + 1)[np.array(labels) != NO_LABEL]
        found.append(one_hot[own].reshape(len(own), -1))
    return np.concatenate(found)


def _residues(rows: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Return (letters, class indices) of all labelled residues, end to end."""
    letters = np.array(list("".join(rows["chain_1"])), dtype="<U1")
    labels = np.array([label for cell in rows["target"] for label in cell], dtype=np.int64)
    return letters[labels != NO_LABEL], labels[labels != NO_LABEL]
