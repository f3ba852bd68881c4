"""What a run's processes do after training: predict the untouched rows with the best weights, and score them.

Part of the worker: loads torch.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pandas as pd
from torch.utils.data import DataLoader

from molfun.data.dataset import Dataset
from molfun.data.settings import PRIMARY_METRIC
from molfun.errors import MolfunError
from molfun.evaluation.baselines import compute_baselines
from molfun.evaluation.predict import predict_table
from molfun.models.precision import Precision
from molfun.models.structure import MolfunStructureModel
from molfun.runs.folder import RunFolder
from molfun.training.checkpoint import BEST, LAST, load_weights
from molfun.training.distributed import BaseDistributedStrategy
from molfun.types import Batch

logger = logging.getLogger("molfun.worker")

SECONDS_BETWEEN_SIGNS = 1.0


def score(
    folder: RunFolder,
    dataset: Dataset,
    model: MolfunStructureModel,
    loader: DataLoader[Any],
    *,
    distributed: BaseDistributedStrategy,
    amp: bool,
) -> None:
    """Predict the test rows on all processes and write their scores beside those of simple baselines.

    Args:
        folder: Has the checkpoints, and gets predictions and scoreboard.
        dataset: Its test part is predicted.
        model: As it was trained; it gets the best weights.
        loader: Batches of the test rows.
        distributed: How the run is spread.
        amp: Whether to compute in mixed precision.
    """
    if not len(loader):
        logger.info("The split has no test rows, so there is no test score.")
        return
    best = folder.checkpoints / BEST
    manifest = load_weights(model, best if best.is_dir() else folder.checkpoints / LAST)
    shared = _watched(distributed.wrap_loader(loader, shuffle=False), folder if distributed.is_main_process else None)
    precision = Precision(distributed.device, amp=amp)
    table, scores = predict_table(model, shared, precision, classes=dataset.classes, collect=distributed.collect)
    if distributed.is_main_process:
        _write_scores(folder, dataset, manifest, table, scores)


def _watched(loader: Iterable[Batch], folder: RunFolder | None) -> Iterator[Batch]:
    """Yield batches and give signs of life meanwhile, so that scoring is not taken for a hang."""
    last = 0.0
    for batch in loader:
        yield batch
        if folder is not None and time.monotonic() - last >= SECONDS_BETWEEN_SIGNS:
            last = time.monotonic()
            folder.write_state(heartbeat=time.time())


def _write_scores(
    folder: RunFolder, dataset: Dataset, manifest: Mapping[str, Any], table: pd.DataFrame, scores: Mapping[str, float]
) -> None:
    """Write the predictions of the test rows, and their scores beside those of simple baselines."""
    table.insert(0, "row", dataset.frame["row"].to_numpy()[table.pop("row_id").to_numpy()])
    folder.predictions.mkdir(exist_ok=True)
    table.to_parquet(folder.predictions / "test.parquet", index=False)
    board = {
        "primary": PRIMARY_METRIC[dataset.task], "test": {"metrics": scores, "rows": len(table)},
        "checkpoint": {"epoch": manifest["epoch"], "weights": manifest["weights"]},
        "weights": folder.spec.model.weights, "baselines": {},
    }  # fmt: skip
    # Written before the baselines, which can take a while on a large table and must not cost the score.
    folder.write_scoreboard(board)
    folder.write_state(heartbeat=time.time())
    folder.write_scoreboard({**board, "baselines": _baselines(dataset)})
    logger.info("Test: %s", ", ".join(f"{k} {v:.4g}" for k, v in scores.items()))


def _baselines(dataset: Dataset) -> dict[str, dict[str, float]]:
    try:
        return compute_baselines(dataset)
    except (MolfunError, ValueError, MemoryError) as error:
        logger.warning("The baselines could not be computed: %s", error)
        return {}
