"""Ties between processes, with real ones."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from molfun.runs.process import num_usable_cores, threads_per_process

CHILD = """
import sys, time
from molfun.runs.process import end_with_parent
end_with_parent(int(sys.argv[1]))
print("tied", flush=True)
time.sleep(300)
"""
PARENT = f"""
import os, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", {CHILD!r}, str(os.getpid())], start_new_session=True)
child.wait()
"""


def test_a_child_ends_with_a_killed_parent() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "tied\n"
        killed = time.monotonic()
        parent.kill()
        # Reading to the end waits for the child, which holds the other end of the pipe and would sleep on.
        assert parent.stdout.read() == ""
    assert time.monotonic() - killed < 5


def test_an_orphan_ends_at_once() -> None:
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(os.getppid())], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stdout) == (-signal.SIGKILL, "")


@pytest.mark.parametrize("num_processes", [1, 2, 1000])
def test_processes_share_the_cores(num_processes: int) -> None:
    threads = threads_per_process(num_processes)
    assert threads >= 1
    assert threads == 1 or threads * num_processes <= num_usable_cores()
