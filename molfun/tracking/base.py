"""What every tracker can do, and the null case. A tracker is a sink of metrics; it never steers a run."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from typing_extensions import override

Status = Literal["finished", "stopped", "failed"]


class BaseTracker(ABC):
    """A sink of configuration, metrics, files and texts of one run.

    Only `log_metrics` must be written; everything else does nothing unless a tracker has a place for it. As a context
    manager it ends the run: "finished" when the block ends, "failed" when it raises (the exception goes on).
    """

    def start_run(
        self, run_id: str = "", name: str = "", group: str = "", tags: Sequence[str] = (), resume: bool = False
    ) -> None:
        """Open the record of a run.

        Args:
            run_id: Id of the run folder; empty lets the tracker choose one.
            name: Name on screen.
            group: Runs of one group are compared with each other.
            tags: Free words to find it by.
            resume: Whether to go on with an earlier record of the same id.
        """
        return

    def log_config(self, config: Mapping[str, Any]) -> None:
        """Record settings, once, as a nested mapping of plain values."""
        return

    @abstractmethod
    def log_metrics(self, metrics: Mapping[str, float], step: int) -> None:
        """Record the metrics of one epoch; `step` is its number, counted from 1."""

    def log_step(self, metrics: Mapping[str, float], step: int) -> None:
        """Record the metrics of one optimiser step; `step` is its number, counted from 1. Called very often."""
        return

    def log_artifact(self, path: Path, name: str = "") -> None:
        """Record a file or folder, under `name` or its own name."""
        return

    def log_text(self, text: str, name: str) -> None:
        """Record a text."""
        return

    def end_run(self, status: Status = "finished", error: str = "") -> None:
        """Close the record; `error` says why a run failed."""
        return

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.end_run("finished")
        else:
            self.end_run("failed", f"{type(error).__name__}: {error}")


class NullTracker(BaseTracker):
    """Records nothing: for processes that are not the main one."""

    @override
    def log_metrics(self, metrics: Mapping[str, float], step: int) -> None:
        return
