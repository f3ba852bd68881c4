"""What is said of one test row: its error in words, and labels under the sequence."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from molfun.data.dataset import Dataset, save_dataset
from molfun.data.settings import ColumnSettings, SplitSettings
from molfun.ui.row_panels import _said, _under

SEQS = ["MKTAYIAKQR", "EVQLVESGGG", "GSHMLEDPVD"] * 4


def dataset(root: Path, cells: list[object], task: str) -> Dataset:
    frame = pd.DataFrame({"seq": SEQS, "y": cells})
    columns = ColumnSettings.parse({"sequence": ["seq"], "target": "y", "task": task})
    return save_dataset(root, frame, columns, SplitSettings(), name="t")


@pytest.mark.parametrize(
    ("task", "cells", "found", "said"),
    [
        ("regression", [1.5, 2.5, 3.5] * 4, {"target": 1.5, "prediction": 1.25},
         "true 1.5, predicted 1.25, off by -0.25."),
        ("classification", ["a", "b", "a"] * 4, {"target": "a", "prediction": "b", "p_a": 0.25, "p_b": 0.75},
         "true a, predicted b, 75% sure."),
        ("classification", ["a", "b", "a"] * 4, {"target": "a", "prediction": "b"}, "true a, predicted b."),
        ("per_residue", ["HHHHHCCCCC", "CCCCCHHHHH", "HHHHHCCCCC"] * 4,
         {"target": list("HHC"), "prediction": list("HCC")}, "1 of 3 residues with a label are wrong."),
    ],
)  # fmt: skip
def test_an_error_is_said_in_words(
    tmp_path: Path, task: str, cells: list[object], found: dict[str, object], said: str
) -> None:
    assert _said(pd.Series(found), dataset(tmp_path, cells, task)) == said


def test_labels_stand_under_the_sequence_with_marks_of_wrong_ones() -> None:
    own = pd.Series({"target": [0, 0, -1, 1]})
    lines = _under(own, pd.Series({"target": list("HHC"), "prediction": list("HCC")}))
    assert lines == ["HH.C  true", "HC.C  predicted", " ^    wrong"]
    assert _under(own, pd.Series({"target": ["helix"] * 3, "prediction": ["coil"] * 3})) == []
