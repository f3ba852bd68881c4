"""Predictions that a run was asked for: each a folder of its own, made by a process that outlives browser and app.

predictions/jobs/<id>/job.json       what was asked
                      process.json   which process makes it
                      state.json     how far that is
                      rows.parquet   the rows that were asked for
                      result.parquet the same rows with their predictions
                      structures/    row_1.npz and so on, where structures are predicted
                      log.txt
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from molfun.data.parquet import read_parquet
from molfun.errors import DataError, RunError
from molfun.runs import shapes
from molfun.runs.detached import start_detached
from molfun.runs.files import read_json, write_json
from molfun.runs.folder import RunFolder
from molfun.runs.preflight import FORWARD_SHARE
from molfun.runs.process import find_process, identity_of
from molfun.runs.shapes import fitting

JOB_ID = re.compile(r"[0-9]{8}-[0-9]{6}-[0-9a-f]{4}")
START_SECONDS = 5.0  # between the folder and the first sign of the process
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


class PredictionJob:
    """One prediction on disk.

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
        """What was asked: `name`, `kind` ("table" or "scan"), `device`, `total` rows, and what belongs to a scan:
        `wild_type`, `column`, `first_number`, `positions` (absent for all), `doubles`, `kept` (other chains)."""
        return fitting(read_json(self.path / "job.json"), shapes.JOB)

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

    @property
    def log_path(self) -> Path:
        """What its process printed."""
        return self.path / "log.txt"

    def note(self, **values: Any) -> None:
        """Write down how far it is; done by its process alone."""
        write_json(self.path / "state.json", {**read_json(self.path / "state.json"), **values})

    def state(self) -> JobState:
        """Return how far it is, as its folder and its process say."""
        about = self.about
        known = fitting(read_json(self.path / "state.json"), shapes.JOB_STATE)
        status, cause = known.get("status", "running"), known.get("cause", "")
        if status not in ("finished", "failed"):
            process = find_process(fitting(read_json(self.path / "process.json"), shapes.STATE))
            is_new = time.time() - about.get("asked", 0.0) < START_SECONDS
            status = "running" if process is not None or is_new else "failed"
            cause = "" if status == "running" else "Its process was ended from outside. Ask for it again."
        return JobState(status, known.get("done", 0), about.get("total", 0), cause)

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
    path = _jobs(folder) / f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{secrets.token_hex(2)}"
    job = PredictionJob(path)
    try:
        path.mkdir(parents=True, mode=0o700)
        kept = rows.copy()
        kept.attrs = {}
        kept.to_parquet(job.rows_path, index=False)
        asked = {**about, "device": device, "total": len(rows), "asked": time.time()}
        write_json(path / "job.json", asked)
        process = start_detached(MODULE, [str(path)], log=job.log_path, cwd=path)
        write_json(path / "process.json", identity_of(process.pid))
    except OSError as error:
        raise RunError(
            f"No prediction can be made in {path}: {error.strerror}. Free some room and try again."
        ) from None
    return job


def list_predictions(folder: RunFolder) -> list[PredictionJob]:
    """Return the predictions that a run was asked for, newest first."""
    jobs = _jobs(folder)
    if jobs.is_symlink() or not jobs.is_dir():
        return []
    found = [path for path in jobs.iterdir() if JOB_ID.fullmatch(path.name) and path.is_dir() and not path.is_symlink()]
    return [PredictionJob(path) for path in sorted(found, reverse=True)]


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
    known = [fitting(read_json(job.path / "state.json"), shapes.JOB_STATE) for job in list_predictions(folder)]
    pace = next((_pace(state.get("seconds"), state.get("residues")) for state in known if state.get("seconds")), None)
    if pace is None:
        before = folder.read_preflight()
        size = (before.get("rows") or 0) * (before.get("residues") or 0)
        pace = _pace(FORWARD_SHARE * (before.get("seconds") or 0.0), size)
    return None if pace is None else pace * num_residues * num_models


def _pace(seconds: float | None, residues: float | None) -> float | None:
    """Return seconds a residue, None where one of both is not known."""
    return seconds / residues if seconds and residues else None


def _jobs(folder: RunFolder) -> Path:
    return folder.predictions / "jobs"
