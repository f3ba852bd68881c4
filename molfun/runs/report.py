"""How a process of a run says that it begins, ends or fails: in the run's state, or to the supervisor of several."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from typing_extensions import override

from molfun.runs import control
from molfun.runs.endings import note_end, note_failure
from molfun.runs.process import identity_of
from molfun.runs.store import RunFolder
from molfun.tracking.base import Status


class Report:
    """Writes the beginning and the end of this attempt into the run's state: on the main process only.

    Args:
        folder: The run folder.
        rank: Number of this process among those of the run; 0 is the main one.
    """

    def __init__(self, folder: RunFolder, rank: int) -> None:
        self.folder, self.rank = folder, rank

    def begin(self) -> None:
        """Note that this process works on the run."""
        self._write(status="starting", cause="", started=time.time(), ended=None, **identity_of(os.getpid()))

    def end(self, status: Status, cause: str) -> None:
        """Note how the run ended."""
        if self.rank == 0:
            # Before the end is known: from then on the run may be started again, and be asked again.
            control.clear(self.folder, "stop")
        self._write(status=status, cause=cause, ended=time.time())

    def fail(self, cause: str, *, is_secondary: bool) -> None:
        """Note why this process fails, and whether only because another one was gone."""
        self._write(status="failed", cause=cause, ended=time.time())

    def _write(self, **changes: Any) -> None:
        if self.rank == 0:
            self.folder.write_state(heartbeat=time.time(), **changes)


class SupervisedReport(Report):
    """Tells the supervisor, which alone knows how all processes ended, and by which a run is found.

    Args:
        folder: The run folder.
        rank: Number of this process.
        notes: Where the supervisor looks.
    """

    def __init__(self, folder: RunFolder, rank: int, notes: Path) -> None:
        super().__init__(folder, rank)
        self.notes = notes

    @override
    def begin(self) -> None:
        self._write(started=time.time())

    @override
    def end(self, status: Status, cause: str) -> None:
        if self.rank == 0:
            note_end(self.notes, status, cause)

    @override
    def fail(self, cause: str, *, is_secondary: bool) -> None:
        note_failure(self.notes, self.rank, cause, is_secondary=is_secondary)
