"""The process that asks a service about its key: `python -m molfun.runs.tracker_check NAME`. Prints one sentence."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from molfun.runs.refusals import explain
from molfun.runs.secrets import guard_streams
from molfun.runs.sender_process import leave
from molfun.tracking.catalog import build_tracker


def main() -> None:
    """Entry point; the exit code is 0 where the service knows us."""
    guard_streams()
    os.environ["WANDB_MODE"] = "online"
    with tempfile.TemporaryDirectory() as folder:
        try:
            words, code = build_tracker(sys.argv[1], folder=Path(folder)).check(), 0
        except Exception as error:  # noqa: BLE001 - packages have errors of their own
            words, code = explain(error), 1
    sys.stdout.write(f"\n{words}\n")
    leave(code)


if __name__ == "__main__":
    main()
