"""How well each class is found, with 95 % intervals over rows: of rows, or of residues with a label. No torch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from molfun.evaluation.residues import flatten_residues
from molfun.evaluation.scoreboard import FEWEST_ROWS, num_resamples


def score_classes(predictions: pd.DataFrame, task: str, classes: Sequence[str]) -> pd.DataFrame:
    """Return the recall of each class, and its precision and F1.

    Args:
        predictions: As in `score_table`.
        task: "classification" or "per_residue".
        classes: Class names by number.

    Returns:
        `group` (the class), `rows` (with it; residues per residue), `value` (recall), `low` and `high` (95 %, over
        resampled rows), `precision`, `f1`; in the order of the classes, those without any row left out. NaN where fewer
        than 5 rows have the class.
    """
    flat = flatten_residues(predictions, classes) if task == "per_residue" else predictions.reset_index(drop=True)
    if task != "per_residue":
        flat = flat[flat["target"].notna() & flat["prediction"].notna()].reset_index(drop=True)
        flat = flat.assign(place=np.arange(len(flat)))
    index = {name: i for i, name in enumerate(classes)}
    true, chosen = (flat[name].map(str).map(index).to_numpy(dtype=np.int64) for name in ("target", "prediction"))
    size = (int(flat["place"].max()) + 1 if len(flat) else 0, len(classes))
    total, found, hits = (np.zeros(size) for _ in range(3))
    np.add.at(total, (flat["place"], true), 1)
    np.add.at(found, (flat["place"], chosen), 1)
    np.add.at(hits, (flat["place"][true == chosen], true[true == chosen]), 1)
    low, high = _interval(hits, total, num_resamples(len(flat)))
    rows = []
    for i, name in enumerate(classes):
        num, right, said = total[:, i].sum(), hits[:, i].sum(), found[:, i].sum()
        if not num:
            continue
        enough = (total[:, i] > 0).sum() >= FEWEST_ROWS
        recall, precision = right / num, right / said if said else np.nan
        rows.append({
            "group": name, "rows": int(num), "value": recall if enough else np.nan,
            "low": low[i] if enough else np.nan, "high": high[i] if enough else np.nan, "precision": precision,
            "f1": 2 * right / (num + said),
        })  # fmt: skip
    return pd.DataFrame(rows, columns=["group", "rows", "value", "low", "high", "precision", "f1"])


def _interval(hits: np.ndarray, total: np.ndarray, times: int) -> tuple[np.ndarray, np.ndarray]:
    num_rows, num_classes = total.shape
    if not num_rows:
        return np.full(num_classes, np.nan), np.full(num_classes, np.nan)
    dice = np.random.default_rng(0)
    drawn = dice.multinomial(num_rows, np.full(num_rows, 1 / num_rows), size=times)
    there = drawn @ total
    recall = np.divide(drawn @ hits, there, out=np.full(there.shape, np.nan), where=there > 0)
    known = np.where(np.isnan(recall).all(axis=0), 0.0, recall)
    low, high = np.nanquantile(known, [0.025, 0.975], axis=0)
    return low, high
