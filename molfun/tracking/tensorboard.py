"""Event files for TensorBoard, in the run folder: curves, settings and texts. Needs no package and no service."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from typing_extensions import override

from molfun.tracking.base import BaseTracker, Row, Status, finite, flat
from molfun.tracking.event_files import Scalar, record, scalar_event, text_event, version_event

PATTERN = "events.out.tfevents.*"


class TensorBoardTracker(BaseTracker):
    """Write event files; `tensorboard --logdir FOLDER` shows them.

    Args:
        project: Not used; every tracker is given one.
        folder: Where they lie; None is `tensorboard` in the working folder.

    Example:
        with TensorBoardTracker(folder=Path("curves")) as tracker:
            strategy.fit(model, loader, tracker=tracker)
    """

    def __init__(self, project: str = "molfun", folder: Path | None = None) -> None:
        self.folder = folder or Path("tensorboard")
        self._file: BinaryIO | None = None

    @override
    def start_run(
        self, run_id: str = "", name: str = "", group: str = "", tags: Sequence[str] = (), resume: bool = False
    ) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        if run_id and not resume:  # this very run, sent once more; files of any other stay
            for earlier in self.folder.glob(PATTERN):
                earlier.unlink()
        # TensorBoard reads the files of a folder in the order of their names; a file that was ended is not read again.
        self._file = (self.folder / f"events.out.tfevents.{time.time_ns()}.{os.getpid()}").open("wb")
        self._write(version_event(time.time()))
        self.flush()

    def _write(self, event: bytes) -> None:
        if self._file is None:
            self.start_run()
        assert self._file is not None
        self._file.write(record(event))

    @override
    def log_config(self, config: Mapping[str, Any]) -> None:
        rows = [f"| {name} | {_cell(value)} |" for name, value in flat(config).items()]
        self.log_text("\n".join(["| setting | value |", "|---|---|", *rows]), "settings")

    @override
    def log_metrics(self, metrics: Mapping[str, float], step: int) -> None:
        self.log_rows([Row("epoch", step, time.time(), finite(metrics))])
        self.flush()

    @override
    def log_step(self, metrics: Mapping[str, float], step: int) -> None:
        self.log_rows([Row("step", step, time.time(), finite(metrics))])

    @override
    def log_rows(self, rows: Sequence[Row]) -> None:
        for row in rows:
            for name, value in row.metrics.items():
                tag = f"step/{name}" if row.kind == "step" else f"epoch/{name}"
                self._write(scalar_event(Scalar(tag, row.step, row.t, value)))

    @override
    def log_summary(self, values: Mapping[str, float]) -> None:
        for name, value in finite(values).items():
            self._write(scalar_event(Scalar(f"result/{name}", 0, time.time(), value)))

    @override
    def log_text(self, text: str, name: str) -> None:
        self._write(text_event(name, text, time.time()))

    @override
    def flush(self) -> None:
        if self._file is not None:
            self._file.flush()

    @override
    def end_run(self, status: Status = "finished", error: str = "") -> None:
        if self._file is None:
            return
        self.log_text(f"{status}  \n{error}".strip(), "status")
        self._file.close()
        self._file = None

    @override
    def check(self) -> str:
        return "Event files lie in the run folder; no service is needed."


def _cell(value: Any) -> str:
    return str(value).replace("|", "\\|").replace("\n", " ")
