"""The process that trains one run: `python -m molfun.runs.worker RUN_DIR`. Writes everything in the run folder but
the spec; reads nothing but the folder, the dataset and the weights. Named by launchers, never imported.

Where torchrun starts several of them, all of them train and predict, and only the main one writes.
"""

from __future__ import annotations

import argparse
import errno
import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from torch import distributed as dist
from torch.utils.data import DataLoader

from molfun.data.batches import heaviest_batch, make_loader
from molfun.data.dataset import Dataset, load_dataset
from molfun.errors import MolfunError, RunError
from molfun.losses.catalog import find_loss
from molfun.models.parameters import count_parts
from molfun.models.structure import MolfunStructureModel
from molfun.runs import control
from molfun.runs.endings import DISK_FULL, LESS_MEMORY, NOTES, RESUME
from molfun.runs.environment import describe_environment
from molfun.runs.folder import RunFolder
from molfun.runs.loading import build_run_model
from molfun.runs.preflight import check_room, forecast_seconds
from molfun.runs.process import threads_wanted
from molfun.runs.recording import FolderCallback, ProgressCallback, how_it_ended
from molfun.runs.report import Report, SupervisedReport
from molfun.runs.scoring import Frozen, score
from molfun.runs.secrets import guard_streams, redact, secret_values
from molfun.runs.spec import RunSpec
from molfun.runs.steering import checkpoint_of
from molfun.tracking.base import Status
from molfun.tracking.local import LocalTracker
from molfun.training.base import FinetuneStrategy
from molfun.training.build import build_strategy
from molfun.training.checkpoint import load_weights
from molfun.training.distributed import BaseDistributedStrategy, DDPStrategy, FSDPStrategy, SingleDevice
from molfun.training.progress import Progress
from molfun.training.rehearsal import Rehearsal
from molfun.training.resuming import AUTO
from molfun.training.saving import error_number
from molfun.training.settings import TrainingSettings

logger = logging.getLogger("molfun.worker")

# Signals within this time mean the same wish.
SAME_WISH_SECONDS = 2.0
# What torch says where the other end of a connection is gone; its own types cover only some of it.
LOST_PEER = ("Connection closed by peer", "Connection reset by peer", "Broken pipe", "gloo", "Timed out waiting")


