"""Errands of pages that take longer than a page may: sending a run to a cluster, ending one, hashing its checkpoints.

They run in threads of the app's process; pages ask what became of them. What must survive a restart of the app is in
the run folder, never here.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from threading import Lock

import streamlit as st

from molfun.errors import MolfunError
from molfun.runs.folder import RunFolder
from molfun.runs.health import ResumePoint, where_it_resumes

logger = logging.getLogger(__name__)

NUM_THREADS = 4
MAX_ERRANDS = 500
# Small checkpoints are hashed within this time, so that most pages never show that they wait.
PATIENCE_SECONDS = 0.3


@dataclass(frozen=True)
class Errand:
    """Something that is done for a run; `words` say what while it is, e.g. "Sending the run to the Slurm cluster"."""

    words: str
    future: Future[str]


class LaunchDesk:
    """The errands of one app, one at a time for each run."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._threads = ThreadPoolExecutor(NUM_THREADS, thread_name_prefix="launch")
        self._errands: OrderedDict[str, Errand] = OrderedDict()
        self._inspections: dict[str, Future[ResumePoint]] = {}

    def send(self, run_id: str, words: str, work: Callable[[], object]) -> bool:
        """Do `work` for a run in the background; return False where an earlier errand is still under way.

        Args:
            run_id: The run; it need not exist yet.
            words: What is being done, shown meanwhile.
            work: What to do; a `MolfunError` of it becomes the errand's problem.
        """
        with self._lock:
            if self._is_under_way(run_id):
                return False
            self._errands.pop(run_id, None)
            self._errands[run_id] = Errand(words, self._threads.submit(_attempt, work))
            ended = [known for known, errand in self._errands.items() if errand.future.done()]
            for known in ended[: max(0, len(self._errands) - MAX_ERRANDS)]:
                del self._errands[known]
        return True

    def under_way(self, run_id: str) -> str:
        """Return what is being done for a run, empty where nothing is."""
        with self._lock:
            return self._errands[run_id].words if self._is_under_way(run_id) else ""

    def problem(self, run_id: str) -> str:
        """Return why the last errand for a run failed, empty where it did not, is under way, or was forgotten."""
        with self._lock:
            errand = self._errands.get(run_id)
        if errand is None or not errand.future.done():
            return ""
        error = errand.future.exception()
        return errand.future.result() if error is None else f"Unexpected problem: {error!r}. Please report it."

    def forget(self, run_id: str) -> None:
        """Forget the last errand for a run, unless it is under way."""
        with self._lock:
            if not self._is_under_way(run_id):
                self._errands.pop(run_id, None)

    def resume_point(self, folder: RunFolder) -> ResumePoint | None:
        """Return where a run would go on, or None while its checkpoints are still compared with their hashes."""
        with self._lock:
            future = self._inspections.get(folder.id)
            if future is None:
                future = self._inspections[folder.id] = self._threads.submit(where_it_resumes, folder)
        wait([future], timeout=PATIENCE_SECONDS)
        if not future.done():
            return None
        with self._lock:
            # The next visit looks again: files that stayed the same are not hashed twice.
            self._inspections.pop(folder.id, None)
        return future.result()

    def _is_under_way(self, run_id: str) -> bool:
        return run_id in self._errands and not self._errands[run_id].future.done()


def _attempt(work: Callable[[], object]) -> str:
    """Do an errand; return what went wrong, in words."""
    try:
        work()
    except MolfunError as error:
        return str(error)
    except OSError as error:
        logger.exception("An errand failed.")
        return f"The run could not be changed: {error.strerror or error}. Check the disk of the data folder."
    return ""


@st.cache_resource(show_spinner=False)
def launch_desk() -> LaunchDesk:
    """Return the desk of this app's process."""
    return LaunchDesk()
