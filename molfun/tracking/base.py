"""What every tracker can do, and the null case. A tracker is a sink of metrics; it never steers a run."""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Literal, NamedTuple, Self

from typing_extensions import override

Status = Literal["finished", "stopped", "failed"]


class Row(NamedTuple):
    """One row of the local record.

    Attributes:
        kind: "step" (an optimiser step) or "epoch".
        step: Number of the step or of the epoch, from 1.
        t: When it was measured, unix seconds.
        metrics: Numbers by name, all finite.
        segment: 0 for the first attempt at a run, one more for every resume.
        place: Byte behind it in the record, by which a service can tell that it has it; 0 where there is no record.
    """

    kind: Literal["step", "epoch"]
    step: int
    t: float
    metrics: Mapping[str, float]
    segment: int = 0
    place: int = 0


class BaseTracker(ABC):
    """A sink of configuration, metrics, files and texts of one run.

    Attributes:
        speaks_to_service: Whether its calls may have to wait for somebody; `fit` then makes them from a thread.
        confirms_at_end: Whether only `end_run`, and not `flush`, tells that the service has everything.

    Only `log_metrics` must be written; everything else does nothing unless a tracker has a place for it. As a context
    manager it ends the run: "finished" when the block ends, "failed" when it raises (the exception goes on).
    """

    speaks_to_service: ClassVar[bool] = False
    confirms_at_end: ClassVar[bool] = False

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

    def log_rows(self, rows: Sequence[Row]) -> None:
        """Record many rows of the local record, in order; a row that comes again after a failure is the same row."""
        for row in rows:
            log = self.log_step if row.kind == "step" else self.log_metrics
            log(row.metrics, row.step)

    def log_summary(self, values: Mapping[str, float]) -> None:
        """Record what a run came to, such as its test scores: one number a name."""
        return

    def log_artifact(self, path: Path, name: str = "") -> None:
        """Record a file or folder, under `name` or its own name."""
        return

    def log_text(self, text: str, name: str) -> None:
        """Record a text."""
        return

    def flush(self) -> None:
        """Return once the service has taken everything so far.

        Raises:
            Exception: It has not, or that cannot be known; what was logged since the last `flush` is logged again.
        """
        return

    @property
    def link(self) -> str:
        """Address of the run's own page at the service; empty where it has none."""
        return ""

    def check(self) -> str:
        """Ask the service whether it knows us; return whom it takes us for, in words.

        Raises:
            Exception: It cannot be reached, or refuses the key.
        """
        return "This tracker needs no service."

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


def finite(metrics: Mapping[str, Any]) -> dict[str, float]:
    """Return floats; what is not finite is left out, since services store it as text or as the largest number.

    >>> finite({"loss": 0.5, "grad_norm": float("nan"), "lr": 1})
    {'loss': 0.5, 'lr': 1.0}
    """
    numbers = {name: float(value) for name, value in metrics.items() if value is not None}
    return {name: value for name, value in numbers.items() if math.isfinite(value)}


def public_address(url: str) -> str:
    """Return an address without user and password.

    >>> public_address("https://ana:secret@host:5000/x")
    'https://host:5000/x'
    """
    # Up to the last @: a password may have one that nobody escaped.
    return re.sub(r"://[^/\s]*@", "://", url)


def flat(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested settings as one level with dotted names; empty mappings and lists are left out.

    >>> flat({"strategy": {"lr": 0.001, "blocks": [1, 2]}, "name": "a"})
    {'strategy.lr': 0.001, 'strategy.blocks': [1, 2], 'name': 'a'}
    """
    found: dict[str, Any] = {}
    for name, value in config.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{prefix}{name}.")
        elif value not in (None, [], ()):
            found[f"{prefix}{name}"] = value
    return found
