"""Exports that a run was asked for: each a job, with the file that people take away in its folder.

exports/<id>/<run>-<format>.zip
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from molfun.errors import RunError
from molfun.runs import shapes
from molfun.runs.folder import RunFolder
from molfun.runs.jobs import Job, job_folders, make_folder, start_job

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


class ExportJob(Job):
    """One export on disk; what was asked is its `kind`, one of `FORMATS`."""

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

    def state(self) -> ExportState:
        """Return how far it is, as its folder and its process say."""
        known = self.outcome(shapes.EXPORT_STATE, "Export it again.")
        status, cause = known["status"], known["cause"]
        if status == "finished" and self.num_bytes is None:
            status, cause = "failed", "Its file is gone. Export it again."
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
    try:
        job = ExportJob(make_folder(folder.exports))
        start_job(job, MODULE, {"kind": kind})
    except OSError as error:
        raise RunError(
            f"No export can be made in {folder.exports}: {error.strerror}. Free some room and try again."
        ) from None
    return job


def list_exports(folder: RunFolder) -> list[ExportJob]:
    """Return the exports that a run was asked for, newest first."""
    return [ExportJob(path) for path in job_folders(folder.exports)]
