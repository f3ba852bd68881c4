"""The contract of a launcher: a place where a run's processes are started, looked after and ended."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from molfun.runs.folder import RunFolder
from molfun.runs.spec import RunSpec

How = Literal["save", "now"]
JobState = Literal["queued", "running", "done", "failed", "cancelled", "interrupted", "unknown"]


@dataclass(frozen=True)
class Job:
    """What the place where a run was sent says of it.

    Attributes:
        state: "interrupted" is a job that lost its nodes and is not back yet; "unknown" a place that gives no answer.
        reason: Why, in plain words; empty where there is nothing to say.
    """

    state: JobState
    reason: str = ""


class Launcher(ABC):
    """One place where runs can be sent. Keeps no state of its own: everything is read from the run folder."""

    name: ClassVar[str]

    @abstractmethod
    def check(self, spec: RunSpec) -> None:
        """Hold that a run can be sent there, before anything is created. May take seconds.

        Raises:
            RunError: The place is missing or out of reach.
            SettingError: It cannot give what the settings ask for.
        """

    @abstractmethod
    def start(self, folder: RunFolder) -> None:
        """Begin a new attempt at a run and return at once; the run outlives the caller.

        A run that was stopped, failed or was lost goes on from its last checkpoint.

        Raises:
            RunError: The run could not be sent, is waiting or at work already, or is finished.
            SettingError: The run has no readable spec.
        """

    @abstractmethod
    def poll(self, folder: RunFolder) -> Job:
        """Ask the place what became of a run; one that gives no answer is "unknown", never an error."""

    @abstractmethod
    def stop(self, folder: RunFolder, how: How = "save") -> None:
        """End a run: "save" at the next step, with a checkpoint; "now" ends its processes. One that waits is cancelled.

        Raises:
            RunError: The run is neither waiting nor at work.
        """

    def logs(self, folder: RunFolder) -> str:
        """Return the end of what the run printed."""
        return folder.log_tail()

    @abstractmethod
    def preview(self, spec: RunSpec, run_dir: Path) -> str:
        """Return what `start` would run, as people can read and copy it.

        Args:
            spec: The run's settings.
            run_dir: Its folder; need not exist.
        """
