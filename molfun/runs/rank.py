"""A process of a run, as its supervisor or torchrun starts it: tied to the life of who started it, then the worker.

One that is started ahead of its run (see `standby`) loads what a worker needs, and waits.
"""

from __future__ import annotations

import logging
import os
import runpy
import sys
from importlib import import_module

from molfun.runs.endings import PARENT
from molfun.runs.orders import GPUS, has_met_gpus, read_order, take_place
from molfun.runs.process import end_with_parent

WAIT = "--wait"
# What a worker loads before its first step, and what it loads late.
LOADED = (
    "molfun.runs.worker", "molfun.runs.scoring", "molfun.adapters.encoder", "molfun.models.lora", "torchmetrics",
    *(f"molfun.training.{strategy}" for strategy in ("head_only", "lora", "partial", "full")),
)  # fmt: skip


def main() -> None:
    """Become the worker. Before torch is loaded, which takes seconds in which nobody would take an orphan along."""
    end_with_parent(int(os.environ[PARENT]))
    try:
        if sys.argv[1:] == [WAIT]:
            leave(work_when_asked())
        runpy.run_module("molfun.runs.worker", run_name="__main__", alter_sys=True)
    except SystemExit as end:
        leave(end.code if isinstance(end.code, int) else 1)


def work_when_asked() -> int:
    """Load what a worker needs, wait for the run, and be its worker; return the exit code."""
    for name in LOADED:
        import_module(name)
    order = read_order()
    if order is None:
        return 0
    sees_others = order.changes.get(GPUS) != os.environ.get(GPUS)
    take_place(order)
    if sees_others and has_met_gpus():
        os.execv(sys.executable, [sys.executable, "-m", "molfun.runs.rank", order.run_dir])
    return int(import_module("molfun.runs.worker").main())


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
