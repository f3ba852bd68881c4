"""Predictions of labels a residue, one row a residue: what scores and pictures of classes read. No torch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd


def flatten_residues(predictions: pd.DataFrame, classes: Sequence[str]) -> pd.DataFrame:
    """Return one row for every residue that has a label.

    Args:
        predictions: `target` and `prediction`: lists of class names of the residues that have a label; also
            `p_<class>` with lists of probabilities where the run wrote them. `row` where there is one.
        classes: Class names by number.

    Returns:
        `place` (row of the table, from 0), `row` (the same where the table has none), `target`, `prediction`, and
        `p_<class>` where every row has as many probabilities as labels. Rows whose lists differ in length are cut to
        the shorter one.
    """
    table = predictions.reset_index(drop=True)
    pairs = [_even(target, prediction) for target, prediction in zip(table["target"], table["prediction"], strict=True)]
    lengths = np.array([len(target) for target, _ in pairs], dtype=np.int64)
    place = np.repeat(np.arange(len(table)), lengths)
    numbers = table["row"].to_numpy() if "row" in table else np.arange(len(table))
    flat = pd.DataFrame({
        "place": place, "row": numbers[place],
        "target": [str(label) for target, _ in pairs for label in target],
        "prediction": [str(label) for _, prediction in pairs for label in prediction],
    })  # fmt: skip
    names = [f"p_{name}" for name in classes]
    if not names or not set(names) <= set(table.columns):
        return flat
    shares = {name: [_list(cell) for cell in table[name]] for name in names}
    if any([len(cell) for cell in cells] != lengths.tolist() for cells in shares.values()):
        return flat
    joined = {name: np.concatenate([np.zeros(0), *cells]).astype(float) for name, cells in shares.items()}
    return flat.assign(**joined)


def _even(target: object, prediction: object) -> tuple[list[str], list[str]]:
    first, second = _list(target), _list(prediction)
    size = min(len(first), len(second))
    return first[:size], second[:size]


def _list(cell: object) -> list[str]:
    return list(cell) if isinstance(cell, list | tuple | np.ndarray) else []


def residue_accuracy(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return `row`, `residues` (with a label), `right` (of these) and `wrong_share` of every row, in their order.

    Args:
        predictions: `row`, `target`, `prediction`, lists as in `flatten_residues`.
    """
    pairs = [_even(target, prediction)
             for target, prediction in zip(predictions["target"], predictions["prediction"], strict=True)]  # fmt: skip
    num = np.array([len(target) for target, _ in pairs], dtype=np.int64)
    right = np.array([sum(str(a) == str(b) for a, b in zip(*pair, strict=True)) for pair in pairs], dtype=np.int64)
    wrong = np.divide(num - right, num, out=np.full(len(num), np.nan), where=num > 0)
    return pd.DataFrame({"row": predictions["row"].to_numpy(), "residues": num, "right": right, "wrong_share": wrong})


def aligned_labels(predicted: Sequence[str], known: Sequence[int], no_label: int) -> str:
    """Return labels written under a sequence, "." at residues without one; "" where they do not fit.

    Args:
        predicted: Labels of the residues that have one, in their order.
        known: Class index of every residue, `no_label` where it has none.
        no_label: What stands there.
    """
    has_label = [label != no_label for label in known]
    if sum(has_label) != len(predicted) or any(len(str(label)) != 1 for label in predicted):
        return ""
    labels = iter(predicted)
    return "".join(str(next(labels)) if has else "." for has in has_label)
