"""What the worker writes while it trains: state, events and log of the run, from the hooks of the loop.

Loads no torch: only types of the loop are named here.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from molfun.data.settings import PRIMARY_METRIC
from molfun.errors import RunError
from molfun.runs import control
from molfun.runs.files import read_json
from molfun.runs.folder import RunFolder
from molfun.runs.resources import Resources
from molfun.tracking.base import Status
from molfun.tracking.local import LocalTracker
from molfun.training.callbacks import Callback
from molfun.training.progress import Progress

if TYPE_CHECKING:
    from molfun.training.loop import Loop
    from molfun.training.rehearsal import Rehearsal

logger = logging.getLogger("molfun.worker")

STOPPED_BY_USER = "stopped by the user"
# What the loop calls an act: what it is in words, and the request that it fulfils and that is forgotten then.
STEERED = {
    "stop_after_epoch": "Will stop after this epoch", "checkpoint": "Saved on request", "lr": "Learning rate changed",
    "epochs": "Epochs changed", "pause": "Paused", "go_on": "Went on",
}  # fmt: skip
OBEYED = {"checkpoint": "checkpoint", "lr": "halve_lr", "epochs": "extend"}
SECONDS_BETWEEN_STATES = 1.0
# Names that `molfun.training.checkpoint` gives; importing it would load torch.
BEST, MANIFEST = "best", "manifest.json"


class ProgressCallback(Callback):
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


class FolderCallback(ProgressCallback):
    """Keeps metrics, `state.json` and `events.jsonl` up to date and obeys requests of the app.

    Metrics are written here and not by the fit's tracker, which is set aside when it fails: a run whose own record
    cannot be written must fail, not go on unseen.

    Args:
        folder: The run folder.
        local: Its record.
        forecast: Returns the seconds that the fit will take, given what the rehearsal measured.
    """

    def __init__(
        self, folder: RunFolder, local: LocalTracker, forecast: Callable[[Rehearsal], float] | None = None
    ) -> None:
        super().__init__()
        self.folder, self.local, self.forecast = folder, local, forecast
        self.resources = Resources()
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
    def on_rehearsal(self, loop: Loop, rehearsal: Rehearsal) -> None:
        seconds = self.forecast(rehearsal) if self.forecast else None
        self.folder.write_preflight({**self.folder.read_preflight(), **asdict(rehearsal), "forecast_seconds": seconds})
        self._beat()

    @override
    def on_step_end(self, loop: Loop, metrics: Mapping[str, float]) -> None:
        super().on_step_end(loop, metrics)
        self.local.log_step({**metrics, **self.resources.sample()}, step=loop.progress.step)
        obey(self.folder, loop)
        if time.monotonic() - self._last_write >= SECONDS_BETWEEN_STATES:
            self._write(loop)

    @override
    def on_alive(self, loop: Loop) -> None:
        obey(self.folder, loop)
        if time.monotonic() - self._last_write >= SECONDS_BETWEEN_STATES:
            self._beat()

    @override
    def on_steered(self, loop: Loop, action: str, about: Mapping[str, Any]) -> None:
        progress = loop.progress
        logger.info("%s after step %d%s.", STEERED.get(action, action), progress.step, _in_words(about))
        self.local.log_event("steer", action=action, step=progress.step, **about)
        if action in OBEYED:
            control.clear(self.folder, OBEYED[action])
        if action in ("pause", "go_on"):
            self.folder.write_state(paused=action == "pause")
        if action == "epochs":
            self.folder.write_state(epochs=progress.epochs, total_steps=progress.total_steps)

    @override
    def on_epoch_end(self, loop: Loop, metrics: Mapping[str, float]) -> None:
        self.local.log_metrics(metrics, step=loop.progress.epoch)
        logger.info("Epoch %d: %s", loop.progress.epoch, ", ".join(f"{k} {v:.4g}" for k, v in metrics.items()))
        self.folder.write_state(padding_share=round(loop.padding_share, 4))
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

    def _beat(self) -> None:
        self._last_write = time.monotonic()
        self.folder.write_state(heartbeat=time.time())

    def _write(self, loop: Loop) -> None:
        progress = loop.progress
        self._last_write = time.monotonic()
        self.folder.write_state(
            heartbeat=time.time(),
            step=progress.step,
            epoch=progress.epoch,
            best=best_of(progress.history, progress.best_epoch),
        )


def obey(folder: RunFolder, loop: Loop) -> None:
    """Hand what people ask of a run to its loop, which lets every process obey at the same step edge."""
    asked = control.requested(folder)
    if "stop" in asked:
        loop.request_stop(STOPPED_BY_USER)
    if "stop_after_epoch" in asked:
        loop.request_stop_after_epoch(STOPPED_BY_USER)
    if "checkpoint" in asked:
        loop.request_save()
    if "halve_lr" in asked:
        loop.request_lr_factor(0.5)
    if "extend" in asked:
        _extend(folder, loop)
    if "pause" in asked:
        loop.request_pause()
    else:
        loop.request_go_on()


def _extend(folder: RunFolder, loop: Loop) -> None:
    if folder.epochs == loop.progress.epochs:
        control.clear(folder, "extend")
        return
    try:
        loop.request_epochs(folder.epochs)
    except RunError as error:
        logger.warning("The run cannot be given other epochs: %s", error)
        control.clear(folder, "extend")


def _in_words(about: Mapping[str, Any]) -> str:
    return "".join(f", {name.replace('_', ' ')} {value:.4g}" for name, value in about.items())


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
