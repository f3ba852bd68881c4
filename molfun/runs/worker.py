"""The process that trains one run: `python -m molfun.runs.worker RUN_DIR`. Writes everything in the run folder but
the spec; reads nothing but the folder, the dataset and the weights. Named by launchers, never imported.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from torch.utils.data import DataLoader
from typing_extensions import override

from molfun.data.batches import make_loader
from molfun.data.dataset import Dataset, load_dataset
from molfun.data.settings import PRIMARY_METRIC
from molfun.errors import MolfunError
from molfun.evaluation.baselines import compute_baselines
from molfun.evaluation.predict import predict_table
from molfun.models.build import build_model
from molfun.models.parameters import count_parts
from molfun.models.precision import Precision
from molfun.models.structure import MolfunStructureModel
from molfun.runs import control
from molfun.runs.environment import describe_environment
from molfun.runs.process import identity_of
from molfun.runs.spec import RunSpec
from molfun.runs.store import RunFolder
from molfun.tracking.base import Status
from molfun.tracking.catalog import build_tracker
from molfun.tracking.composite import CompositeTracker
from molfun.tracking.local import LocalTracker
from molfun.training.base import FinetuneStrategy
from molfun.training.build import build_strategy
from molfun.training.callbacks import Callback
from molfun.training.checkpoint import load_weights
from molfun.training.distributed import SingleDevice
from molfun.training.loop import Loop, Progress

logger = logging.getLogger("molfun.worker")

STOPPED_BY_USER = "stopped by the user"
SECONDS_BETWEEN_STATES = 1.0


class FolderCallback(Callback):
    """Keeps `state.json` and `events.jsonl` up to date and obeys requests of the app."""

    def __init__(self, folder: RunFolder, local: LocalTracker) -> None:
        self.folder, self.local = folder, local
        self.progress = Progress(epochs=0, steps_per_epoch=0)
        self._last_write = 0.0

    @override
    def on_fit_begin(self, loop: Loop) -> None:
        self.progress = loop.progress
        logger.info("Computing in %s.", loop.precision.reason)
        self.folder.write_state(
            status="running",
            total_steps=loop.progress.total_steps,
            epochs=loop.progress.epochs,
            precision=loop.precision.reason,
        )

    @override
    def on_step_end(self, loop: Loop, metrics: Mapping[str, float]) -> None:
        if "stop" in control.requested(self.folder):
            loop.request_stop(STOPPED_BY_USER)
        now = time.monotonic()
        if now - self._last_write >= SECONDS_BETWEEN_STATES:
            self._last_write = now
            self._write(loop)

    @override
    def on_epoch_end(self, loop: Loop, metrics: Mapping[str, float]) -> None:
        logger.info("Epoch %d: %s", loop.progress.epoch, ", ".join(f"{k} {v:.4g}" for k, v in metrics.items()))
        self._write(loop)

    @override
    def on_checkpoint(self, loop: Loop, name: str, path: Path) -> None:
        self.local.log_event("best" if name == "best" else "checkpoint", name=name, step=loop.progress.step)

    def _write(self, loop: Loop) -> None:
        progress = loop.progress
        self.folder.write_state(
            heartbeat=time.time(),
            step=progress.step,
            epoch=progress.epoch,
            best=best_of(progress.history, progress.best_epoch),
        )


def best_of(history: list[dict[str, float]], best_epoch: int) -> dict[str, Any]:
    """Return {"metric", "value", "epoch", "val_loss"} of the epoch with the lowest validation loss, or {}."""
    if not 0 < best_epoch <= len(history):
        return {}
    row = history[best_epoch - 1]
    metric = next((name for name in PRIMARY_METRIC.values() if f"val_{name}" in row), "")
    return {"metric": metric, "value": row.get(f"val_{metric}"), "epoch": best_epoch, "val_loss": row["val_loss"]}


class Worker:
    """One run, from its spec to its scoreboard.

    Args:
        folder: The run folder.
    """

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder
        # The data folder that this run lies in, whatever the environment says: HOME/runs/ID.
        self.home = folder.path.parents[1]
        self.spec: RunSpec = folder.spec
        self.distributed = SingleDevice(self.spec.training.device)
        torch.set_num_threads(self.spec.training.num_threads or num_usable_cores())
        torch.manual_seed(self.spec.training.seed)
        self.local = LocalTracker(folder.path)
        self.was_signalled = False

    def run(self) -> tuple[Status, str]:
        """Train, test and record; return ("finished" or "stopped", why it ended before its last epoch or "")."""
        dataset = load_dataset(self.home / "datasets", self.spec.data.dataset)
        model = self._build_model(dataset)
        strategy = build_strategy(self.spec.strategy.model_dump())
        strategy.setup(model)
        self.folder.write_parameters(count_parts(model, strategy.param_groups(model)))
        self.folder.write_environment(describe_environment(self.distributed.device))
        self.folder.write_state(num_train=dataset.counts["train"], heartbeat=time.time())
        progress = self._train(dataset, model, strategy)
        # Who sends a signal wants the process gone within seconds; a request in the folder leaves time for the score.
        if not self.was_signalled:
            self._test(dataset, model, strategy)
        return how_it_ended(progress)

    def _build_model(self, dataset: Dataset) -> MolfunStructureModel:
        logger.info("Building %s with %s weights.", self.spec.model.name, self.spec.model.weights)
        return build_model(
            self.spec.model, task=dataset.task, num_chains=dataset.num_chains, num_outputs=max(1, len(dataset.classes)),
            target_mean=dataset.about.get("target_mean", 0.0), target_std=dataset.about.get("target_std", 1.0),
        )  # fmt: skip

    def _train(self, dataset: Dataset, model: MolfunStructureModel, strategy: FinetuneStrategy) -> Progress:
        """Fit, and return how far it came."""
        training, callback = self.spec.training, FolderCallback(self.folder, self.local)
        self._install_signals()
        remotes = [build_tracker(name, folder=self.folder.remote) for name in self.spec.trackers]
        tracker = CompositeTracker([self.local, *remotes])
        tracker.start_run(run_id=self.folder.id, name=self.spec.name)
        tracker.log_config(self.spec.model_dump(mode="json"))
        try:
            strategy.fit(
                model, self._loader(dataset, model, "train"), self._loader(dataset, model, "val"), training.epochs,
                tracker=tracker, callbacks=[callback], distributed=self.distributed,
                checkpoint_dir=self.folder.checkpoints, save_every=training.save_every,
            )  # fmt: skip
        except BaseException as error:
            tracker.end_run("failed", explain_failure(error))
            raise
        tracker.end_run(how_it_ended(callback.progress)[0])
        return callback.progress

    def _install_signals(self) -> None:
        """Let SIGTERM and SIGINT end the run after the step under way; a second one ends it at once."""

        def on_signal(number: int, frame: FrameType | None) -> None:
            logger.info("Received %s; ending after this step.", signal.Signals(number).name)
            self.was_signalled = True
            control.request(self.folder, "stop")
            signal.signal(number, signal.SIG_DFL)

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, on_signal)

    def _loader(self, dataset: Dataset, model: MolfunStructureModel, part: str) -> DataLoader[Any]:
        return make_loader(
            dataset, part, encoder=model.adapter.alphabet, max_residues=model.adapter.max_residues,
            batch_size=self.spec.training.batch_size, shuffle=part == "train", seed=self.spec.training.seed,
        )  # fmt: skip

    def _test(self, dataset: Dataset, model: MolfunStructureModel, strategy: FinetuneStrategy) -> None:
        """Predict the untouched rows with the best weights and score them beside simple baselines."""
        loader = self._loader(dataset, model, "test")
        if not len(loader):
            logger.info("The split has no test rows, so there is no test score.")
            return
        best = self.folder.checkpoints / "best"
        manifest = load_weights(model, best if best.is_dir() else self.folder.checkpoints / "last")
        precision = Precision(self.distributed.device, amp=strategy.settings.amp)
        table, scores = predict_table(model, loader, precision, classes=dataset.classes)
        table.insert(0, "row", dataset.frame["row"].to_numpy()[table.pop("row_id").to_numpy()])
        self.folder.predictions.mkdir(exist_ok=True)
        table.to_parquet(self.folder.predictions / "test.parquet", index=False)
        board = {
            "primary": PRIMARY_METRIC[dataset.task], "test": {"metrics": scores, "rows": len(table)},
            "checkpoint": {"epoch": manifest["epoch"], "weights": manifest["weights"]},
            "weights": self.spec.model.weights, "baselines": {},
        }  # fmt: skip
        # Written before the baselines, which can take a while on a large table and must not cost the score.
        self.folder.write_scoreboard(board)
        self.folder.write_scoreboard({**board, "baselines": _baselines(dataset)})
        logger.info("Test: %s", ", ".join(f"{k} {v:.4g}" for k, v in scores.items()))


def num_usable_cores() -> int:
    """Return the cores that this process may use, which a scheduler or container can make fewer than there are."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def how_it_ended(progress: Progress) -> tuple[Status, str]:
    """Return ("finished" or "stopped", why a run ended before its last epoch, or "")."""
    if progress.epoch >= progress.epochs or not progress.stop_reason:
        return "finished", ""
    if progress.stop_reason == STOPPED_BY_USER:
        return "stopped", "Stopped on request; the last checkpoint is kept."
    return "finished", f"Ended after epoch {progress.epoch} of {progress.epochs}: {progress.stop_reason}."


