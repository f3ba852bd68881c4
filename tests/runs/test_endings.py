"""Which of several ends is the cause: an own failure first, then an end without a word, then a loss of the others."""

from __future__ import annotations

from pathlib import Path

import pytest

from molfun.runs.endings import (
    Failure,
    find_cause,
    note_exit_codes,
    note_failure,
    read_exit_codes,
    read_failures,
)

LOST = "Another process of this run ended or could not be reached."
KILLED = "One of the 2 processes was ended by the system with signal 9 (SIGKILL), often for lack of memory"


@pytest.mark.parametrize(
    ("failures", "exit_codes", "returncode", "cause"),
    [
        # Rank 1 ran out of memory, rank 0 lost it and complained first.
        ([Failure(0, 1.0, LOST, True), Failure(1, 2.0, "Out of memory.", False)], {0: 1, 1: 1}, 1, "Out of memory."),
        ([Failure(1, 1.0, "Disk full.", False), Failure(0, 2.0, "Other.", False)], {}, 1, "Disk full."),
        ([Failure(0, 1.0, LOST, True)], {0: 1, 1: -9}, 1, KILLED),
        ([], {1: -9, 0: -15}, 1, KILLED),
        ([], {1: -11, 0: -9}, 1, "One of the 2 processes was ended by signal 11 (SIGSEGV); the log"),
        ([], {0: 3}, 1, "One of the 2 processes ended with code 3 and did not say why; the log"),
        ([], {0: -99}, 1, "was ended by signal 99 (unknown)"),
        ([Failure(1, 1.0, LOST, True), Failure(0, 2.0, "x", True)], {0: 1, 1: 1}, 1, LOST),
        ([], {}, -9, "The process that starts the 2 others was ended by the system with signal 9 (SIGKILL)"),
        ([], {}, 2, "The process that starts the 2 others ended with code 2"),
    ],
)  # fmt: skip
def test_the_first_own_failure_is_the_cause(
    failures: list[Failure], exit_codes: dict[int, int], returncode: int, cause: str
) -> None:
    found = find_cause(failures, exit_codes, num_processes=2, returncode=returncode)
    assert cause in found
    assert found.endswith(".")


def test_notes_come_back_in_order(tmp_path: Path) -> None:
    assert (read_failures(tmp_path), read_exit_codes(tmp_path)) == ([], {})
    note_failure(tmp_path, 1, "First.", is_secondary=False)
    note_failure(tmp_path, 0, LOST, is_secondary=True)
    note_exit_codes(tmp_path, {1: 1, 0: -9})
    assert [(f.rank, f.cause, f.is_secondary) for f in read_failures(tmp_path)] == [
        (1, "First.", False),
        (0, LOST, True),
    ]
    assert list(read_exit_codes(tmp_path).items()) == [(1, 1), (0, -9)]
