"""What a run's processes do after training: predict the untouched rows with the best weights, and score them.

Part of the worker: loads torch.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch.utils.data import DataLoader

from molfun.data.dataset import Dataset
from molfun.data.folded import FoldedProtein
from molfun.data.labels import NO_LABEL
from molfun.data.settings import PRIMARY_METRIC
from molfun.errors import MolfunError
from molfun.evaluation.baselines import ResidueStates, predict_baselines, score_baselines
from molfun.evaluation.embeddings import embed_dataset, embed_residues
from molfun.evaluation.folding import Keep, predict_structures
from molfun.evaluation.names import UNTRAINED
from molfun.evaluation.predict import predict_table
from molfun.models.build import build_adapter
from molfun.models.precision import Precision
from molfun.models.structure import MolfunStructureModel
from molfun.runs.folder import RunFolder
from molfun.runs.loading import build_run_model
from molfun.runs.signs import Signs, signs_during, watched
from molfun.training.checkpoint import BEST, LAST, load_weights
from molfun.training.distributed import BaseDistributedStrategy
from molfun.training.prefix_cache import frozen_prefix, frozen_trunk

logger = logging.getLogger("molfun.worker")

# The baseline on the frozen trunk may take this long, or this share of the run.
FEWEST_SECONDS, SHARE_OF_RUN = 60.0, 0.2


@dataclass(frozen=True)
class Frozen:
    """Where states behind frozen parts are kept.

    Attributes:
        folder: None keeps none.
        max_gigabytes: Of all of them together, in 10^9 bytes.
    """

    folder: Path | None
    max_gigabytes: float


def score(
    folder: RunFolder,
    dataset: Dataset,
    model: MolfunStructureModel,
    loader: DataLoader[Any],
    *,
    validation: DataLoader[Any],
    distributed: BaseDistributedStrategy,
    amp: bool,
    frozen: Frozen,
) -> None:
    """Predict the test rows on all processes and write their scores beside those of simple baselines.

    The validation rows are predicted with the same weights: intervals are learned from them.

    Args:
        folder: Has the checkpoints, and gets predictions and scoreboard.
        dataset: Its test part is predicted.
        model: As it was trained; it gets the best weights.
        loader: Batches of the test rows.
        validation: Batches of the validation rows.
        distributed: How the run is spread.
        amp: Whether to compute in mixed precision.
        frozen: Where states behind frozen parts are kept.
    """
    if not len(loader):
        logger.info("The split has no test rows, so there is no test score.")
        return
    best = folder.checkpoints / BEST
    manifest = load_weights(model, best if best.is_dir() else folder.checkpoints / LAST)
    main = folder if distributed.is_main_process else None
    precision = Precision(distributed.device, amp=amp)

    def predict(loader: DataLoader[Any], *, keep: Keep | None = None) -> tuple[pd.DataFrame, dict[str, float]]:
        shared = watched(distributed.wrap_loader(loader, shuffle=False), main)
        if dataset.task == "structure":
            return predict_structures(model, shared, precision, collect=distributed.collect, keep=keep)
        return predict_table(model, shared, precision, classes=dataset.classes, collect=distributed.collect)

    with frozen_prefix(model, precision, frozen.folder, max_gigabytes=frozen.max_gigabytes):
        table, scores = predict(loader, keep=_StructureFolder(folder, dataset))
        board = _write_scores(folder, dataset, manifest, table, scores) if main else {}
        # After the test score, which a validation row that breaks must not cost.
        if len(validation):
            rows, _ = predict(validation)
            if main:
                _write_rows(folder, dataset, rows, "val")
    if dataset.task == "structure":
        _score_untrained(folder, dataset, board, loader, distributed, precision)
    elif main:
        _add_baselines(folder, dataset, table, board, precision, frozen)
    logger.info("Test: %s", ", ".join(f"{k} {v:.4g}" for k, v in scores.items()))


def _score_untrained(
    folder: RunFolder, dataset: Dataset, board: Mapping[str, Any], loader: DataLoader[Any],
    distributed: BaseDistributedStrategy, precision: Precision,
) -> None:  # fmt: skip
    """Write what the model predicted of the test rows before it was trained beside the scores of the run.

    The model is built anew, on every process: structures of all of them are scored together or not at all.
    """
    if folder.spec.model.start_from:
        return  # other weights than those of the catalog were its start
    main = folder if distributed.is_main_process else None
    try:
        with torch.random.fork_rng():
            torch.manual_seed(folder.spec.training.seed)
            model = build_run_model(folder.spec, dataset).to(precision.device)
        shared = watched(distributed.wrap_loader(loader, shuffle=False), main)
        table, scores = predict_structures(model, shared, precision, collect=distributed.collect)
    except (MolfunError, OSError, MemoryError, torch.OutOfMemoryError) as error:
        logger.warning("The model before training could not be scored: %s", error)
        return
    if main:
        folder.write_scoreboard({**board, "baselines": {UNTRAINED: scores}})
        own = pd.read_parquet(folder.predictions / "test.parquet")
        kept = pd.DataFrame({"row": own["row"], "name": own["name"], UNTRAINED: table[PRIMARY_METRIC[dataset.task]]})
        kept.to_parquet(folder.predictions / "baselines.parquet", index=False)


class _StructureFolder:
    """Writes the predicted structure of each test row as it comes; every process those that it predicted."""

    def __init__(self, folder: RunFolder, dataset: Dataset) -> None:
        self.folder, self.rows = folder, dataset.frame["row"].to_numpy()

    def __call__(self, row_id: int, protein: FoldedProtein) -> None:
        if row_id >= 0:
            self.folder.structures.mkdir(parents=True, exist_ok=True)
            protein.save(self.folder.structure_path(int(self.rows[row_id])))


def _write_rows(folder: RunFolder, dataset: Dataset, table: pd.DataFrame, part: str) -> None:
    """Write predictions under the rows' numbers in the file."""
    places = table.pop("row_id").to_numpy()
    table.insert(0, "row", dataset.frame["row"].to_numpy()[places])
    if dataset.task == "structure":
        table.insert(1, "name", dataset.frame["structure_name"].to_numpy()[places])
    folder.predictions.mkdir(exist_ok=True)
    table.to_parquet(folder.predictions / f"{part}.parquet", index=False)


