"""The process that makes one export: `python -m molfun.runs.export_process JOB_FOLDER`. The app names it and never
imports it.
"""

from __future__ import annotations

import shutil
import sys
import zipfile
from pathlib import Path
from typing import Any

from molfun.runs.exporting import export_run
from molfun.runs.exports import ExportJob
from molfun.runs.job_process import do_job, prepare_process


def make_export(job: ExportJob) -> int:
    """Export a model, pack it and write down how that ended; return the exit code."""

    def work() -> dict[str, float | None]:
        about = _export(job)
        differences = [about[name] for name in ("largest_difference", "onnx_difference") if name in about]
        return {"difference": max(differences, default=None)}

    return do_job(job, work, needs="the model does not fit")


def _export(job: ExportJob) -> dict[str, Any]:
    """Make the file; what is half done is taken away again."""
    run, folder = job.path.parents[1], job.path / job.zip_path.stem
    aside = job.zip_path.with_suffix(".writing")
    try:
        job.note(phase="Loading and checking the model")
        about = export_run(run.parents[1], run.name, folder, kind=job.kind)  # type: ignore[arg-type]
        job.note(phase="Packing")
        pack(folder, aside)
        aside.replace(job.zip_path)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        aside.unlink(missing_ok=True)
    return about


def pack(folder: Path, path: Path) -> None:
    """Write the files of a folder into a zip file, uncompressed: weights do not get smaller."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED, allowZip64=True) as file:
        for entry in sorted(folder.rglob("*")):
            if entry.is_file():
                file.write(entry, Path(folder.name) / entry.relative_to(folder))


def main() -> int:
    """Entry point."""
    prepare_process()
    return make_export(ExportJob(Path(sys.argv[1]).absolute()))


if __name__ == "__main__":
    sys.exit(main())
