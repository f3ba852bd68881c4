"""Runs a program and ends it, with all it started, when standard input closes: when whoever wanted it is gone.

    python guest.py PROGRAM [ARGUMENT ...]

A script of its own, which needs nothing of Molfun. Its exit code is the program's.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress


def main(command: list[str]) -> int:
    """Run a program to its end, or to the end of standard input."""
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
    threading.Thread(target=_end_with_input, args=(process,), daemon=True).start()
    code = process.wait()
    return code if code >= 0 else 128 - code


def _end_with_input(process: subprocess.Popen[bytes]) -> None:
    # Not through sys.stdin, whose lock this thread would hold when the script ends.
    while os.read(0, 1):
        pass
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
