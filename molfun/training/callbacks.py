"""Hooks around the loop. Trackers, steering and progress displays are callbacks or read as such."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from typing_extensions import override

if TYPE_CHECKING:
    from molfun.training.loop import Loop
    from molfun.training.rehearsal import Rehearsal


class Callback:
    """Base of all hooks; override those you need. `loop` has model, optimiser, progress, `request_stop(reason)` and the
    other requests."""

    def on_fit_begin(self, loop: Loop) -> None:
        """Run before the first batch, after a resume."""

    def on_step_end(self, loop: Loop, metrics: Mapping[str, float]) -> None:
        """Run after every optimiser step with loss, every group's lr, grad_norm, tokens_per_second, epoch."""

    def on_epoch_end(self, loop: Loop, metrics: Mapping[str, float]) -> None:
        """Run after every epoch's validation with its row of the history."""

    def on_checkpoint(self, loop: Loop, name: str, path: Path) -> None:
        """Run on the main process once a checkpoint is on disk, which may be some steps after it was taken."""

    def on_alive(self, loop: Loop) -> None:
        """Run at every batch of a validation and twice a second in a pause: signs of life between steps."""

    def on_steered(self, loop: Loop, action: str, about: Mapping[str, Any]) -> None:
        """Run on every process once a request is obeyed.

        `action` is stop_after_epoch, checkpoint, lr, epochs, pause or go_on; `about` holds its numbers.
        """

    def on_rehearsal(self, loop: Loop, rehearsal: Rehearsal) -> None:
        """Run once the heaviest batch was tried, before the first step."""

    def on_alert(self, loop: Loop, message: str) -> None:
        """Run when something went wrong that does not end training, a checkpoint that could not be written."""

    def on_fit_end(self, loop: Loop) -> None:
        """Run after the last epoch; not after an error."""


class CallbackList(Callback):
    """Several callbacks as one, called in order."""

    def __init__(self, callbacks: Iterable[Callback]) -> None:
        self.callbacks = list(callbacks)

    @override
    def on_fit_begin(self, loop: Loop) -> None:
        for callback in self.callbacks:
            callback.on_fit_begin(loop)

    @override
    def on_step_end(self, loop: Loop, metrics: Mapping[str, float]) -> None:
        for callback in self.callbacks:
            callback.on_step_end(loop, metrics)

    @override
    def on_epoch_end(self, loop: Loop, metrics: Mapping[str, float]) -> None:
        for callback in self.callbacks:
            callback.on_epoch_end(loop, metrics)

    @override
    def on_checkpoint(self, loop: Loop, name: str, path: Path) -> None:
        for callback in self.callbacks:
            callback.on_checkpoint(loop, name, path)

    @override
    def on_alive(self, loop: Loop) -> None:
        for callback in self.callbacks:
            callback.on_alive(loop)

    @override
    def on_steered(self, loop: Loop, action: str, about: Mapping[str, Any]) -> None:
        for callback in self.callbacks:
            callback.on_steered(loop, action, about)

    @override
    def on_rehearsal(self, loop: Loop, rehearsal: Rehearsal) -> None:
        for callback in self.callbacks:
            callback.on_rehearsal(loop, rehearsal)

    @override
    def on_alert(self, loop: Loop, message: str) -> None:
        for callback in self.callbacks:
            callback.on_alert(loop, message)

    @override
    def on_fit_end(self, loop: Loop) -> None:
        for callback in self.callbacks:
            callback.on_fit_end(loop)
