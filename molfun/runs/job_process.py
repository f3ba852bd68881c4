"""What processes of jobs (`predicting`, `export_process`) share: how they begin, and how they say why they failed."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import torch

from molfun.errors import MolfunError
from molfun.runs.jobs import Job
from molfun.runs.process import threads_wanted
from molfun.runs.secrets import guard_streams

logger = logging.getLogger("molfun.job")


def prepare_process() -> None:
    """Send the log to standard output, which the launcher sends to the job's folder, and set the threads."""
    guard_streams()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stdout)
    torch.set_num_threads(threads_wanted(1))


def do_job(job: Job, work: Callable[[], Mapping[str, Any]], *, needs: str) -> int:
    """Do the work of a job and write down how that ended; return the exit code.

    Args:
        job: Where it is written down.
        work: Returns what is noted beside "finished".
        needs: What takes the memory, in words, where there is too little.
    """
    try:
        found = work()
    except Exception as error:
        logger.exception("The job failed.")
        with suppress(OSError):  # a full disk has no room for the reason either; the page finds the process gone
            job.note(status="failed", cause=_cause(error, needs))
        return 1
    job.note(status="finished", **found)
    return 0


def _cause(error: Exception, needs: str) -> str:
    if isinstance(error, MolfunError):
        return str(error)
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return f"Out of memory: {needs}. Use a machine with more of it."
    if isinstance(error, OSError):
        return (
            f"A file cannot be read or written: {error.strerror or error}. Look at the free room and the rights of the "
            "data folder, and try again."
        )
    return f"Unexpected problem: {type(error).__name__}. The log has the details."
