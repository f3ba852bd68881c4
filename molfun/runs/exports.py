"""Exports that a run was asked for: each a folder of its own, made by a process that outlives browser and app.

exports/<id>/job.json      which format was asked for
             process.json  which process makes it
             state.json    how far that is
             <run>-<format>.zip
             log.txt
"""

from __future__ import annotations

import re
import secrets
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from molfun.errors import RunError
from molfun.runs import shapes
from molfun.runs.bin import erase
from molfun.runs.detached import start_detached
from molfun.runs.files import read_json, write_json
from molfun.runs.folder import RunFolder
from molfun.runs.process import find_process, identity_of
from molfun.runs.shapes import fitting

EXPORT_ID = re.compile(r"[0-9]{8}-[0-9]{6}-[0-9a-f]{4}")
START_SECONDS = 5.0  # between the folder and the first sign of the process
END_SECONDS = 10.0  # between the request to end and the end of a process
MODULE = "molfun.runs.export_process"
FORMATS = ("merged", "adapter", "onnx")


@dataclass(frozen=True)
class ExportState:
    """How far an export is.

    Attributes:
        status: "running", "finished" or "failed".
        phase: What is being done, in words.
        cause: Why it failed, in plain words.
        difference: Largest change of a prediction against the run's model; None where nothing was compared.
    """

    status: str
    phase: str
    cause: str
    difference: float | None


class ExportJob:
    """One export on disk.

    Args:
        path: Its folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def id(self) -> str:
        """Its id: when it was asked for, in UTC."""
        return self.path.name

    @property
    def about(self) -> dict[str, Any]:
        """What was asked: `kind` (one of `FORMATS`) and when (`asked`, unix seconds)."""
        return fitting(read_json(self.path / "job.json"), shapes.JOB)

    @property
    def kind(self) -> str:
        """Its format."""
        kind = self.about.get("kind", "")
        return kind if kind in FORMATS else "merged"

    @property
    def zip_path(self) -> Path:
        """The file that people take away; there once it has finished."""
        return self.path / f"{self.path.parents[1].name}-{self.kind}.zip"

    @property
    def num_bytes(self) -> int | None:
        """Size of that file, None where there is none."""
        if self.path.is_symlink() or self.zip_path.is_symlink() or not self.zip_path.is_file():
            return None
        return self.zip_path.stat().st_size

    @property
    def log_path(self) -> Path:
        """What its process printed."""
        return self.path / "log.txt"

    def note(self, **values: Any) -> None:
        """Write down how far it is; done by its process alone."""
        write_json(self.path / "state.json", {**read_json(self.path / "state.json"), **values})

    def process(self) -> psutil.Process | None:
        """Return the process that makes it, None where there is none any more."""
        return find_process(fitting(read_json(self.path / "process.json"), shapes.STATE))

    def state(self) -> ExportState:
        """Return how far it is, as its folder and its process say."""
        known = fitting(read_json(self.path / "state.json"), shapes.EXPORT_STATE)
        status, cause = known.get("status", "running"), known.get("cause", "")
        if status == "finished" and self.num_bytes is None:
            status, cause = "failed", "Its file is gone. Export it again."
        if status not in ("finished", "failed"):
            is_new = time.time() - self.about.get("asked", 0.0) < START_SECONDS
            status = "running" if self.process() is not None or is_new else "failed"
            cause = "" if status == "running" else "Its process was ended from outside. Export it again."
        return ExportState(status, known.get("phase", "Starting"), cause, known.get("difference"))


def start_export(folder: RunFolder, kind: str) -> ExportJob:
    """Ask for a run's model as one file; return at once.

    Args:
        folder: The run.
        kind: One of `FORMATS`.

    Raises:
        RunError: There is no such format, nothing can be written there, or no process be started.
    """
    if kind not in FORMATS:
        raise RunError(f"A model cannot be exported as {kind!r}; expected one of {', '.join(FORMATS)}.")
    path = folder.exports / f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{secrets.token_hex(2)}"
    job = ExportJob(path)
    try:
        path.mkdir(parents=True, mode=0o700)
        write_json(path / "job.json", {"kind": kind, "asked": time.time()})
        process = start_detached(MODULE, [str(path)], log=job.log_path, cwd=path)
        write_json(path / "process.json", identity_of(process.pid))
    except OSError as error:
        raise RunError(f"No export can be made in {path}: {error.strerror}. Free some room and try again.") from None
    return job


def list_exports(folder: RunFolder) -> list[ExportJob]:
    """Return the exports that a run was asked for, newest first."""
    root = folder.exports
    if root.is_symlink() or not root.is_dir():
        return []
    found = [p for p in root.iterdir() if EXPORT_ID.fullmatch(p.name) and p.is_dir() and not p.is_symlink()]
    return [ExportJob(path) for path in sorted(found, reverse=True)]


def delete_export(job: ExportJob) -> int:
    """Remove an export for good, its process first where it is at work; return the bytes that were freed."""
    process = job.process()
    if process is not None:
        try:
            process.kill()
            process.wait(END_SECONDS)
        except psutil.Error:
            pass  # it ended meanwhile
    return erase(job.path)
