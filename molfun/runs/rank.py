"""One of the several processes of a run, as torchrun starts it: tied to torchrun's life, then the worker."""

from __future__ import annotations

import os
import runpy

from molfun.runs.endings import PARENT
from molfun.runs.process import end_with_parent


def main() -> None:
    """Become the worker. Before torch is loaded, which takes seconds in which nobody would take an orphan along."""
    end_with_parent(int(os.environ[PARENT]))
    runpy.run_module("molfun.runs.worker", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
