"""What the worker writes while it trains: state, events and log of the run, from the hooks of the loop.

Loads no torch: only types of the loop are named here.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from molfun.data.settings import PRIMARY_METRIC
from molfun.runs import control
from molfun.runs.files import read_json
from molfun.runs.store import RunFolder
from molfun.tracking.base import Status
from molfun.tracking.local import LocalTracker
from molfun.training.callbacks import Callback
from molfun.training.progress import Progress

if TYPE_CHECKING:
    from molfun.training.loop import Loop

logger = logging.getLogger("molfun.worker")

STOPPED_BY_USER = "stopped by the user"
SECONDS_BETWEEN_STATES = 1.0
# Names that `molfun.training.checkpoint` gives; importing it would load torch.
BEST, MANIFEST = "best", "manifest.json"


class Onlooker(Callback):
    """Keeps the progress of a fit at hand and stops it on a signal: for processes that are not the main one."""

    def __init__(self) -> None:
        self.progress = Progress.blank()
        self.wants_stop = False

    @override
    def on_fit_begin(self, loop: Loop) -> None:
        self.progress = loop.progress

    @override
    def on_step_end(self, loop: Loop, metrics: Mapping[str, float]) -> None:
        if self.wants_stop:
            loop.request_stop(STOPPED_BY_USER)


class FolderCallback(Onlooker):
    """Keeps `state.json` and `events.jsonl` up to date and obeys requests of the app."""

    def __init__(self, folder: RunFolder, local: LocalTracker) -> None:
        super().__init__()
        self.folder, self.local = folder, local
        self._last_write = 0.0

    @override
    def on_fit_begin(self, loop: Loop) -> None:
        super().on_fit_begin(loop)
        progress = loop.progress
        self.folder.write_state(
            status="running",
            epochs=progress.epochs,
            total_steps=progress.total_steps,
            precision=loop.precision.reason,
            **self._resumed(loop),
        )
        self._write(loop)

    def _resumed(self, loop: Loop) -> dict[str, Any]:
        """Note where an earlier attempt is taken up; the pace of this one counts from there."""
        if not loop.resumed_from:
            return {}
        step, total = loop.progress.step, loop.progress.total_steps
        self.local.log_event("resume", name=loop.resumed_from, step=step)
        return {"resumed": time.time(), "resumed_step": step, "resumed_progress": step / total}

    @override
    def on_step_end(self, loop: Loop, metrics: Mapping[str, float]) -> None:
        super().on_step_end(loop, metrics)
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
        # Training may have gone on since this was taken.
        step = read_json(path / MANIFEST).get("step")
        self.local.log_event("best" if name == BEST else "checkpoint", name=name, step=step)

    @override
    def on_alert(self, loop: Loop, message: str) -> None:
        logger.warning(message)
        self.local.log_event("alert", message=message, step=loop.progress.step)

    def _write(self, loop: Loop) -> None:
        progress = loop.progress
        self.folder.write_state(
            heartbeat=time.time(),
            step=progress.step,
            epoch=progress.epoch,
            best=best_of(progress.history, progress.best_epoch),
        )


def best_of(history: list[dict[str, float]], best_epoch: int) -> dict[str, Any]:
    """Return {"metric", "value", "epoch", "val_loss"} of the best epoch, counted from 1, or {} where there is none."""
    if not 0 < best_epoch <= len(history):
        return {}
    row = history[best_epoch - 1]
    metric = next((name for name in PRIMARY_METRIC.values() if f"val_{name}" in row), "")
    return {"metric": metric, "value": row.get(f"val_{metric}"), "epoch": best_epoch, "val_loss": row["val_loss"]}


def how_it_ended(progress: Progress) -> tuple[Status, str]:
    """Return ("finished" or "stopped", why a run ended before its last epoch, or "")."""
    if progress.epoch >= progress.epochs or not progress.stop_reason:
        return "finished", ""
    if progress.stop_reason == STOPPED_BY_USER:
        return "stopped", "Stopped on request; the last checkpoint is kept."
    return "finished", f"Ended after epoch {progress.epoch} of {progress.epochs}: {progress.stop_reason}."
