"""The mean state of every row in a trunk: what a frozen model knows of a sequence."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from molfun.adapters.base import BaseAdapter
from molfun.data.batches import Collate, SequenceRows
from molfun.data.dataset import Dataset
from molfun.evaluation.baselines import training_rows
from molfun.models.precision import Precision
from molfun.types import Trunk

BATCH_TOKENS = 8_192


@torch.no_grad()
def embed_dataset(
    adapter: BaseAdapter, dataset: Dataset, precision: Precision, *, max_seconds: float, on_batch: Callable[[], None]
) -> np.ndarray | None:
    """Return the mean over residues of the last states, chains side by side.

    Args:
        adapter: The trunk; it is put into eval mode.
        dataset: Its test rows are embedded, and the training rows that baselines are fitted on.
        precision: Numbers to compute in, and the device.
        max_seconds: Give up after this time.
        on_batch: Called after each batch.

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
        size = max(1, BATCH_TOKENS // max(1, sum(map(len, longest_first[0].tokens))))
        chosen, longest_first = longest_first[:size], longest_first[size:]
        with precision.autocast():
            trunk = adapter(collate(chosen).to(precision.device))
        means = _means(trunk).cpu().numpy()
        if not found.shape[1]:
            found = np.full((len(dataset.frame), means.shape[1]), np.nan, np.float32)
        found[[row.row_id for row in chosen]] = means
        on_batch()
    return found


def _means(trunk: Trunk) -> Tensor:
    """Return the mean of each chain's residues, side by side, float32 [B, chains * D]."""
    means = []
    for hidden_BLD, residues_BL in zip(trunk.hidden, trunk.residues, strict=True):
        weights_BL1 = residues_BL.float()[..., None]
        means.append((hidden_BLD.float() * weights_BL1).sum(1) / weights_BL1.sum(1).clamp(min=1))
    return torch.cat(means, dim=-1)
