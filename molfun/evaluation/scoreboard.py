"""Scores of predictions on test rows with 95 % intervals: over all rows, and over groups of them. No torch.

Intervals are percentiles over resamples of rows (Efron and Tibshirani 1993, An Introduction to the Bootstrap).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from molfun.data.settings import METRICS_OF_TASK, PRIMARY_METRIC
from molfun.evaluation.residues import flatten_residues

Values = NDArray[Any]
NUM_RESAMPLES, FEWEST_RESAMPLES = 500, 50
MAX_CELLS = 2_000_000  # rows times resamples: some seconds
TOP_SHARE = 0.1
NUM_BINS = 10
FEWEST_ROWS = 5  # of a group that gets a score
HIGHER, LOWER = "higher", "lower"
BETTER: dict[str, str] = {
    "spearman": HIGHER, "pearson": HIGHER, "rmse": LOWER, "mae": LOWER, "r2": HIGHER, "ndcg": HIGHER,
    "enrichment": HIGHER, "balanced_accuracy": HIGHER, "accuracy": HIGHER, "mcc": HIGHER, "macro_f1": HIGHER,
    "auroc": HIGHER, "auprc": HIGHER, "calibration_error": LOWER, "lddt": HIGHER, "tm_score": HIGHER,
    "gdt_ts": HIGHER, "rmsd": LOWER,
}  # fmt: skip


def score_table(
    predictions: pd.DataFrame, task: str, classes: Sequence[str], *, top_share: float = TOP_SHARE
) -> pd.DataFrame:
    """Score predictions by every metric of a task.

    Args:
        predictions: Of structures their scores, a column a metric; else `target`, `prediction`: numbers, class names,
            or lists of class names of the residues that have a label; for classes also `p_<class>` with probabilities,
            lists of them a residue.
        task: "regression", "classification", "per_residue" or "structure".
        classes: Class names; empty where there are none.
        top_share: Of the rows, which count as the best ones for the enrichment.

    Returns:
        A table with the metric as index and `value`, `low`, `high` (95 %, NaN with fewer than 5 rows), `better`
        ("higher" or "lower"). A metric that is undefined is NaN. `attrs["resamples"]` tells over how many resamples of
        the rows intervals are taken.
    """
    known = _known(predictions, task)
    score, num_items = _scorer(known, task, classes, top_share)
    num_rows = len(known)
    values = score(np.arange(num_rows)) if num_rows else dict.fromkeys(_names(task), np.nan)
    low, high = _interval(score, num_rows, num_items)
    rows = {name: (value, low.get(name, np.nan), high.get(name, np.nan), BETTER[name])
            for name, value in values.items()}  # fmt: skip
    table = pd.DataFrame.from_dict(rows, orient="index", columns=["value", "low", "high", "better"])
    table.attrs["resamples"] = num_resamples(num_items)
    return table


def score_groups(
    predictions: pd.DataFrame, groups: Sequence[str], task: str, classes: Sequence[str], *, metric: str = ""
) -> pd.DataFrame:
    """Score groups of rows by one metric.

    Args:
        predictions: As in `score_table`.
        groups: Group of each row, in an order of its own if it is categorical.
        task: As there.
        classes: As there.
        metric: "" takes the one by which people judge the task.

    Returns:
        `group`, `rows`, `value`, `low`, `high`; groups with fewer than 5 rows have NaN.
    """
    name = metric or PRIMARY_METRIC[task]
    labels = pd.Series(pd.Categorical(groups, categories=list(dict.fromkeys(groups))), index=predictions.index)
    found = []
    for group in labels.cat.categories:
        rows = predictions[labels == group]
        row = {"group": group, "rows": len(rows), "value": np.nan, "low": np.nan, "high": np.nan}
        if len(rows) >= FEWEST_ROWS:
            table = score_table(rows, task, classes)
            row |= {column: float(table.loc[name, column]) for column in ("value", "low", "high")}
        found.append(row)
    return pd.DataFrame(found, columns=["group", "rows", "value", "low", "high"])


def threshold_curves(targets: Values, shares: Values) -> dict[int, pd.DataFrame]:
    """Return how each class is told from the others at every threshold on its share.

    Args:
        targets: Class indices, int [n].
        shares: Predicted shares, float64 [n, classes].

    Returns:
        By class index, of those that some rows have and some have not (of two classes, the second only): `threshold`
        falling from infinity, `recall` (true positive rate), `false_positive_rate`, `precision` (NaN where no row is
        chosen). Equal shares are one threshold.
    """
    num_classes = shares.shape[1]
    present = [i for i in range(num_classes) if 0 < (targets == i).sum() < len(targets)]
    return {i: _threshold_curve(targets == i, shares[:, i]) for i in (present if num_classes > 2 else present[-1:])}


def _threshold_curve(is_class: Values, shares: Values) -> pd.DataFrame:
    order = np.argsort(-shares, kind="stable")
    falling, right = shares[order], np.cumsum(is_class[order])
    last_of_equal = np.flatnonzero(np.r_[np.diff(falling) != 0, True])
    chosen, hits = np.r_[0, last_of_equal + 1], np.r_[0, right[last_of_equal]]
    precision = np.divide(hits, chosen, out=np.full(len(chosen), np.nan), where=chosen > 0)
    num_class = int(is_class.sum())
    return pd.DataFrame({
        "threshold": np.r_[np.inf, falling[last_of_equal]], "recall": hits / num_class,
        "false_positive_rate": (chosen - hits) / (len(is_class) - num_class), "precision": precision,
    })  # fmt: skip


def _names(task: str) -> tuple[str, ...]:
    if task == "regression":
        return ("spearman", "pearson", "rmse", "mae", "r2", "ndcg", "enrichment")
    if task == "structure":
        return METRICS_OF_TASK[task]
    plain = ("balanced_accuracy", "accuracy", "mcc", "macro_f1")
    return plain if task == "per_residue" else (*plain, "auroc", "auprc", "calibration_error")


def _known(predictions: pd.DataFrame, task: str) -> pd.DataFrame:
    """Return the rows that have a target and a prediction."""
    table = predictions.reset_index(drop=True)
    if task == "structure":
        numbers = table[list(METRICS_OF_TASK[task])].apply(pd.to_numeric, errors="coerce")
        return table.assign(**numbers)[np.isfinite(numbers).all(axis=1)].reset_index(drop=True)
    if task == "regression":
        numbers = table[["target", "prediction"]].apply(pd.to_numeric, errors="coerce")
        return table.assign(**numbers)[np.isfinite(numbers).all(axis=1)].reset_index(drop=True)
    return table[table["target"].notna() & table["prediction"].notna()].reset_index(drop=True)


def _interval(
    score: Callable[[Values], Mapping[str, float]], num_rows: int, num_items: int
) -> tuple[dict[str, float], dict[str, float]]:
    if num_rows < FEWEST_ROWS:
        return {}, {}
    dice = np.random.default_rng(0)
    drawn = pd.DataFrame([score(dice.integers(0, num_rows, num_rows)) for _ in range(num_resamples(num_items))])
    known = drawn.columns[drawn.notna().mean() > 0.5]
    low, high = (drawn[known].quantile(q) for q in (0.025, 0.975))
    return low.to_dict(), high.to_dict()


def num_resamples(num_rows: int) -> int:
    """Return over how many resamples of so many rows an interval is taken."""
    return int(np.clip(MAX_CELLS // max(1, num_rows), FEWEST_RESAMPLES, NUM_RESAMPLES))


def _scorer(
    table: pd.DataFrame, task: str, classes: Sequence[str], top_share: float
) -> tuple[Callable[[Values], dict[str, float]], int]:
    """Return a function of row numbers, which may repeat, that gives every metric; and how many items it looks at."""
    if task == "structure":
        scores = {name: table[name].to_numpy(dtype=float) for name in METRICS_OF_TASK[task]}
        return lambda rows: {name: float(values[rows].mean()) for name, values in scores.items()}, len(table)
    if task == "regression":
        targets, preds = (table[name].to_numpy(dtype=float) for name in ("target", "prediction"))
        return lambda rows: _score_numbers(targets[rows], preds[rows], top_share), len(table)
    if task == "per_residue":
        flat = flatten_residues(table, classes)
        # Residues of one protein are alike: whole rows are drawn, with all of their residues.
        ends = np.searchsorted(flat["place"].to_numpy(), np.arange(len(table) + 1))
        of_residues = _scorer_of_classes(flat, classes)
        return lambda rows: of_residues(_ranges(ends[:-1][rows], np.diff(ends)[rows])), len(flat)
    return _scorer_of_classes(table, classes), len(table)


def _ranges(starts: Values, lengths: Values) -> Values:
    """Return the numbers start, start + 1, ... of every range, end to end."""
    before = np.cumsum(lengths) - lengths
    return np.repeat(starts - before, lengths) + np.arange(lengths.sum())


def _scorer_of_classes(table: pd.DataFrame, classes: Sequence[str]) -> Callable[[Values], dict[str, float]]:
    place = {name: i for i, name in enumerate(classes)}
    targets, preds = (table[name].map(str).map(place).to_numpy() for name in ("target", "prediction"))
    names = [f"p_{name}" for name in classes]
    shares = table[names].to_numpy(dtype=float) if set(names) <= set(table.columns) else None
    size = len(classes)

    def score(rows: Values) -> dict[str, float]:
        confusion = np.bincount(targets[rows] * size + preds[rows], minlength=size * size).reshape(size, size)
        found = _score_confusion(confusion)
        if shares is not None:
            found |= _score_shares(targets[rows], shares[rows])
        return found

    return score


def _score_numbers(targets: Values, preds: Values, top_share: float) -> dict[str, float]:
    error = preds - targets
    spread = ((targets - targets.mean()) ** 2).sum()
    return {
        "spearman": _correlation(_ranks(targets), _ranks(preds)), "pearson": _correlation(targets, preds),
        "rmse": float(np.sqrt((error**2).mean())), "mae": float(np.abs(error).mean()),
        "r2": float(1 - (error**2).sum() / spread) if spread > 0 else float("nan"),
        "ndcg": ndcg(targets, preds), "enrichment": enrichment(targets, preds, top_share),
    }  # fmt: skip


def _ranks(values: Values) -> Values:
    _, group, counts = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(counts) - (counts - 1) / 2)[group])


def _correlation(first: Values, second: Values) -> float:
    first, second = first - first.mean(), second - second.mean()
    size = np.sqrt((first**2).sum() * (second**2).sum())
    return float((first * second).sum() / size) if size > 0 else float("nan")


def ndcg(targets: Values, preds: Values) -> float:
    """Return the normalised discounted cumulative gain of the order that predictions give.

    The gain of a row is its target, moved and scaled to [0, 1]; equal predictions share the mean gain of theirs.
    Source: Järvelin and Kekäläinen 2002, ACM Trans. Inf. Syst. 20:422.
    """
    reach = np.ptp(targets)
    if len(targets) < 2 or reach == 0:
        return float("nan")
    gains = (targets - targets.min()) / reach
    discounts = 1 / np.log2(np.arange(len(targets)) + 2)
    _, group = np.unique(-preds, return_inverse=True)
    mean = np.bincount(group, gains) / np.bincount(group)
    own = (mean[np.sort(group)] * discounts).sum()
    return float(own / (np.sort(gains)[::-1] * discounts).sum())


def enrichment(targets: Values, preds: Values, share: float = TOP_SHARE) -> float:
    """Return how many more of the best rows are among the best predicted than chance would put there.

    The share of the truly best 10 % among the 10 % predicted best, divided by 10 %: 1 is chance, 10 is perfect. Rows of
    equal values share the places that are left, as if they were drawn: their order in the table says nothing.

    Args:
        targets: float64 [n], higher is better.
        preds: The same of the model.
        share: Of the rows, which count as the best.
    """
    num_top = max(1, round(share * len(targets)))
    if len(targets) < 2 or np.ptp(targets) == 0:
        return float("nan")
    best, chosen = (_chances(values, num_top) for values in (targets, preds))
    return float(best @ chosen) / num_top / (num_top / len(targets))


def _chances(values: Values, num_top: int) -> Values:
    """Return the chance of each row to be among the highest `num_top`, float64 [n]: 1, 0, or between for equal ones."""
    last = np.partition(values, len(values) - num_top)[len(values) - num_top]
    above, equal = values > last, values == last
    return above + equal * ((num_top - above.sum()) / equal.sum())


def _score_confusion(counts: Values) -> dict[str, float]:
    """Return metrics of a confusion table, true classes by rows; classes without any row count for nothing."""
    true, predicted, right, total = counts.sum(axis=1), counts.sum(axis=0), np.diag(counts), counts.sum()
    if not total:
        return dict.fromkeys(("balanced_accuracy", "accuracy", "mcc", "macro_f1"), float("nan"))
    there, used = true > 0, (true + predicted) > 0
    covariance = right.sum() * total - true @ predicted
    size = np.sqrt((total**2 - predicted @ predicted) * (total**2 - true @ true))
    return {
        "balanced_accuracy": float((right[there] / true[there]).mean()), "accuracy": float(right.sum() / total),
        "mcc": float(covariance / size) if size > 0 else 0.0,
        "macro_f1": float((2 * right[used] / (true + predicted)[used]).mean()),
    }  # fmt: skip


def _score_shares(targets: Values, shares: Values) -> dict[str, float]:
    present = [i for i in range(shares.shape[1]) if 0 < (targets == i).sum() < len(targets)]
    pairs = [(targets == i, shares[:, i]) for i in (present if shares.shape[1] > 2 else present[-1:])]
    return {
        "auroc": float(np.mean([auroc(*pair) for pair in pairs])) if pairs else float("nan"),
        "auprc": float(np.mean([average_precision(*pair) for pair in pairs])) if pairs else float("nan"),
        "calibration_error": calibration_error(targets, shares),
    }  # fmt: skip


def auroc(is_class: Values, shares: Values) -> float:
    """Return the chance that a row of a class gets a higher share than one of another (Hanley and McNeil 1982).

    Args:
        is_class: bool [n], with both values.
        shares: float64 [n].
    """
    num = int(is_class.sum())
    return float((_ranks(shares)[is_class].sum() - num * (num + 1) / 2) / (num * (len(is_class) - num)))


def average_precision(is_class: Values, shares: Values) -> float:
    """Return the area under the curve of precision against recall, as a sum of steps; arguments as in `auroc`."""
    _, group = np.unique(-shares, return_inverse=True)
    right, drawn = np.cumsum(np.bincount(group, is_class)), np.cumsum(np.bincount(group))
    return float((np.diff(right, prepend=0) * right / drawn).sum() / is_class.sum())


def calibration_error(targets: Values, shares: Values) -> float:
    """Return by how much the probability of the predicted class is off on average, in ten bins of it.

    Source: expected calibration error, Guo et al. 2017, arXiv:1706.04599.
    """
    table = calibration_table(targets, shares)
    return float((table["rows"] * (table["confidence"] - table["accuracy"]).abs()).sum() / max(1, table["rows"].sum()))


def calibration_table(targets: Values, shares: Values) -> pd.DataFrame:
    """Return `confidence`, `accuracy` and `rows` of each tenth of the predicted class's probability that has rows."""
    confidence, right = shares.max(axis=1), shares.argmax(axis=1) == targets
    place = np.minimum((confidence * NUM_BINS).astype(int), NUM_BINS - 1)
    rows = np.bincount(place, minlength=NUM_BINS)
    sums = [np.bincount(place, values, minlength=NUM_BINS) for values in (confidence, right.astype(float))]
    used = rows > 0
    return pd.DataFrame({
        "confidence": sums[0][used] / rows[used], "accuracy": sums[1][used] / rows[used], "rows": rows[used],
    })  # fmt: skip
