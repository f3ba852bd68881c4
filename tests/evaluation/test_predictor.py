"""Prediction: every row has a prediction or a reason, whatever the order and the size of batches."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from molfun.data.settings import ColumnSettings, Task
from molfun.errors import DataError
from molfun.evaluation.predictor import Predictor
from molfun.models.precision import Precision
from molfun.types import Batch
from tests.tiny import SEQUENCES, tiny_model


def predictor(task: Task = "regression", *, num_chains: int = 1, max_tokens: int = 8192, **columns: str) -> Predictor:
    names = ["sequence", "light"][:num_chains]
    settings = ColumnSettings.parse({"sequence": names, "target": "y", "task": task, **columns})
    classes = () if task == "regression" else ("a", "b", "c")
    precision = Precision(torch.device("cpu"), amp=False)
    model = tiny_model(task, num_chains=num_chains)
    return Predictor(model, settings, classes, precision=precision, max_tokens=max_tokens)


def test_every_row_has_a_prediction_or_a_reason() -> None:
    frame = pd.DataFrame({"sequence": ["MKTAYIAKQR", None, "MK1A", " mktayiakqr ", "A" * 3000]}, index=[3, 5, 7, 9, 11])
    table = predictor().predict(frame)
    assert table.index.tolist() == [3, 5, 7, 9, 11]
    assert np.isfinite(table["prediction"]).tolist() == [True, False, False, True, False]
    assert table["prediction"].iloc[0] == table["prediction"].iloc[3]
    assert table["problem"].iloc[1] == "There is no sequence; fill it in or leave out the row."
    assert "'1'" in table["problem"].iloc[2]
    assert "The sequence has 3000 residues" in table["problem"].iloc[4]
    cropped = predictor(too_long="crop").predict(frame)
    assert np.isfinite(cropped["prediction"].iloc[4])


def test_one_sequence_is_one_row_and_not_its_letters() -> None:
    own = predictor()
    pd.testing.assert_frame_equal(own.predict(SEQUENCES[0]), own.predict([SEQUENCES[0]]))


@pytest.mark.parametrize("task", ["regression", "classification", "per_residue"])
def test_batches_change_no_prediction(task: Task) -> None:
    one, many = (predictor(task, max_tokens=size).predict(list(SEQUENCES) * 3) for size in (1, 8192))
    for sequence, first, second in zip(list(SEQUENCES) * 3, one["prediction"], many["prediction"], strict=True):
        if task == "regression":
            assert first == pytest.approx(second, abs=1e-5)
        else:
            assert first == second
        if task == "per_residue":
            assert len(first) == len(sequence)
    if task == "classification":
        names = ["p_a", "p_b", "p_c"]
        assert np.allclose(one[names], many[names], atol=1e-6)
        assert np.allclose(one[names].sum(axis=1), 1)


def test_a_batch_that_does_not_fit_is_halved(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    own = predictor()
    rows = [sequence[first:] for sequence in SEQUENCES for first in range(4)]
    expected = own.predict(rows)
    forward = own.model.forward

    def small_memory(batch: object) -> object:
        asked.append(batch.row_ids.numel())  # type: ignore[attr-defined]
        if asked[-1] > 3:
            raise torch.OutOfMemoryError
        return forward(batch)  # type: ignore[arg-type]

    monkeypatch.setattr(own.model, "forward", small_memory)
    progress: list[tuple[int, int]] = []
    found = own.predict(rows, progress=lambda done, total: progress.append((done, total)))
    assert np.allclose(found["prediction"], expected["prediction"], atol=1e-5)
    assert asked[0] == 20
    assert asked[-1] <= 3
    assert progress[-1] == (20, 20)


def test_chains_are_found_by_their_columns() -> None:
    pair = pd.DataFrame({"light": ["MKTAY"], "sequence": ["AAAA"], "id": ["x"]})
    assert np.isfinite(predictor(num_chains=2).predict(pair)["prediction"]).all()
    with pytest.raises(DataError, match="has no column 'light', which the model reads; its columns are: sequence, id"):
        predictor(num_chains=2).predict(pair[["sequence", "id"]])
    with pytest.raises(DataError, match="takes 2 chains a row"):
        predictor(num_chains=2).predict(["AAAA"])
    assert len(predictor().predict(pd.DataFrame({"other": ["AAAA"]}))) == 1
    assert len(predictor().predict([])) == 0


@pytest.mark.parametrize("task", ["regression", "classification", "per_residue"])
def test_the_same_sequence_is_computed_once(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    own, seen = predictor(task), []
    forward = own.model.forward

    def watched(batch: Batch) -> object:
        seen.append(batch.size)
        return forward(batch)

    monkeypatch.setattr(own.model, "forward", watched)
    progress: list[tuple[int, int]] = []
    found = own.predict([*SEQUENCES, "1"] * 4, progress=lambda done, total: progress.append((done, total)))
    assert sum(seen) == len(SEQUENCES)
    assert progress[-1] == (20, 20)
    first = found.iloc[: len(SEQUENCES) + 1]
    for start in range(6, 24, 6):
        pd.testing.assert_frame_equal(found.iloc[start : start + 6].reset_index(drop=True), first)


def test_pairs_are_the_same_where_both_chains_are() -> None:
    pairs = pd.DataFrame({"sequence": ["MKTAY", "MKTAY", "MKTAY"], "light": ["AAAA", "AAAV", "AAAA"]})
    values = predictor(num_chains=2).predict(pairs)["prediction"]
    assert values[0] == values[2] != values[1]
