"""Predictions of a whole part, by one process and by several that share the rows."""

from __future__ import annotations

import pandas as pd
import pytest
import torch

from molfun.data.batches import Collate, SequenceRows
from molfun.evaluation.predict import predict_table
from molfun.models.precision import Precision
from molfun.models.structure import MolfunStructureModel
from molfun.types import Batch
from tests.tiny import SEQUENCES, tiny_model

CLASSES = {"regression": [], "classification": ["a", "b", "c"], "per_residue": ["a", "b", "c"]}
TARGETS = {
    "regression": [float("nan"), 1.0, 2.0, 3.0, 5.0],
    "classification": [0, 1, 2, 0, 1],
    "per_residue": [[ord(letter) % 3 for letter in s] for s in SEQUENCES],
}


def batches(model: MolfunStructureModel, task: str) -> list[Batch]:
    """Return the five sequences one by one, numbered from 10."""
    alphabet = model.adapter.alphabet
    rows = SequenceRows(
        [list(SEQUENCES)], encoder=alphabet, max_residues=1000, targets=TARGETS[task], row_ids=range(10, 15)
    )
    return [Collate(alphabet, task)([rows[i]]) for i in range(len(rows))]  # type: ignore[arg-type]


@pytest.mark.parametrize("task", list(TARGETS))
def test_shares_of_two_processes_make_the_table_of_one(task: str) -> None:
    model, precision = tiny_model(task), Precision(torch.device("cpu"), amp=False)
    rows = batches(model, task)
    table, scores = predict_table(model, rows, precision, classes=CLASSES[task])
    # The second process has one row less, and a filler in its place.
    shares = [rows[0::2], [*rows[1::2], rows[0].as_filler()]]
    parts: list[object] = []
    predict_table(model, shares[1], precision, classes=CLASSES[task], collect=lambda own: parts.append(own) or [own])
    merged, merged_scores = predict_table(
        model, shares[0], precision, classes=CLASSES[task], collect=lambda own: [own, *parts]
    )
    pd.testing.assert_frame_equal(merged, table)
    assert merged["row_id"].tolist() == [10, 11, 12, 13, 14]
    assert merged_scores == pytest.approx(scores, rel=1e-5, nan_ok=True)


def test_a_row_without_a_target_is_predicted_and_not_scored() -> None:
    model = tiny_model()
    table, scores = predict_table(model, batches(model, "regression"), Precision(torch.device("cpu"), amp=False))
    assert table["target"].isna().tolist() == [True, False, False, False, False]
    assert table["prediction"].notna().all()
    scored = table.dropna()
    assert scores["mae"] == pytest.approx((scored["target"] - scored["prediction"]).abs().mean(), rel=1e-5)
