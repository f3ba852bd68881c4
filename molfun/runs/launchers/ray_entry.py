"""What a Ray job runs: `python -m molfun.runs.launchers.ray_entry RUN_DIR ATTEMPT`, the supervisor behind a check.

Ray starts a job that was cancelled while it waited all the same, as soon as it has room (seen with 2.60).
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from pathlib import Path

from molfun.runs.files import locked
from molfun.runs.folder import RunFolder
from molfun.runs.process import identity_of
from molfun.runs.secrets import guard_streams
from molfun.runs.supervisor import supervise

logger = logging.getLogger("molfun.supervisor")


def take_up(folder: RunFolder, attempt: int) -> bool:
    """Note that an attempt at a run begins in this process; False where it was cancelled or started elsewhere."""
    # The lock of `begin_attempt` and of the launcher's cancelling: each of the three sees what the others did.
    with locked(folder.spec_path):
        state = folder.read_state()
        if state.get("status") != "queued" or int(state.get("attempt") or 0) > attempt:
            return False
        folder.write_state(status="starting", attempt=attempt, **identity_of(os.getpid()))
    return True


def main() -> int:
    """Entry point; the log goes to standard output, which the job's command sends to the run folder."""
    parser = argparse.ArgumentParser(description="Watch one attempt at a run, unless it is not wanted any more.")
    parser.add_argument("run_dir", type=Path)
    parser.add_argument("attempt", type=int)
    told = parser.parse_args()
    guard_streams()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stdout)
    folder = RunFolder(told.run_dir.absolute())
    if not take_up(folder, told.attempt):
        logger.warning("Attempt %d was cancelled or started elsewhere; there is nothing to do.", told.attempt)
        return 0
    return supervise(folder)


if __name__ == "__main__":
    sys.exit(main())
