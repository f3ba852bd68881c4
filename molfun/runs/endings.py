"""How each of the processes of a run ended, and the one cause among them that a person should read.

A process that dies takes the connection of all others along. They fail as well, and louder: their words are not the
cause. The notes lie in a folder of their own inside the run folder, which the supervisor makes and removes.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from molfun.runs import shapes
from molfun.runs.files import read_json, write_json

# Names of environment variables: the folder of the notes, and the process that another one must not outlive.
NOTES = "MOLFUN_NOTES"
PARENT = "MOLFUN_PARENT"

CANCELLED = "Cancelled before its turn came; nothing was trained."
CANCELLED_LATER = "Cancelled while it waited to go on; its last checkpoint is kept."
ENDED_AT_ONCE = "Ended at once on request; the last steps are not saved."
RESUME = "Resume the run: it goes on from its last checkpoint, or begins anew where none was written yet."
DISK_FULL = "The disk is full. Free some room (page Settings, or `molfun clean`), then resume the run."
INTERRUPTED = (
    "The cluster took the machines back (time limit or preemption); the run is queued again and goes on from its last "
    "checkpoint."
)
LESS_MEMORY = "Lower the batch size and raise accumulation, use LoRA or head only, or turn gradient checkpointing on."


@dataclass(frozen=True)
class Failure:
    """Why one process failed, in its own words.

    Attributes:
        rank: Number of the process.
        t: Unix seconds.
        cause: Sentences for a person.
        is_secondary: Whether it failed only because another process was gone.
    """

    rank: int
    t: float
    cause: str
    is_secondary: bool


def note_end(notes: Path, status: str, cause: str) -> None:
    """Write down, on the main process, how the run ended: "finished" or "stopped", and why before its last epoch."""
    write_json(notes / "end.json", {"status": status, "cause": cause})


def read_end(notes: Path) -> dict[str, Any]:
    """Return {"status", "cause"} as the main process wrote it down; empty where it did not come so far."""
    return shapes.fitting(read_json(notes / "end.json"), shapes.END)


def note_failure(notes: Path, rank: int, cause: str, *, is_secondary: bool) -> None:
    """Write down why the process `rank` fails."""
    write_json(notes / f"failure.{rank}.json", asdict(Failure(rank, time.time(), cause, is_secondary)))


def read_failures(notes: Path) -> list[Failure]:
    """Return what the processes wrote down, the earliest first."""
    found = (shapes.failure(read_json(path)) for path in notes.glob("failure.*.json"))
    failures = [
        Failure(**{item.name: values[item.name] for item in fields(Failure)})
        for values in found
        if values is not shapes.ABSENT
    ]
    return sorted(failures, key=lambda failure: failure.t)


def note_exit_codes(notes: Path, codes: Mapping[int, int]) -> None:
    """Write down {rank: exit code} of the processes that failed, in the order in which that was seen."""
    write_json(notes / "exit_codes.json", {"codes": [[rank, code] for rank, code in codes.items()]})


def read_exit_codes(notes: Path) -> dict[int, int]:
    """Return {rank: exit code}, negative for a signal, in the order in which the ends were seen; {} without notes."""
    codes = read_json(notes / "exit_codes.json").get("codes")
    pairs = codes if isinstance(codes, list) else []
    return {pair[0]: pair[1] for pair in pairs if isinstance(pair, list) and list(map(type, pair)) == [int, int]}


def cancelled(saved_step: int | None) -> str:
    """Return the cause of a run that was cancelled while it waited, given its newest checkpoint."""
    return CANCELLED if saved_step is None else CANCELLED_LATER


def find_cause(
    failures: Sequence[Failure],
    exit_codes: Mapping[int, int],
    *,
    num_processes: int,
    returncode: int,
    out_of_memory: bool = False,
) -> str:
    """Return why a run failed.

    The first process that failed by itself is to blame; then one that ended without a word, which says who ended it;
    only then a process that lost the others.

    Args:
        failures: As `read_failures` gives them.
        exit_codes: As `read_exit_codes` gives them.
        num_processes: How many processes the run had.
        returncode: Exit code of the process that started them, negative for a signal.
        out_of_memory: Whether the system ended processes for lack of memory meanwhile.
    """
    for failure in failures:
        if not failure.is_secondary:
            return failure.cause
    spoke = {failure.rank for failure in failures}
    for rank, code in exit_codes.items():
        if rank not in spoke:
            who = "The process" if num_processes == 1 else f"One of the {num_processes} processes"
            return f"{who} {_what_happened(code, out_of_memory=out_of_memory)} {RESUME}"
    if failures:
        return failures[0].cause
    return f"The process that starts the {num_processes} others {_what_happened(returncode)} {RESUME}"


def hung(seconds: float, step: int | None) -> str:
    """Return the cause of a run that was ended because it hung after optimiser step `step`, None before the first."""
    where = f"after step {step}" if step else "before the first step"
    return (
        f"Hung {where}: no sign of life for {seconds / 60:.3g} minutes, so its processes were ended. {RESUME} If a "
        "step takes longer than that, raise launch.hang_minutes."
    )


def _what_happened(code: int, *, out_of_memory: bool = False) -> str:
    if code == -signal.SIGKILL and out_of_memory:
        return f"was ended by the system because the machine ran out of memory. {LESS_MEMORY}"
    if code == -signal.SIGKILL:
        return f"was ended by the system with signal 9 (SIGKILL), often for lack of memory. {LESS_MEMORY}"
    if code < 0:
        return f"was ended by signal {-code} ({_signal_name(-code)}); the log may tell more."
    return f"ended with code {code} and did not say why; the log may tell more."


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "unknown"
