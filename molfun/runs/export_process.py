"""The process that makes one export: `python -m molfun.runs.export_process JOB_FOLDER`. The app names it and never
imports it.
"""

from __future__ import annotations

import logging
import shutil
import sys
import zipfile
from pathlib import Path
from typing import Any

import torch

from molfun.errors import MolfunError
from molfun.runs.exporting import export_run
from molfun.runs.exports import ExportJob
from molfun.runs.process import threads_wanted
from molfun.runs.secrets import guard_streams

logger = logging.getLogger("molfun.exporting")


def make_export(job: ExportJob) -> int:
    """Export a model, pack it and write down how that ended; return the exit code."""
    try:
        about = _export(job)
    except MolfunError as error:
        logger.exception("The export failed.")
        job.note(status="failed", cause=str(error))
        return 1
    except (torch.OutOfMemoryError, MemoryError):
        logger.exception("The export failed.")
        job.note(status="failed", cause="Out of memory: the model does not fit. Use a machine with more of it.")
        return 1
    except OSError as error:
        logger.exception("The export failed.")
        job.note(
            status="failed", cause=f"It cannot be written: {error.strerror or error}. Free some room and try again."
        )
        return 1
    except Exception as error:
        logger.exception("The export failed.")
        job.note(status="failed", cause=f"Unexpected problem: {type(error).__name__}. The log has the details.")
        return 1
    differences = [about[name] for name in ("largest_difference", "onnx_difference") if name in about]
    job.note(status="finished", difference=max(differences, default=None))
    return 0


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
    """Entry point; the log goes to standard output, which the launcher sends to the folder."""
    guard_streams()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stdout)
    torch.set_num_threads(threads_wanted(1))
    return make_export(ExportJob(Path(sys.argv[1]).absolute()))


if __name__ == "__main__":
    sys.exit(main())