class Worker:
    """One run, from its spec to its scoreboard.

    Args:
        folder: The run folder.

    Raises:
        SettingError: The spec cannot be read, or asks for a device that is absent.
    """

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder
        # The data folder that this run lies in, whatever the environment says: HOME/runs/ID.
        self.home = folder.path.parents[1]
        self.spec: RunSpec = folder.spec
        self.distributed = choose_distributed(self.spec.training)
        processes_here = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
        torch.set_num_threads(self.spec.training.num_threads or threads_wanted(processes_here))
        torch.manual_seed(self.spec.training.seed)
        self.attempt = max(1, int(folder.read_state().get("attempt") or 1))
        self.local = LocalTracker(folder.path, segment=self.attempt - 1)
        self.signalled = 0.0

    def run(self) -> tuple[Status, str]:
        """Train, test and record; return ("finished" or "stopped", why it ended before its last epoch or "")."""
        self.distributed.setup()
        try:
            return self._run()
        finally:
            self.distributed.cleanup()

    def _run(self) -> tuple[Status, str]:
        dataset = load_dataset(self.home / "datasets", self.spec.data.dataset)
        model = self._build_model(dataset)
        dataset = self._fitting(dataset, model.adapter.max_residues)
        strategy = build_strategy(self.spec.strategy.model_dump())
        strategy.setup(model)
        self._start_from(model)
        if self.distributed.is_main_process:
            self._describe(dataset, model, strategy)
        progress = self._train(dataset, model, strategy)
        # Who sends a signal wants the process gone within seconds; a request in the folder leaves time for the score.
        # Collected, because the processes predict together or not at all.
        if not any(self.distributed.collect(bool(self.signalled))):
            test, val = (self._loader(dataset, model, part) for part in ("test", "val"))
            amp = strategy.settings.amp
            frozen = Frozen(self._prefix_folder(), self.spec.training.keep_frozen_gb)
            score(
                self.folder, dataset, model, test, validation=val, distributed=self.distributed, amp=amp, frozen=frozen
            )
        return how_it_ended(progress)

    def _fitting(self, dataset: Dataset, max_residues: int) -> Dataset:
        fitting = dataset.fitting(max_residues)
        if num_skipped := sum(dataset.counts.values()) - sum(fitting.counts.values()):
            logger.info("Left out %d rows with more than %d residues, as the data ask for.", num_skipped, max_residues)
        return fitting

    def _describe(self, dataset: Dataset, model: MolfunStructureModel, strategy: FinetuneStrategy) -> None:
        """Write down what trains, and on what; hold that its checkpoints find room."""
        self.folder.write_parameters(count_parts(model, strategy.param_groups(model)))
        environment = describe_environment(self.distributed.device, num_processes=self.distributed.world_size)
        self.folder.write_environment(environment)
        self.folder.write_state(num_train=dataset.counts["train"], heartbeat=time.time())
        num_trainable = sum(p.numel() for p in model.parameters() if p.requires_grad)
        check_room(self.folder, num_trainable, has_average=self.spec.strategy.ema_decay > 0)

    def _start_from(self, model: MolfunStructureModel) -> None:
        """Put the weights of another run's checkpoint in, where the spec names one."""
        if not self.spec.model.start_from:
            return
        path = checkpoint_of(self.home, self.spec.model.start_from)
        load_weights(model, path)
        model.adapter.weights = self.spec.model.start_from
        logger.info("Starting from the weights of %s.", path)

    def _build_model(self, dataset: Dataset) -> MolfunStructureModel:
        logger.info("Building %s with %s weights.", self.spec.model.name, self.spec.model.weights)
        return build_run_model(self.spec, dataset)

    def _train(self, dataset: Dataset, model: MolfunStructureModel, strategy: FinetuneStrategy) -> Progress:
        """Fit, from the newest checkpoint where there is one, and return how far it came."""
        training, is_main = self.spec.training, self.distributed.is_main_process
        callback = FolderCallback(self.folder, self.local, self._forecast(dataset)) if is_main else ProgressCallback()
        if is_main:
            self._open_record()
        self._install_signals(callback)
        train = self._loader(dataset, model, "train")
        try:
            strategy.fit(
                model, train, self._loader(dataset, model, "val"), self.folder.epochs,
                callbacks=[callback], distributed=self.distributed,
                checkpoint_dir=self.folder.checkpoints, save_every=training.save_every,
                save_every_steps=training.save_every_steps, save_every_minutes=training.save_every_minutes,
                keep_checkpoints=training.keep_checkpoints, resume_from=AUTO,
                gradient_checkpointing=training.gradient_checkpointing, compile_blocks=training.compile_blocks,
                seed=training.seed, deterministic=training.deterministic,
                rehearse_batch=heaviest_batch(train) if self.spec.launch.rehearse else None,
                prefix_cache=self._prefix_folder(), prefix_cache_gb=training.keep_frozen_gb,
            )  # fmt: skip
        except BaseException as error:
            with suppress(OSError):  # where the disk is full
                self._end_record("failed", explain_failure(error))
            raise
        self._end_record(how_it_ended(callback.progress)[0])
        return callback.progress

    def _prefix_folder(self) -> Path | None:
        """Return where states behind the frozen part are kept; None where the same rows hardly ever come again."""
        training = self.spec.training
        wants = training.keep_frozen and not training.crop_size and not self.distributed.shares_weights
        return self.home / "cache" / "frozen" if wants else None

    def _end_record(self, status: Status, cause: str = "") -> None:
        if self.distributed.is_main_process:
            self.local.end_run(status, cause)

    def _forecast(self, dataset: Dataset) -> Callable[[Rehearsal], float]:
        """Return what turns the time of the heaviest batch into that of the whole fit."""
        lengths = {
            part: sum(int(dataset.part(part)[f"chain_{i + 1}"].str.len().sum()) for i in range(dataset.num_chains))
            for part in ("train", "val")
        }
        processes = self.distributed.world_size
        return lambda found: forecast_seconds(found, lengths, epochs=self.folder.epochs, num_processes=processes)

    def _open_record(self) -> None:
        """Open the record of this attempt, from which senders take what remote trackers get.

        Where it goes on from is an event of its own.
        """
        self.local.start_run(run_id=self.folder.id, name=self.spec.name)
        self.local.log_config(self.spec.model_dump(mode="json"))

    def _install_signals(self, callback: ProgressCallback) -> None:
        """Let SIGTERM, SIGINT and SIGUSR1 end the run after the step under way; a second one ends it at once.

        Whichever process gets it, all stop at the same step; the request in the folder lets the app show it at once.
        """

        def on_signal(number: int, frame: FrameType | None) -> None:
            # One wish may come several times: a cluster signals every process, and the supervisor hands its own on.
            if self.signalled and time.monotonic() - self.signalled > SAME_WISH_SECONDS:
                signal.signal(number, signal.SIG_DFL)
                os.kill(os.getpid(), number)
                return
            self.signalled = self.signalled or time.monotonic()
            logger.info("Received %s; ending after this step.", signal.Signals(number).name)
            callback.wants_stop = True
            with suppress(RunError):  # where the disk is full, the page shows "stopping" a little later
                if "stop" not in control.requested(self.folder):
                    control.request(self.folder, "stop", by="signal")

        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
            signal.signal(number, on_signal)

    def _loader(self, dataset: Dataset, model: MolfunStructureModel, part: str) -> DataLoader[Any]:
        return make_loader(
            dataset, part, encoder=model.adapter.alphabet, max_residues=model.adapter.max_residues,
            batch_size=self.spec.training.batch_size, shuffle=part == "train", seed=self.spec.training.seed,
            crop_size=self.spec.training.crop_size if part == "train" else 0,
            batch_by=self.spec.training.batch_by, num_processes=self.distributed.world_size,
            least_rows=find_loss(self.spec.strategy.loss_fn).min_items,
        )  # fmt: skip


