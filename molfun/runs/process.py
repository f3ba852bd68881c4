"""Processes of this machine: their identity across reboots and recycled pids, so that nobody else's is taken for a
worker, and ties between parent and child.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import sys
import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
KILL_SECONDS = 10.0  # what a killed process gets until it is taken for gone
TOLERANCE_SECONDS = 0.05  # create_time comes from clock ticks
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36  # <linux/prctl.h>


def boot_id() -> str:
    """Return an id of this boot of the machine."""
    try:
        return BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return f"{psutil.boot_time():.0f}"


def identity_of(pid: int) -> dict[str, Any]:
    """Return what identifies a living process.

    Returns:
        `pid`, `create_time` (unix seconds), `start_ticks` (clock ticks since boot), `boot_id`, `host`; the times are
        None where the process has ended already or the system does not tell them.
    """
    try:
        created: float | None = psutil.Process(pid).create_time()
    except psutil.Error:
        created = None
    return {
        "pid": pid,
        "create_time": created,
        "start_ticks": _start_ticks(pid),
        "boot_id": boot_id(),
        "host": socket.gethostname(),
    }


def find_process(state: Mapping[str, Any]) -> psutil.Process | None:
    """Return the process that `state` identifies, or None where it is dead, a zombie, on another host or another's."""
    pid = state.get("pid")
    if not isinstance(pid, int) or is_elsewhere(state) or state.get("boot_id") != boot_id():
        return None
    try:
        process = psutil.Process(pid)
        ended = process.status() in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
        return process if not ended and _is_same(process, state) else None
    except psutil.Error:
        return None


def _is_same(process: psutil.Process, state: Mapping[str, Any]) -> bool:
    """Compare when the process started with what was noted.

    Ticks since boot come first: the wall-clock start moves when the system's clock is set.
    """
    noted, ticks = state.get("start_ticks"), _start_ticks(process.pid)
    if noted is not None and ticks is not None:
        return bool(noted == ticks)
    created = state.get("create_time")
    return isinstance(created, int | float) and abs(process.create_time() - created) <= TOLERANCE_SECONDS


def _start_ticks(pid: int) -> int | None:
    """Return field 22 of /proc/PID/stat (proc(5)), None where there is no such file."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # The name in parentheses (field 2) may hold blanks; what follows it starts with field 3.
    return int(text.rpartition(")")[2].split()[19])


def is_elsewhere(state: Mapping[str, Any]) -> bool:
    """Tell whether the state was written by a process on another host."""
    return state.get("host") not in (None, socket.gethostname())


def heartbeat_age_seconds(state: Mapping[str, Any]) -> float:
    """Return how long ago the worker gave a sign of life; infinite where it never did."""
    beat = state.get("heartbeat")
    return time.time() - beat if isinstance(beat, int | float) else float("inf")


def end_with_parent(parent: int) -> None:
    """Let the system kill this process as soon as `parent` ends (prctl(2)); at once where it has ended already.

    Elsewhere than on Linux this does nothing.
    """
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    # A parent that ended before the call above is not reported any more.
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def adopt_orphans() -> None:
    """Let processes below this one whose parent ends become its children (prctl(2)), so that none is lost sight of.

    Elsewhere than on Linux this does nothing.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)


def end_descendants(*, wait_seconds: float, spared: Collection[int] = ()) -> None:
    """End everything below this process: SIGTERM, and SIGKILL for what is left after `wait_seconds` (0: at once).

    Args:
        wait_seconds: What they get to end by themselves.
        spared: Process ids of children that live on, with all that is below them.
    """
    family = [
        process
        for child in psutil.Process().children()
        if child.pid not in spared
        for process in (child, *_below(child))
    ]
    for process in family if wait_seconds else []:
        with suppress(psutil.Error):
            process.terminate()
    end_survivors(family, wait_seconds=wait_seconds)


def _below(process: psutil.Process) -> list[psutil.Process]:
    try:
        return list(process.children(recursive=True))
    except psutil.Error:
        return []


def end_survivors(processes: Sequence[psutil.Process], *, wait_seconds: float) -> None:
    """Wait for processes that were asked to end, and kill those that did not."""
    _, left = psutil.wait_procs(processes, timeout=wait_seconds)
    for survivor in left:
        # psutil compares the start time before it signals, so a recycled pid is never hit.
        with suppress(psutil.Error):
            survivor.kill()
    psutil.wait_procs(left, timeout=KILL_SECONDS)


def num_memory_kills() -> int:
    """Return how many processes this machine has ended for lack of memory since it started; 0 where nobody counts."""
    try:
        lines = Path("/proc/vmstat").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith("oom_kill "))


def num_usable_cores() -> int:
    """Return the cores that this process may use, which a scheduler or container can make fewer than there are."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def threads_per_process(num_processes: int) -> int:
    """Return how many compute threads each of several processes on this machine should use, 1 at least."""
    return max(1, num_usable_cores() // num_processes)


def threads_wanted(num_processes: int) -> int:
    """Return how many threads the environment asks for (a cluster sets OMP_NUM_THREADS), else a fair share."""
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return int(asked) if asked.isdigit() and int(asked) else threads_per_process(num_processes)