def _write_scores(
    folder: RunFolder, dataset: Dataset, manifest: Mapping[str, Any], table: pd.DataFrame, scores: Mapping[str, float]
) -> dict[str, Any]:
    """Write the predictions of the test rows and their scores; return the scoreboard, still without baselines."""
    _write_rows(folder, dataset, table, "test")
    board = {
        "primary": PRIMARY_METRIC[dataset.task], "test": {"metrics": scores, "rows": len(table)},
        "checkpoint": {"epoch": manifest["epoch"], "weights": manifest["weights"]},
        "weights": folder.spec.model.weights, "baselines": {},
    }  # fmt: skip
    # Written before the baselines, which can take a while on a large table and must not cost the score.
    folder.write_scoreboard(board)
    folder.write_state(heartbeat=time.time())
    return board


def _add_baselines(
    folder: RunFolder, dataset: Dataset, table: pd.DataFrame, board: Mapping[str, Any], precision: Precision,
    frozen: Frozen,
) -> None:  # fmt: skip
    """Write what simple baselines reach on the test rows beside the scores of the run."""
    baselines = _predict_baselines(folder, dataset, precision, frozen)
    folder.write_scoreboard({**board, "baselines": score_baselines(dataset, baselines)})
    _keep_baselines(folder, dataset, table, baselines)


def _predict_baselines(
    folder: RunFolder, dataset: Dataset, precision: Precision, frozen: Frozen
) -> dict[str, np.ndarray]:
    try:
        known = _embeddings(folder, dataset, precision, frozen)
        with signs_during(folder):
            if isinstance(known, ResidueStates):
                return predict_baselines(dataset, states=known)
            return predict_baselines(dataset, embeddings=known)
    except (MolfunError, ValueError, MemoryError) as error:
        logger.warning("The baselines could not be computed: %s", error)
        return {}


def _embeddings(
    folder: RunFolder, dataset: Dataset, precision: Precision, frozen: Frozen
) -> np.ndarray | ResidueStates | None:
    """Return the states of a trunk that nobody trained, None where that would take too long."""
    embed = embed_residues if dataset.task == "per_residue" else embed_dataset
    spent = time.time() - float(folder.read_state().get("started") or time.time())
    model = folder.spec.model
    try:
        with torch.random.fork_rng():
            torch.manual_seed(folder.spec.training.seed)
            adapter = build_adapter(model.name, model.weights, load=True)
        is_pooled, limit = dataset.task != "per_residue", max(FEWEST_SECONDS, SHARE_OF_RUN * spent)
        with frozen_trunk(adapter.to(precision.device).eval(), precision, frozen.folder, is_pooled=is_pooled,
                          max_gigabytes=frozen.max_gigabytes) as trunk:  # fmt: skip
            found = embed(adapter, dataset, precision, max_seconds=limit, on_batch=Signs(folder), trunk=trunk)
    except (MolfunError, OSError, RuntimeError, MemoryError) as error:
        logger.warning("The baseline on the frozen trunk could not be computed: %s", error)
        return None
    if found is None:
        logger.info("The baseline on the frozen trunk was left out: it would have taken too long.")
    return found


def _keep_baselines(
    folder: RunFolder, dataset: Dataset, table: pd.DataFrame, baselines: Mapping[str, np.ndarray]
) -> None:
    """Write what the baselines predict for each test row, so that they can be compared row by row."""
    if not baselines:
        return
    test = dataset.part("test")
    names = np.asarray(dataset.classes, dtype=object)
    columns = {name: names[preds.astype(int)] if len(names) else preds for name, preds in baselines.items()}
    if dataset.task == "per_residue":
        ends = np.cumsum([sum(label != NO_LABEL for label in cell) for cell in test["target"]])[:-1]
        if table["target"].map(len).sum() != len(next(iter(columns.values()))):
            return  # cropped rows: the run saw fewer residues
        columns = {name: [part.tolist() for part in np.split(preds, ends)] for name, preds in columns.items()}
    kept = pd.DataFrame({"row": test["row"].to_numpy(), **columns}).merge(table[["row", "target"]], on="row")
    kept.to_parquet(folder.predictions / "baselines.parquet", index=False)
