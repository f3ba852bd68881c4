"""The mean state of every row in a trunk, or the states of its residues: what a frozen model knows of a sequence."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from molfun.adapters.base import BaseAdapter
from molfun.data.batches import Collate, SequenceRows
from molfun.data.dataset import Dataset
from molfun.data.labels import NO_LABEL
from molfun.evaluation.baselines import MAX_ROWS, ResidueStates, training_rows
from molfun.models.heads import MeanPooling
from molfun.models.inference import max_tokens
from molfun.models.precision import Precision
from molfun.types import Batch, Trunk

MAX_BYTES = 2 * 1024**3


@torch.no_grad()
def embed_dataset(
    adapter: BaseAdapter, dataset: Dataset, precision: Precision, *, max_seconds: float, on_batch: Callable[[], None],
    trunk: Callable[[Batch], Trunk] | None = None,
) -> np.ndarray | None:  # fmt: skip
    """Return the mean over residues of the last states, chains side by side.

    Args:
        adapter: The trunk; it is put into eval mode.
        dataset: Its test rows are embedded, and the training rows that baselines are fitted on.
        precision: Numbers to compute in, and the device.
        max_seconds: Give up after this time.
        on_batch: Called after each batch.
        trunk: Answers in place of the adapter, from states that are kept.

    Returns:
        float32 [rows of `dataset.frame`, chains * D], NaN in rows of neither; None where time ran out.
    """
    end = time.monotonic() + max_seconds
    rows = [*training_rows(dataset).index, *dataset.part("test").index]
    frame = dataset.frame.loc[rows]
    encoded = SequenceRows(
        [frame[f"chain_{i}"].tolist() for i in range(1, dataset.num_chains + 1)],
        encoder=adapter.alphabet, max_residues=adapter.max_residues, policy=dataset.columns.too_long, row_ids=rows,
    )  # fmt: skip
    adapter.to(precision.device).eval()
    collate, found = Collate(adapter.alphabet, dataset.task), np.full((len(dataset.frame), 0), np.nan, np.float32)
    longest_first = sorted(encoded.rows, key=lambda row: -sum(map(len, row.tokens)))
    while longest_first:
        if time.monotonic() > end:
            return None
        size = max(1, max_tokens(precision.device) // max(1, sum(map(len, longest_first[0].tokens))))
        chosen, longest_first = longest_first[:size], longest_first[size:]
        with precision.autocast():
            states = (trunk or adapter)(collate(chosen).to(precision.device))
        means = _means(states).cpu().numpy()
        if not found.shape[1]:
            found = np.full((len(dataset.frame), means.shape[1]), np.nan, np.float32)
        found[[row.row_id for row in chosen]] = means
        on_batch()
    return found


@torch.no_grad()
def embed_residues(
    adapter: BaseAdapter, dataset: Dataset, precision: Precision, *, max_seconds: float, on_batch: Callable[[], None],
    trunk: Callable[[Batch], Trunk] | None = None,
) -> ResidueStates | None:  # fmt: skip
    """Return the last states of residues that have a label: of the test rows, and of training rows up to 20,000.

    Args:
        adapter: The trunk; it is put into eval mode.
        dataset: With one label a residue.
        precision: Numbers to compute in, and the device.
        max_seconds: Give up after this time.
        on_batch: Called after each batch.
        trunk: As in `embed_dataset`.

    Returns:
        None where time ran out, a sequence does not fit whole, or the states of the test rows would take 2 GB.
    """
    end = time.monotonic() + max_seconds
    train = dataset.part("train").sample(frac=1.0, random_state=0)
    labelled = train["target"].map(lambda cell: sum(label != NO_LABEL for label in cell)).cumsum()
    parts = [train[labelled.shift(fill_value=0) < MAX_ROWS], dataset.part("test")]
    found = []
    adapter.to(precision.device).eval()
    for rows in parts:
        if rows["chain_1"].str.len().max() > adapter.max_residues:
            return None
        states = _residue_states(adapter, rows, precision, end, on_batch, trunk)
        if states is None:
            return None
        found.append(states)
    return ResidueStates(found[0][0], found[0][1], found[1][0])


def _residue_states(
    adapter: BaseAdapter, rows: pd.DataFrame, precision: Precision, end: float, on_batch: Callable[[], None],
    trunk: Callable[[Batch], Trunk] | None,
) -> tuple[np.ndarray, np.ndarray] | None:  # fmt: skip
    """Return (states, labels) of the labelled residues of rows, end to end in their order; None beyond time or size."""
    encoded = SequenceRows(
        [rows["chain_1"].tolist()], encoder=adapter.alphabet, max_residues=adapter.max_residues,
        targets=rows["target"].tolist(), row_ids=range(len(rows)),
    )  # fmt: skip
    collate, num_bytes = Collate(adapter.alphabet, "per_residue"), 0
    found: dict[int, tuple[np.ndarray, np.ndarray]] = {}
    longest_first = sorted(encoded.rows, key=lambda row: -sum(map(len, row.tokens)))
    while longest_first:
        size = max(1, max_tokens(precision.device) // max(1, sum(map(len, longest_first[0].tokens))))
        chosen, longest_first = longest_first[:size], longest_first[size:]
        batch = collate(chosen).to(precision.device)
        assert batch.targets is not None
        assert batch.target_mask is not None
        with precision.autocast():
            hidden_BLD = (trunk or adapter)(batch).hidden[0]
        for row, hidden_LD, target_L, mask_L in zip(chosen, hidden_BLD, batch.targets, batch.target_mask, strict=True):
            found[row.row_id] = hidden_LD[mask_L].float().cpu().numpy(), target_L[mask_L].cpu().numpy()
            num_bytes += found[row.row_id][0].nbytes
        on_batch()
        if time.monotonic() > end or num_bytes > MAX_BYTES:
            return None
    states, labels = zip(*(found[i] for i in range(len(rows))), strict=True)
    return np.concatenate(states), np.concatenate(labels)


def _means(trunk: Trunk) -> Tensor:
    """Return the mean of each chain's residues, side by side, float32 [B, chains * D]."""
    pool, chains = MeanPooling(), zip(trunk.hidden, trunk.residues, strict=True)
    return torch.cat([pool(hidden_BLD.float(), residues_BL) for hidden_BLD, residues_BL in chains], dim=-1)
