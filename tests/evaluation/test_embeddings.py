"""Mean states of rows in a frozen trunk: the same numbers as one row at a time, and no wait without end."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from molfun.data.batches import Collate, SequenceRows
from molfun.data.dataset import Dataset, save_dataset
from molfun.data.settings import ColumnSettings, SplitSettings
from molfun.evaluation.embeddings import embed_dataset, embed_residues
from molfun.models.precision import Precision
from tests.tiny import tiny_model

RANDOM = np.random.default_rng(0)
LETTERS = list("ACDEFGHIKLMNPQRSTVWY")
SEQUENCES = ["".join(RANDOM.choice(LETTERS, 5 + i % 9)) for i in range(60)]
CPU = Precision(torch.device("cpu"), amp=False)


def two_chains(root: Path) -> Dataset:
    frame = pd.DataFrame({"heavy": SEQUENCES, "light": SEQUENCES[::-1], "y": RANDOM.normal(size=60)})
    columns = ColumnSettings(sequence=["heavy", "light"], target="y", task="regression")
    return save_dataset(root, frame, columns, SplitSettings(), name="t")


def test_states_are_those_of_each_row_alone(tmp_path: Path) -> None:
    data, adapter, called = two_chains(tmp_path), tiny_model("regression").adapter, []
    found = embed_dataset(adapter, data, CPU, max_seconds=60, on_batch=lambda: called.append(1))
    assert found is not None
    assert called
    used = data.frame["split"].isin(["train", "test"]).to_numpy()
    assert np.isfinite(found[used]).all()
    assert np.isnan(found[~used]).all()
    row = data.part("test").index[0]
    chains = [[data.frame.loc[row, name]] for name in ("chain_1", "chain_2")]
    rows = SequenceRows(chains, encoder=adapter.alphabet, max_residues=1000)
    with torch.no_grad():
        trunk = adapter.eval()(Collate(adapter.alphabet, "regression")([rows[0]]))
    alone = [
        hidden[0, residues[0].bool()].mean(0) for hidden, residues in zip(trunk.hidden, trunk.residues, strict=True)
    ]
    np.testing.assert_allclose(found[row], torch.cat(alone).numpy(), rtol=1e-4, atol=1e-5)


def test_it_gives_up_when_it_takes_too_long(tmp_path: Path) -> None:
    adapter = tiny_model("regression").adapter
    assert embed_dataset(adapter, two_chains(tmp_path), CPU, max_seconds=-1, on_batch=pytest.fail) is None


def labelled(root: Path) -> Dataset:
    """Return rows with one label a residue; the third of each has none."""
    labels = ["".join("?" if i == 2 else "HC"[letter in "ACDEF"] for i, letter in enumerate(seq)) for seq in SEQUENCES]
    frame = pd.DataFrame({"seq": SEQUENCES, "y": labels})
    columns = ColumnSettings(sequence=["seq"], target="y", task="per_residue")
    return save_dataset(root, frame, columns, SplitSettings(), name="t")


def test_states_of_residues_stand_in_the_order_of_their_labels(tmp_path: Path) -> None:
    data, adapter, called = labelled(tmp_path), tiny_model("regression").adapter, []
    found = embed_residues(adapter, data, CPU, max_seconds=60, on_batch=lambda: called.append(1))
    assert found is not None
    assert called
    test = data.part("test")
    assert len(found.test) == sum(label != -1 for cell in test["target"] for label in cell)
    assert (
        len(found.train) == len(found.labels) == sum(label != -1 for c in data.part("train")["target"] for label in c)
    )
    rows = SequenceRows([test["chain_1"].tolist()[:1]], encoder=adapter.alphabet, max_residues=1000)
    with torch.no_grad():
        trunk = adapter.eval()(Collate(adapter.alphabet, "regression")([rows[0]]))
    alone = trunk.hidden[0][0, trunk.residues[0][0]].numpy()
    known = [label != -1 for label in test["target"].iloc[0]]
    np.testing.assert_allclose(found.test[: sum(known)], alone[known], rtol=1e-4, atol=1e-5)


def test_states_of_residues_are_given_up_in_time_and_for_sequences_that_do_not_fit(tmp_path: Path) -> None:
    adapter, data = tiny_model("regression").adapter, labelled(tmp_path)
    assert embed_residues(adapter, data, CPU, max_seconds=-1, on_batch=lambda: None) is None
    long = replace(data, frame=data.frame.assign(chain_1=data.frame["chain_1"] * (adapter.max_residues // 4)))
    assert embed_residues(adapter, long, CPU, max_seconds=60, on_batch=pytest.fail) is None
