"""What is asked of a fit while it trains, and how all processes obey at the same step edge.

Callbacks of the main process ask; what others ask is ignored, but for a stop, which any process may want.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from molfun.errors import RunError
from molfun.training.checkpoint import LAST
from molfun.training.schedules import retarget, scale_rates

if TYPE_CHECKING:
    from molfun.training.loop import Loop

# How often a paused fit looks whether it may go on; far below the timeouts of gloo and nccl.
PAUSE_SECONDS = 0.5


class Steering:
    """Requests of one fit.

    Args:
        loop: The fit.
    """

    def __init__(self, loop: Loop) -> None:
        self.loop = loop
        self.wants_pause = False
        self.wants_save = False
        self.lr_factor = 1.0
        self.epochs = 0
        self.stop_after_epoch = ""
        # The reason, once every process knows it.
        self.ends_after_epoch = ""

    def ask_epochs(self, epochs: int) -> None:
        """Ask for another number of epochs.

        Raises:
            RunError: That many are trained already, or are under way beyond it.
        """
        progress = self.loop.progress
        done = progress.epoch + bool(progress.steps_done_in_epoch)
        if epochs < done:
            raise RunError(f"The fit cannot have {epochs} epochs: {done} have begun; ask for {done} or more.")
        self.epochs = 0 if epochs == progress.epochs else epochs

    def obey(self) -> float:
        """Do what was asked, on every process; return the seconds that were spent in a pause."""
        if not self._obey_once(can_save=True):
            return 0.0
        loop, began = self.loop, time.monotonic()
        loop.save([(LAST, "raw")])
        self._tell("pause")
        is_paused = True
        while is_paused:
            time.sleep(PAUSE_SECONDS)
            loop.callbacks.on_alive(loop)
            is_paused = self._obey_once(can_save=False)
        self._tell("go_on")
        return time.monotonic() - began

    def _obey_once(self, *, can_save: bool) -> bool:
        """Agree on what is asked in one collective, and do it; return whether to pause (or to stay paused).

        Args:
            can_save: Whether a save by the clock may be due, which it is not where nothing is trained.
        """
        loop, is_main = self.loop, self.loop.distributed.is_main_process
        is_due = can_save and is_main and loop.policy.is_due(loop.progress.step)
        own = (
            float(is_due), float(self.wants_save), self.lr_factor - 1.0, float(self.epochs),
            float(bool(self.stop_after_epoch)), float(self.wants_pause),
        )  # fmt: skip
        stops, due, saves, factor, epochs, after_epoch, pauses = loop.distributed.total(
            float(bool(loop.progress.stop_reason)), *(value if is_main else 0.0 for value in own)
        )
        if stops:
            loop.share_stop()
            return False
        if factor:
            self._scale(1.0 + factor)
        if epochs:
            self._retarget(int(epochs))
        if after_epoch and not self.ends_after_epoch:
            self.ends_after_epoch = loop.distributed.collect(self.stop_after_epoch)[0]
            self._tell("stop_after_epoch")
        if saves or due:
            loop.save([(LAST, "raw")])
        if saves:
            self.wants_save = False
            self._tell("checkpoint")
        return bool(pauses)

    def _scale(self, factor: float) -> None:
        loop = self.loop
        loop.progress.lr_factor *= factor
        scale_rates(loop.scheduler, factor)
        self.lr_factor = 1.0
        self._tell("lr", {"factor": factor, "lr_factor": loop.progress.lr_factor})

    def _retarget(self, epochs: int) -> None:
        loop, before = self.loop, self.loop.progress.epochs
        loop.progress.epochs, self.epochs = epochs, 0
        retarget(loop.scheduler, loop.progress.total_steps)
        self._tell("epochs", {"epochs": epochs, "before": before})

    def _tell(self, action: str, about: Mapping[str, Any] | None = None) -> None:
        self.loop.callbacks.on_steered(self.loop, action, about or {})