def _baselines(dataset: Dataset) -> dict[str, dict[str, float]]:
    try:
        return compute_baselines(dataset)
    except (MolfunError, ValueError, MemoryError) as error:
        logger.warning("The baselines could not be computed: %s", error)
        return {}


def explain_failure(error: BaseException) -> str:
    """Return the cause of a failed run in plain words, with what to do."""
    text = str(error).strip()
    if isinstance(error, MolfunError):
        return text
    if isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in text:
        return (
            "Out of memory. Lower the batch size and raise accumulation, train fewer blocks, or use LoRA or head only."
        )
    if isinstance(error, OSError) and error.errno == 28:
        return "The disk is full. Free some room (old checkpoints are the largest files), then start again."
    first = text.splitlines()[0][:200] if text else "no message"
    return f"Unexpected problem: {type(error).__name__}: {first}. The log has the details; please report it."


def run_folder(folder: RunFolder) -> int:
    """Train the run in `folder` and record how it ended; return the exit code."""
    folder.write_state(status="starting", started=time.time(), heartbeat=time.time(), **identity_of(os.getpid()))
    try:
        status, cause = Worker(folder).run()
    except Exception as error:
        logger.exception("The run failed.")
        folder.write_state(status="failed", cause=explain_failure(error), ended=time.time())
        return 1
    if cause:
        logger.info(cause)
    folder.write_state(status=status, cause=cause, ended=time.time(), heartbeat=time.time())
    control.clear(folder, "stop")
    return 0


def main() -> int:
    """Entry point; the log goes to standard output, which the launcher sends to the run folder."""
    parser = argparse.ArgumentParser(description="Train one run.")
    parser.add_argument("run_dir", type=Path)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stdout)
    return run_folder(RunFolder(parser.parse_args().run_dir.absolute()))


if __name__ == "__main__":
    sys.exit(main())
