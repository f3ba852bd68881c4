"""Runs MMseqs2 (Steinegger and Söding 2017, Nat. Biotechnol. 35:1026), a program that finds alike sequences among very
many. What it finds are candidates: how alike two sequences are is for `identity` to say.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
from numpy.typing import NDArray

from molfun.errors import DataError, printable

INSTALL = "install MMseqs2 (apt-get install mmseqs2, conda install -c bioconda mmseqs2, or brew install mmseqs2)"
VARIABLE = "MOLFUN_MMSEQS"
# Its most sensitive search, with short words, and without masks and corrections, which hide alike rows of few letters.
SENSITIVITY, WORD = 7.5, 5
SEARCH = ("-s", str(SENSITIVITY), "-k", str(WORD), "--mask", "0", "--comp-bias-corr", "0")
MAX_THREADS = 16
LIMIT_SECONDS, PATIENCE_SECONDS = 3 * 3600.0, 10.0
# Ends with this process, however that ends.
GUEST = str(Path(__file__).with_name("guest.py"))

Positions = NDArray[np.int64]


def find_program() -> str:
    """Return where MMseqs2 is, "" where it is not installed: MOLFUN_MMSEQS names it, else PATH has it."""
    return shutil.which(os.environ.get(VARIABLE) or "mmseqs") or ""


@lru_cache(maxsize=4)
def program_version(program: str) -> str:
    """Return MMseqs2's version, such as "14-7e284", for sentences."""
    done = subprocess.run([program, "version"], capture_output=True, text=True, timeout=60, check=False, env=_clean())
    return printable(done.stdout.strip().split("+")[0], 40)


def find_pairs(
    queries: Sequence[str], targets: Sequence[str], *, max_hits: int, limit_seconds: float = LIMIT_SECONDS
) -> Positions:
    """Search for each query the targets that may be related to it, at the highest sensitivity.

    Args:
        queries: Upper case, without empty ones.
        targets: As `queries`.
        max_hits: Most targets of one query, the best ones.
        limit_seconds: When to give up.

    Returns:
        int64 [n, 2]: place of a query, place of a target.

    Raises:
        DataError: MMseqs2 is not installed, fails, or takes too long.
    """
    if not queries or not targets:
        return np.empty((0, 2), np.int64)
    with _Workplace(limit_seconds) as place:
        place.add("queries", queries)
        place.add("targets", targets)
        place.run("prefilter", "queries", "targets", "found", *SEARCH, "--max-seqs", str(max_hits), *place.bounds())
        return place.read("queries", "targets", "found")


def find_near_copies(sequences: Sequence[str], identity: float, *, limit_seconds: float = LIMIT_SECONDS) -> Positions:
    """Group sequences with a representative that is about so alike, in time that grows with their number only.

    Args:
        sequences: Upper case, without empty ones.
        identity: As MMseqs2 counts it, in (0, 1].
        limit_seconds: When to give up.

    Returns:
        int64 [n, 2]: place of a representative, place of one of its members.

    Raises:
        DataError: As `find_pairs`.
    """
    if not sequences:
        return np.empty((0, 2), np.int64)
    with _Workplace(limit_seconds) as place:
        place.add("all", sequences)
        place.run(
            "linclust", "all", "found", "scratch", "--min-seq-id", f"{identity:.3f}", "-c", "0.8", "--cov-mode", "1",
            "--mask", "0", *place.bounds(),
        )  # fmt: skip
        return place.read("all", "all", "found")


class _Workplace:
    """A folder in which MMseqs2 runs; gone at the end, with every process that was started in it."""

    def __init__(self, limit_seconds: float) -> None:
        self._program = find_program()
        if not self._program:
            raise DataError(f"MMseqs2 is not installed; {INSTALL}, or name its program with {VARIABLE}.")
        self._limit_seconds = limit_seconds
        self._end = time.monotonic() + limit_seconds

    def __enter__(self) -> _Workplace:
        self._home = tempfile.TemporaryDirectory(prefix="molfun-mmseqs-", ignore_cleanup_errors=True)
        self._folder = Path(self._home.name)
        return self

    def __exit__(self, *_: object) -> None:
        self._home.cleanup()

    def bounds(self) -> tuple[str, ...]:
        """Return the options that keep it within this machine."""
        megabytes = max(256, psutil.virtual_memory().available // 2**21)
        return "--threads", str(min(MAX_THREADS, os.cpu_count() or 1)), "--split-memory-limit", f"{megabytes}M"

    def add(self, name: str, sequences: Sequence[str]) -> None:
        """Write sequences as a database of MMseqs2's; their names are their places."""
        with (self._folder / f"{name}.fasta").open("w", encoding="ascii") as file:
            file.writelines(f">{i}\n{text.replace('*', 'X')}\n" for i, text in enumerate(sequences))
        # It would take short proteins without rare letters for DNA.
        self.run("createdb", f"{name}.fasta", name, "--dbtype", "1", "--shuffle", "0")

    def read(self, queries: str, targets: str, found: str) -> Positions:
        """Return pairs of places out of a result."""
        self.run("createtsv", queries, targets, found, "found.tsv")
        if not (self._folder / "found.tsv").stat().st_size:
            return np.empty((0, 2), np.int64)
        pairs = pd.read_csv(self._folder / "found.tsv", sep="\t", header=None, usecols=[0, 1], dtype=np.int64)
        return np.asarray(pairs.to_numpy(dtype=np.int64))

    def run(self, *command: str) -> None:
        """Run one of its modules to the end.

        Raises:
            DataError: It fails or takes too long.
        """
        with (self._folder / "log.txt").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-I", GUEST, self._program, *command, "-v", "1"], cwd=self._folder, env=_clean(),
                stdin=subprocess.PIPE, stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip
            try:
                code = process.wait(timeout=max(0.0, self._end - time.monotonic()))
            except subprocess.TimeoutExpired:
                raise DataError(
                    f"MMseqs2 did not end within {self._limit_seconds / 60:,.0f} minutes; "
                    "use a machine with more cores, or split by a column of groups."
                ) from None
            finally:
                _end(process)
        if code:
            raise DataError(
                f"MMseqs2 stopped in '{command[0]}' ({_last_words(self._folder / 'log.txt', code)}); check the free "
                f"disk space in {tempfile.gettempdir()} and the free memory, or split by a column of groups."
            )


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a guest, which ends its program and what that started; nothing is left to end where it is done."""
    if process.stdin is not None:
        process.stdin.close()
    try:
        process.wait(timeout=PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _last_words(log: Path, code: int) -> str:
    lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    return printable(lines[-1], 120) if lines else f"exit code {code}"


def _clean() -> dict[str, str]:
    """Return the few variables that it needs; keys of trackers are none of its business."""
    return {name: os.environ[name] for name in ("PATH", "TMPDIR", "LANG", "HOME") if name in os.environ}