def choose_distributed(training: TrainingSettings) -> BaseDistributedStrategy:
    """Return how this process trains: alone, or with those that torchrun started beside it.

    Raises:
        SettingError: The device that the settings ask for is absent.
    """
    if not is_one_of_several():
        if training.num_processes > 1:
            logger.warning("The run was meant for %d processes, but this is the only one.", training.num_processes)
        return SingleDevice(training.device)
    return (FSDPStrategy if training.distributed == "fsdp" else DDPStrategy)(device=training.device)


def explain_failure(error: BaseException) -> str:
    """Return the cause of a failed run in plain words, with what to do."""
    # Before anything is cut off: half a key is no longer recognised as one.
    text = redact(str(error), secret_values(os.environ)).strip()
    if error_number(error) in (errno.ENOSPC, errno.EDQUOT):
        return DISK_FULL
    if isinstance(error, MolfunError):
        return text
    if isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in text:
        return f"Out of memory. {LESS_MEMORY}"
    first = text.splitlines()[0][:200] if text else "no message"
    if lost_a_peer(error):
        return f"Another process of this run ended or could not be reached ({first}). The log has the details. {RESUME}"
    return f"Unexpected problem: {type(error).__name__}: {first}. The log has the details; please report it."


def lost_a_peer(error: BaseException) -> bool:
    """Tell whether a process fails because another one of the same run is gone or out of reach."""
    if isinstance(error, MolfunError) or not is_one_of_several():
        return False
    return isinstance(error, dist.DistError) or (
        isinstance(error, RuntimeError) and any(words in str(error) for words in LOST_PEER)
    )


def run_folder(folder: RunFolder) -> int:
    """Train the run in `folder` and record how it ended; return the exit code."""
    rank, notes = own_rank(), os.environ.get(NOTES)
    report = SupervisedReport(folder, rank, Path(notes)) if notes else Report(folder, rank)
    report.begin()
    try:
        status, cause = Worker(folder).run()
    except Exception as error:
        logger.exception("Lost the other processes." if lost_a_peer(error) else "The run failed.")
        with suppress(OSError):  # on a full disk nothing can be noted; the supervisor sees how full it is
            report.fail(explain_failure(error), is_secondary=lost_a_peer(error))
        return 1
    report.end(status, cause)
    return 0


def is_one_of_several() -> bool:
    """Tell whether torchrun started others beside this process."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1


def own_rank() -> int:
    """Return the number of this process among those of the run, 0 where it is the only one."""
    return int(os.environ.get("RANK", "0"))


def main() -> int:
    """Entry point; the log goes to standard output, which the launcher sends to the run folder."""
    parser = argparse.ArgumentParser(description="Train one run.")
    parser.add_argument("run_dir", type=Path)
    guard_streams()
    level, who = (logging.WARNING, f"[rank {own_rank()}] ") if own_rank() else (logging.INFO, "")
    logging.basicConfig(level=level, format=f"%(asctime)s {who}%(message)s", stream=sys.stdout)
    return run_folder(RunFolder(parser.parse_args().run_dir.absolute()))


if __name__ == "__main__":
    sys.exit(main())
