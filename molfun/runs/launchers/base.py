"""The contract of a launcher: start a run's worker somewhere, and end it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Literal

from molfun.runs.store import RunFolder

How = Literal["save", "now"]


class Launcher(ABC):
    """One place where workers run. Keeps no state of its own: everything is read from the run folder."""

    @abstractmethod
    def start(self, folder: RunFolder) -> None:
        """Start the worker of a run and return at once; the worker outlives the caller.

        A run that was stopped, failed or was lost goes on from its last checkpoint.

        Raises:
            RunError: The worker could not be started, one is at work on this run, or the run is finished.
            SettingError: The run has no readable spec.
        """

    @abstractmethod
    def stop(self, folder: RunFolder, how: How = "save") -> None:
        """End a run: "save" at the next step, with a checkpoint; "now" ends the process.

        Raises:
            RunError: The run is not running.
        """
