"""Predictions that a run was asked for: each a job, with these files in its folder.

predictions/jobs/<id>/rows.parquet   the rows that were asked for
                      result.parquet the same rows with their predictions
                      structures/    row_1.npz and so on, where structures are predicted
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from molfun.data.parquet import read_parquet
from molfun.errors import DataError, RunError
from molfun.runs import shapes
from molfun.runs.folder import RunFolder
from molfun.runs.jobs import Job, job_folders, make_folder, start_job
from molfun.runs.preflight import FORWARD_SHARE

MODULE = "molfun.runs.predicting"


@dataclass(frozen=True)
class JobState:
    """How far a prediction is.

    Attributes:
        status: "running", "finished" or "failed".
        done: Rows that are predicted.
        total: Rows in all.
        cause: Why it failed, in plain words.
    """

    status: str
    done: int
    total: int
    cause: str


class PredictionJob(Job):
    """One prediction on disk.

    What was asked: `name`, `kind` ("table" or "scan"), `device`, `total` rows, and what belongs to a scan: `wild_type`,
    `column`, `first_number`, `positions` (absent for all), `doubles`, `kept` (other chains).
    """

    @property
    def rows_path(self) -> Path:
        """The rows that were asked for."""
        return self.path / "rows.parquet"

    @property
    def result_path(self) -> Path:
        """The same with their predictions; there once it has finished."""
        return self.path / "result.parquet"

    @property
    def structures(self) -> Path:
        """Folder of the predicted structures, where these were asked for; the result has their names."""
        return self.path / "structures"

    def state(self) -> JobState:
        """Return how far it is, as its folder and its process say."""
        known = self.outcome(shapes.JOB_STATE, "Ask for it again.")
        return JobState(known["status"], known.get("done", 0), self.about.get("total", 0), known["cause"])

    def result(self) -> pd.DataFrame | None:
        """Return the rows with their predictions, None where there are none that can be read."""
        if self.path.is_symlink() or self.result_path.is_symlink() or not self.result_path.is_file():
            return None
        try:
            return read_parquet(self.result_path, self.result_path.name)
        except DataError:
            return None


def start_prediction(folder: RunFolder, rows: pd.DataFrame, about: Mapping[str, Any], *, device: str) -> PredictionJob:
    """Ask a run for predictions; return at once.

    Args:
        folder: The run.
        rows: With the sequence columns of its training (`new_rows.prepare_rows`).
        about: `name` and `kind`, and whatever is wanted again beside the result.
        device: "auto", "cpu" or "cuda".

    Raises:
        RunError: Nothing can be written there, or no process be started.
    """
    try:
        job = PredictionJob(make_folder(_jobs(folder)))
        kept = rows.copy()
        kept.attrs = {}
        kept.to_parquet(job.rows_path, index=False)
        start_job(job, MODULE, {**about, "device": device, "total": len(rows)})
    except OSError as error:
        raise RunError(
            f"No prediction can be made in {_jobs(folder)}: {error.strerror}. Free some room and try again."
        ) from None
    return job


def list_predictions(folder: RunFolder) -> list[PredictionJob]:
    """Return the predictions that a run was asked for, newest first."""
    return [PredictionJob(path) for path in job_folders(_jobs(folder))]


def find_prediction(folder: RunFolder, job_id: str) -> PredictionJob | None:
    """Return the prediction with that id, None where there is none."""
    return next((job for job in list_predictions(folder) if job.id == job_id), None)


def forecast_seconds(folder: RunFolder, num_residues: int, *, num_models: int = 1) -> float | None:
    """Return about how long a prediction takes, without loading the model.

    At the pace of the newest one that this run made, else at that of the forward pass of its heaviest training batch.

    Args:
        folder: The run.
        num_residues: Of all rows and chains.
        num_models: Runs that predict together.

    Returns:
        None where neither is known.
    """
    known = [job.noted(shapes.JOB_STATE) for job in list_predictions(folder)]
    pace = next((_pace(state.get("seconds"), state.get("residues")) for state in known if state.get("seconds")), None)
    if pace is None:
        before = folder.read_preflight()
        if before.get("reads_kept"):
            return None  # its batch may not have gone through the frozen part at all
        size = (before.get("rows") or 0) * (before.get("residues") or 0)
        pace = _pace(FORWARD_SHARE * (before.get("seconds") or 0.0), size)
    return None if pace is None else pace * num_residues * num_models


def _pace(seconds: float | None, residues: float | None) -> float | None:
    """Return seconds a residue, None where one of both is not known."""
    return seconds / residues if seconds and residues else None


def _jobs(folder: RunFolder) -> Path:
    return folder.predictions / "jobs"
