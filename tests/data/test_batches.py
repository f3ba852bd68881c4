"""Batches: padding, masks, targets, long sequences and the order of rows."""

from __future__ import annotations

import pandas as pd
import pytest
import torch

from molfun.adapters.alphabet import ANTIBERTY, ESM2, Alphabet
from molfun.data.batches import Collate, EpochSampler, SequenceRows, make_loader, residue_window
from molfun.data.dataset import Dataset, save_dataset
from molfun.data.settings import ColumnSettings, SplitSettings
from molfun.errors import DataError

BARE = Alphabet(ids={letter: i for i, letter in enumerate("ACDE")}, pad_id=9, start_id=None, end_id=None, mask_id=8)


def saved(root, *, targets=None, task="regression", too_long="refuse", sequences=None) -> Dataset:
    sequences = sequences or ["ACDEFGHIKL"[: 3 + i % 8] for i in range(40)]
    frame = pd.DataFrame({"seq": sequences, "y": targets or [float(i) for i in range(len(sequences))]})
    columns = ColumnSettings(sequence=["seq"], target="y", task=task, too_long=too_long)
    return save_dataset(root, frame, columns, SplitSettings(), name="t")


def loader(data: Dataset, part: str = "train", **changes):
    options = {"encoder": ANTIBERTY, "max_residues": 510, "batch_size": 8, "shuffle": True, "seed": 0} | changes
    return make_loader(data, part, **options)


@pytest.mark.parametrize(
    ("encoder", "tokens", "residues"),
    [
        (ANTIBERTY, [[2, 5, 6, 3, 0], [2, 7, 8, 5, 3]], [[0, 1, 1, 0, 0], [0, 1, 1, 1, 0]]),
        (ESM2, [[0, 5, 23, 2, 1], [0, 13, 9, 5, 2]], [[0, 1, 1, 0, 0], [0, 1, 1, 1, 0]]),
        (BARE, [[0, 1, 9], [2, 3, 0]], [[1, 1, 0], [1, 1, 1]]),
    ],
)
def test_collate_pads_and_marks_residues(encoder, tokens, residues):
    rows = SequenceRows([["AC", "DEA"]], encoder=encoder, max_residues=10, targets=[0.5, 1.5])
    batch = Collate(encoder, "regression")([rows[0], rows[1]])
    (chain,) = batch.chains
    assert chain.tokens_BL.tolist() == tokens
    assert chain.residues_BL.int().tolist() == residues
    assert chain.mask_BL.tolist() == (torch.tensor(tokens) != encoder.pad_id).tolist()
    assert batch.targets.dtype == torch.float32
    assert batch.targets.tolist() == [0.5, 1.5]
    assert batch.target_mask.tolist() == [True, True]


def test_collate_keeps_chains_apart():
    rows = SequenceRows([["AC", "A"], ["D", "DEAC"]], encoder=ANTIBERTY, max_residues=10)
    batch = Collate(ANTIBERTY, "classification")([rows[0], rows[1]])
    assert [tuple(chain.tokens_BL.shape) for chain in batch.chains] == [(2, 4), (2, 6)]
    assert batch.targets is None
    assert batch.row_ids.tolist() == [0, 1]


def test_residue_targets_lie_on_their_residues():
    rows = SequenceRows([["AC", "DEA"]], encoder=ANTIBERTY, max_residues=10, targets=[[1, -1], [0, 2, 1]])
    batch = Collate(ANTIBERTY, "per_residue")([rows[1], rows[0]])
    assert batch.targets.tolist() == [[-1, 0, 2, 1, -1], [-1, 1, -1, -1, -1]]
    assert batch.target_mask.tolist() == [[False, True, True, True, False], [False, True, False, False, False]]


@pytest.mark.parametrize(
    ("policy", "sequence", "labels"),
    [("crop", "ACDE", [0, 1, 2, 3]), ("window", "DEFG", [2, 3, 4, 5])],
)
def test_long_sequences_and_their_labels_are_cut_alike(policy, sequence, labels):
    rows = SequenceRows(
        [["ACDEFGHI"]], encoder=ANTIBERTY, max_residues=4, policy=policy, targets=[[0, 1, 2, 3, 4, 5, 6, 7]]
    )
    assert rows[0].tokens[0] == ANTIBERTY.encode(sequence)
    assert rows[0].target == labels


@pytest.mark.parametrize(
    ("length", "limit", "policy", "span"),
    [(5, 5, "refuse", (0, 5)), (9, 4, "crop", (0, 4)), (9, 4, "window", (2, 6)), (10, 4, "window", (3, 7))],
)
def test_residue_window_is_first_or_middle(length, limit, policy, span):
    window = residue_window(length, limit, policy)
    assert (window.start, window.stop) == span


def test_refused_lengths_and_unknown_letters_name_their_row():
    with pytest.raises(DataError, match="Row 7, chain 1: The sequence has 6 residues, the model takes 5"):
        SequenceRows([["ACDEFG"]], encoder=ANTIBERTY, max_residues=5, file_rows=[7])
    with pytest.raises(DataError, match="Row 3, chain 2: Letter 'B' at position 2 is no residue"):
        SequenceRows([["AC"], ["AB"]], encoder=ANTIBERTY, max_residues=5, file_rows=[3])


def test_loader_rows_carry_their_own_targets(tmp_path):
    data = saved(tmp_path)
    seen = []
    for batch in loader(data):
        assert batch.targets.tolist() == data.frame["target"][batch.row_ids.tolist()].tolist()
        seen += batch.row_ids.tolist()
    assert sorted(seen) == data.part("train").index.tolist()
    assert len(loader(data)) == 4


def order(batches) -> list[int]:
    return [row for batch in batches for row in batch.row_ids.tolist()]


def test_order_depends_on_seed_and_epoch_alone(tmp_path):
    data = saved(tmp_path)
    first = loader(data)
    epochs = [order(first) for _ in range(3)]
    assert len({tuple(epoch) for epoch in epochs}) == 3
    resumed = loader(data)
    torch.manual_seed(123)
    resumed.sampler.set_epoch(2)
    assert order(resumed) == epochs[2]
    assert order(loader(data, seed=1)) != epochs[0]


def test_loading_leaves_the_global_random_numbers_alone(tmp_path):
    batches = loader(saved(tmp_path))
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    order(batches)
    assert torch.equal(torch.rand(3), expected)


def test_unshuffled_rows_come_in_order(tmp_path):
    data = saved(tmp_path)
    batches = loader(data, "test", shuffle=False)
    assert order(batches) == order(batches) == data.part("test").index.tolist()


def test_predict_leaves_targets_out(tmp_path):
    batch = next(iter(loader(saved(tmp_path), predict=True)))
    assert batch.targets is None
    assert batch.target_mask is None


@pytest.mark.parametrize(("task", "dtype"), [("regression", torch.float32), ("classification", torch.int64)])
def test_targets_have_the_dtype_of_the_task(tmp_path, task, dtype):
    data = saved(tmp_path, targets=[float(i % 2) for i in range(40)], task=task)
    assert next(iter(loader(data))).targets.dtype == dtype


def test_loader_applies_the_policy_of_the_dataset(tmp_path):
    data = saved(tmp_path, too_long="crop", sequences=["ACDEFGHIKL"] * 40)
    batch = next(iter(loader(data, max_residues=4)))
    assert batch.chains[0].residues_BL.sum(1).tolist() == [4] * 8


def test_sampler_length_is_the_number_of_rows():
    assert len(EpochSampler(7, shuffle=True, seed=0)) == 7
    assert sorted(EpochSampler(7, shuffle=True, seed=0)) == list(range(7))
