"""Predicted structures of a loader's rows: their scores as a table, and each of them as arrays."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from molfun.adapters.alphabet import Alphabet
from molfun.data.folded import CONTACT_ANGSTROM, FoldedProtein
from molfun.data.settings import METRICS_OF_TASK
from molfun.errors import ModelError
from molfun.evaluation.predict import alone
from molfun.models.inference import iterate_predictions
from molfun.models.precision import Precision
from molfun.models.structure import MolfunStructureModel
from molfun.structure_metrics import dockq, score_structures
from molfun.types import Batch, Chain, Folds, Structures

logger = logging.getLogger(__name__)

# As `Folds` has them.
FIRST_EDGE_ANGSTROM, BIN_ANGSTROM = 2.3125, 0.3125
NUM_TOUCHING = int((CONTACT_ANGSTROM - FIRST_EDGE_ANGSTROM) / BIN_ANGSTROM) + 1
DOCKQ = "dockq"
Keep = Callable[[int, FoldedProtein], None]


def predict_structures(
    model: MolfunStructureModel, loader: Iterable[Batch], precision: Precision, *,
    collect: Callable[[Any], list[Any]] = alone, keep: Keep | None = None,
) -> tuple[pd.DataFrame, dict[str, float]]:  # fmt: skip
    """Predict the structure of every row of a loader and hold it against the measured one.

    Args:
        model: With the weights to use.
        loader: Batches with structures.
        precision: Numbers to compute in, and the device.
        collect: As in `predict_table`.
        keep: Called with row id and structure, on the process that predicted it.

    Returns:
        A table ordered by row with `row_id`, `num_residues`, `plddt` (mean, 0 to 1) and the metrics of the task, NaN
        in rows without measured atoms, and of complexes `dockq` where peppr is installed; and {metric: mean over rows}
        for all of these but the first three. The same on every process.
    """
    own = []
    for batch, folds in iterate_predictions(model, loader, precision):
        if int(batch.row_ids.max()) < 0:
            continue
        assert batch.structures is not None
        scores = {name: values.cpu().numpy() for name, values in score_structures(folds, batch.structures).items()}
        scores |= _score_interfaces(folds, batch.structures) if len(batch.chains) > 1 else {}
        proteins = split_folds(folds, batch.chains, model.adapter.alphabet)
        for i, (row, protein) in enumerate(zip(batch.row_ids.tolist(), proteins, strict=True)):
            facts = {"row_id": row, "num_residues": len(protein), "plddt": float(protein.plddt.mean())}
            kept = [name for name in (*METRICS_OF_TASK["structure"], DOCKQ) if name in scores]
            own.append(facts | {name: float(scores[name][i]) for name in kept})
            if keep:
                keep(row, protein)
    rows = [row for share in collect(own) for row in share]
    metrics = [*METRICS_OF_TASK["structure"], *([DOCKQ] if any(DOCKQ in row for row in rows) else [])]
    table = pd.DataFrame(rows, columns=["row_id", "num_residues", "plddt", *metrics])
    table = table.sort_values("row_id", kind="stable", ignore_index=True)
    return table, {name: float(table[name].mean()) for name in metrics}


def _score_interfaces(folds: Folds, structures: Structures) -> dict[str, np.ndarray]:
    """Return DockQ of each row, float64 [B]; nothing where the package that computes it is not installed."""
    points, truth = (found.positions_BRA3.double().cpu().numpy() for found in (folds, structures))
    known, types, chains = (_array(t) for t in (structures.mask_BRA, structures.aatype_BR, structures.chain_BR))
    try:
        return {DOCKQ: np.array([dockq(*row) for row in zip(points, truth, known, types, chains, strict=True)])}
    except ModelError as error:
        logger.info("Interfaces are not scored: %s", error)
        return {}


def split_folds(folds: Folds, chains: Sequence[Chain], alphabet: Alphabet) -> list[FoldedProtein]:
    """Return the structure of each row of a batch, without padding.

    Args:
        folds: Of B rows.
        chains: The batch's, one a sequence column.
        alphabet: The model's letter table, by which the sequences are read off the tokens.
    """
    plddt, touching = expected_lddt(folds.plddt_BRN), contact_shares(folds.distogram_BRRN)
    letters = {number: letter for letter, number in alphabet.ids.items()}
    found = []
    for i in range(folds.shape[0]):
        tokens = [chain.tokens_BL[i][chain.residues_BL[i]].tolist() for chain in chains]
        sequences = tuple("".join(letters[token] for token in chain) for chain in tokens)
        size = sum(map(len, sequences))
        arrays = (folds.positions_BRA3[i, :size], plddt[i, :size], touching[i, :size, :size])
        found.append(FoldedProtein(sequences, *(_array(tensor) for tensor in arrays)))
    return found


def expected_lddt(logits_BRN: Tensor) -> Tensor:
    """Return the expected lDDT of each C-alpha, float32 [B, R], 0 to 1: the mean of the bins' middles."""
    num_bins = logits_BRN.shape[-1]
    middles = (torch.arange(num_bins, device=logits_BRN.device) + 0.5) / num_bins
    return logits_BRN.float().softmax(-1) @ middles


def contact_shares(logits_BRRN: Tensor) -> Tensor:
    """Return the probability that residues touch, float32 [B, R, R]: that of all bins that end below 8 angstrom."""
    return logits_BRRN.float().softmax(-1)[..., :NUM_TOUCHING].sum(-1)


def _array(tensor: Tensor) -> Any:
    return np.ascontiguousarray(tensor.detach().cpu().numpy())
