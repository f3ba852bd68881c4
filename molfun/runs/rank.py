"""One of the several processes of a run, as torchrun starts it: tied to torchrun's life, then the worker."""

from __future__ import annotations

import logging
import os
import runpy
import sys

from molfun.runs.endings import PARENT
from molfun.runs.process import end_with_parent


def main() -> None:
    """Become the worker. Before torch is loaded, which takes seconds in which nobody would take an orphan along."""
    end_with_parent(int(os.environ[PARENT]))
    try:
        runpy.run_module("molfun.runs.worker", run_name="__main__", alter_sys=True)
    except SystemExit as end:
        leave(end.code if isinstance(end.code, int) else 1)


def leave(code: int) -> None:
    """End this process at once, all that was written flushed.

    Threads of torch's process group now and then abort a process while Python takes itself apart (signal 6), and
    torchrun would then end the others, which may still be at work.
    """
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
