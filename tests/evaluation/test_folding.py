"""Predicted structures of rows: scored as validation scores them, kept, predicted again alike."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest
import torch

from molfun.data.batches import Collate, SequenceRows
from molfun.data.example_structures import example_path, example_protein
from molfun.data.folded import FoldedProtein
from molfun.data.settings import METRICS_OF_TASK, ColumnSettings
from molfun.data.structure_tables import read_structures
from molfun.evaluation.folding import contact_shares, expected_lddt, predict_structures
from molfun.evaluation.predictor import Predictor
from molfun.models.precision import Precision
from molfun.models.structure import MolfunStructureModel
from molfun.structure_metrics import score_alphas
from molfun.types import Batch
from tests.tiny import tiny_fold_model

EXACT = Precision(torch.device("cpu"), amp=False)
NAMES = ("5pti", "2cvi")


def batches(model: MolfunStructureModel, names: Sequence[str] = NAMES, *, size: int = 2) -> list[Batch]:
    """Return measured structures as batches of so many rows."""
    frame = read_structures([example_path(name) for name in names])
    rows = SequenceRows(
        [frame["sequence"].tolist()], encoder=model.adapter.alphabet, max_residues=model.adapter.max_residues,
        structures=frame["structure"].tolist(),
    )  # fmt: skip
    collate = Collate(model.adapter.alphabet, "structure")
    return [collate(rows.rows[i : i + size]) for i in range(0, len(names), size)]


def test_scores_are_those_of_each_structure_by_itself() -> None:
    model, kept = tiny_fold_model().eval(), {}
    together = batches(model)
    table, scores = predict_structures(model, together, EXACT, keep=kept.__setitem__)
    assert table["row_id"].tolist() == [0, 1]
    assert table["num_residues"].tolist() == [58, 83]
    measured = together[0].structures
    assert measured is not None
    for row, protein in kept.items():
        known = measured.mask_BRA[row, :, 1].numpy()
        truth = measured.positions_BRA3[row, :, 1].double().numpy()[known]
        own = score_alphas(protein.positions[:, 1].astype(float)[known[: len(protein)]], truth)
        assert table.loc[row, "lddt"] == pytest.approx(own["lddt"], abs=1e-5)
        assert table.loc[row, "rmsd"] == pytest.approx(own["rmsd"], abs=1e-3)
    assert scores == {name: pytest.approx(table[name].mean()) for name in METRICS_OF_TASK["structure"]}


def test_rows_that_fill_up_a_share_are_left_out() -> None:
    model = tiny_fold_model().eval()
    own = batches(model, size=1)
    table, _ = predict_structures(model, [*own, own[0].as_filler()], EXACT)
    assert table["row_id"].tolist() == [0, 1]


def test_a_predictor_folds_as_the_test_did() -> None:
    model, kept = tiny_fold_model().eval(), {}
    predict_structures(model, batches(model), EXACT, keep=kept.__setitem__)
    columns = ColumnSettings(sequence=["sequence"], target="structure", task="structure")
    predictor = Predictor(model, columns, (), precision=EXACT)
    found = predictor.predict([*(p.sequences[0] for p in kept.values()), "MK*"])
    assert found["problem"].tolist()[:2] == ["", ""]
    assert "'*'" in found["problem"].iloc[2]
    assert found["prediction"].iloc[2] is None
    for row, protein in kept.items():
        again = found["prediction"].iloc[row]
        assert isinstance(again, FoldedProtein)
        assert again.sequences == protein.sequences
        # One is alone, the other was padded beside a longer one.
        np.testing.assert_allclose(again.positions, protein.positions, atol=2e-3)
        np.testing.assert_allclose(again.plddt, protein.plddt, atol=1e-5)
        np.testing.assert_allclose(again.contacts, protein.contacts, atol=1e-3)
    assert found["plddt"].iloc[0] == pytest.approx(float(kept[0].plddt.mean()), abs=1e-5)


def test_expected_lddt_is_the_mean_of_the_bins() -> None:
    logits = torch.full((1, 2, 50), -100.0)
    logits[0, 0, 0] = logits[0, 1, 49] = 100.0
    assert expected_lddt(logits)[0].tolist() == pytest.approx([0.01, 0.99])
    assert expected_lddt(torch.zeros(1, 1, 50)).item() == pytest.approx(0.5)


def test_contacts_are_bins_that_end_below_eight_angstrom() -> None:
    # Bin k ends at 2.3125 + 0.3125 k: number 18 at 7.9375, number 19 at 8.25.
    logits = torch.full((1, 1, 2, 64), -100.0)
    logits[0, 0, 0, 18] = logits[0, 0, 1, 19] = 100.0
    assert contact_shares(logits)[0, 0].tolist() == pytest.approx([1.0, 0.0])
    shares = contact_shares(torch.zeros(1, 1, 1, 64))
    assert shares.item() == pytest.approx(19 / 64)


def test_an_empty_loader_has_no_rows() -> None:
    table, scores = predict_structures(tiny_fold_model(), [], EXACT)
    assert table.empty
    assert all(np.isnan(value) for value in scores.values())
    assert isinstance(table, pd.DataFrame)


def test_complexes_have_a_dockq() -> None:
    pytest.importorskip("peppr")
    model = tiny_fold_model().eval()
    protein = example_protein("1hvr")
    sequences = [[protein.sequence_of(column)] for column in protein.columns]
    rows = SequenceRows(sequences, encoder=model.adapter.alphabet, max_residues=1000, structures=[protein])
    table, scores = predict_structures(model, [Collate(model.adapter.alphabet, "structure")(rows.rows)], EXACT)
    # Untrained, all atoms lie in one place, where they find every contact: a third of the score.
    assert 0 <= table["dockq"].iloc[0] < 0.45
    assert scores["dockq"] == table["dockq"].iloc[0]
