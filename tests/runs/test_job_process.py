"""A job that fails says why, in a sentence; the log keeps the rest."""

from __future__ import annotations

import errno
import logging
from pathlib import Path

import pytest
import torch

from molfun.errors import DataError
from molfun.runs import shapes
from molfun.runs.job_process import do_job
from molfun.runs.jobs import Job


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (DataError("Row 3 has no sequence; give it one."), "Row 3 has no sequence; give it one."),
        (torch.OutOfMemoryError("17 GiB"), "Out of memory: not even a single row fits. Use a machine with more of it."),
        (MemoryError(), "Out of memory: not even a single row fits. Use a machine with more of it."),
        (
            OSError(errno.ENOSPC, "No space left on device"),
            "A file cannot be read or written: No space left on device. Look at the free room and the rights of the "
            "data folder, and try again.",
        ),
        (KeyError("x"), "Unexpected problem: KeyError. The log has the details."),
    ],
)
def test_every_failure_has_a_cause(
    tmp_path: Path, error: Exception, cause: str, caplog: pytest.LogCaptureFixture
) -> None:
    def work() -> dict[str, int]:
        raise error

    with caplog.at_level(logging.ERROR):
        assert do_job(Job(tmp_path), work, needs="not even a single row fits") == 1
    assert Job(tmp_path).noted(shapes.JOB_STATE) == {"status": "failed", "cause": cause}
    assert "Traceback" in caplog.text


def test_what_was_done_is_noted(tmp_path: Path) -> None:
    assert do_job(Job(tmp_path), lambda: {"done": 3}, needs="") == 0
    assert Job(tmp_path).noted(shapes.JOB_STATE) == {"status": "finished", "done": 3}
