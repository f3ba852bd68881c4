"""The process that makes one prediction: `python -m molfun.runs.predicting JOB_FOLDER`. The app names it and never
imports it.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pandas as pd

from molfun.data.folded import write_structures
from molfun.evaluation.conformal import add_intervals
from molfun.runs.job_process import do_job, prepare_process
from molfun.runs.loading import load_together
from molfun.runs.predictions import PredictionJob

NOTE_SECONDS = 0.5


def predict_job(job: PredictionJob) -> int:
    """Make a prediction and write it down; return the exit code."""

    def work() -> dict[str, int]:
        found = _predict(job)
        aside = job.result_path.with_name(f".{job.result_path.name}")
        found.to_parquet(aside, index=False)
        aside.replace(job.result_path)
        return {"done": len(found)}

    return do_job(job, work, needs="not even a single row fits")


def _predict(job: PredictionJob) -> pd.DataFrame:
    rows, about, run = pd.read_parquet(job.rows_path), job.about, job.path.parents[2]
    home, device = run.parents[1], str(about.get("device", "auto"))
    others, coverage = about.get("others", []), float(about.get("coverage") or 0.0)
    predictor, learned = load_together(run, others, coverage=coverage, home=home, device=device)
    last = 0.0

    def progress(done: int, total: int) -> None:
        nonlocal last
        if time.monotonic() - last >= NOTE_SECONDS:
            last = time.monotonic()
            job.note(done=done)

    began, num_read = time.monotonic(), predictor.num_read
    found = predictor.predict(rows, progress=progress)
    residues = sum(int(rows[name].fillna("").astype(str).str.len().sum()) for name in predictor.columns.sequence)
    if predictor.num_read == num_read:  # else it tells nothing of how long new rows take
        job.note(seconds=time.monotonic() - began, residues=int(residues * predictor.work))
    found = add_intervals(found, predictor.task, learned) if learned else found
    if predictor.task == "structure":
        found = write_structures(found, job.structures, ending="npz")
    kept = rows.rename(columns={name: f"{name} (of the table)" for name in found.columns if name in rows.columns})
    return pd.concat([kept, found], axis=1)


def main() -> int:
    """Entry point."""
    prepare_process()
    return predict_job(PredictionJob(Path(sys.argv[1]).absolute()))


if __name__ == "__main__":
    sys.exit(main())
