"""What a run is asked for beside its training, such as predictions: a folder each, made by a process of its own.

The process outlives browser and app. In the folder:

job.json       what was asked
process.json   which process makes it
state.json     how far that is
log.txt
"""

from __future__ import annotations

import calendar
import re
import secrets
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from molfun.runs import shapes
from molfun.runs.bin import erase
from molfun.runs.detached import start_detached
from molfun.runs.files import read_json, write_json
from molfun.runs.process import find_process, identity_of
from molfun.runs.shapes import fitting

JOB_ID = re.compile(r"[0-9]{8}-[0-9]{6}-[0-9a-f]{4}")
START_SECONDS = 5.0  # between the folder and the first sign of the process
ENDED = ("finished", "failed")
END_SECONDS = 10.0  # between the request to end and the end of a process


class Job:
    """One job on disk.

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
        """What was asked: `kind`, when (`asked`, unix seconds), and what else belongs to it."""
        return fitting(read_json(self.path / "job.json"), shapes.JOB)

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

    def noted(self, shape: Mapping[str, shapes.Check]) -> dict[str, Any]:
        """Return what its process wrote down, as far as it has the shape that is expected."""
        return fitting(read_json(self.path / "state.json"), shape)

    def outcome(self, shape: Mapping[str, shapes.Check], again: str) -> dict[str, Any]:
        """Return what its process wrote down, with how that is: `status` and, where it failed, its `cause`.

        Args:
            shape: Of what the process writes down.
            again: What to do where the process was ended from outside; a sentence.
        """
        known = self.noted(shape)
        if known.get("status") not in ENDED and not self._is_at_work():
            known = self.noted(shape)  # it may have ended between the two looks
            if known.get("status") not in ENDED:
                return {**known, "status": "failed", "cause": f"Its process was ended from outside. {again}"}
        return {**known, "status": known.get("status", "running"), "cause": known.get("cause", "")}

    def _is_at_work(self) -> bool:
        return time.time() - self.about.get("asked", _made_at(self.id)) < START_SECONDS or self.process() is not None


def _made_at(job_id: str) -> float:
    """Return when a job's folder was made, in unix seconds: there is no job.json for a moment."""
    with suppress(ValueError):  # digits that are no date: nobody's job
        return float(calendar.timegm(time.strptime(job_id[:15], "%Y%m%d-%H%M%S")))
    return 0.0


def make_folder(root: Path) -> Path:
    """Return a new folder for a job, which nobody else may read.

    Raises:
        OSError: It cannot be made.
    """
    path = root / f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{secrets.token_hex(2)}"
    path.mkdir(parents=True, mode=0o700)
    return path


def start_job(job: Job, module: str, asked: Mapping[str, Any]) -> None:
    """Write down what is asked and start the process that makes it; return at once.

    Args:
        job: Its folder is there.
        module: What the process runs.
        asked: As `Job.about` gives it.

    Raises:
        OSError: Nothing can be written there, or no process be started.
    """
    write_json(job.path / "job.json", {**asked, "asked": time.time()})
    process = start_detached(module, [str(job.path)], log=job.log_path, cwd=job.path)
    write_json(job.path / "process.json", identity_of(process.pid))


def job_folders(root: Path) -> list[Path]:
    """Return the folders of jobs, newest first; none that a link leads to."""
    if root.is_symlink() or not root.is_dir():
        return []
    found = [path for path in root.iterdir() if JOB_ID.fullmatch(path.name) and path.is_dir() and not path.is_symlink()]
    return sorted(found, reverse=True)


def delete_job(job: Job) -> int:
    """Remove a job for good, its process first where it is at work; return the bytes that were freed."""
    process = job.process()
    if process is not None:
        with suppress(psutil.Error):  # it ended meanwhile
            process.kill()
            process.wait(END_SECONDS)
    return erase(job.path)
