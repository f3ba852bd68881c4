"""torchrun as the supervisor starts it: `python -m molfun.runs.torchrun ARGUMENTS OF torch.distributed.run`.

It ends with the supervisor, lets nothing outlive itself, and notes how every process ended instead of printing it.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from molfun.runs.endings import NOTES, PARENT, note_exit_codes
from molfun.runs.process import end_with_parent


def main() -> int:
    """Run torchrun in this process; return 1 where one of its processes failed."""
    end_with_parent(int(os.environ[PARENT]))
    # The processes inherit whom they must not outlive.
    os.environ[PARENT] = str(os.getpid())
    # Late, so that nothing heavy stands before the line above.
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError  # noqa: PLC0415
    from torch.distributed.run import parse_args, run  # noqa: PLC0415

    try:
        run(parse_args(sys.argv[1:]))  # type: ignore[no-untyped-call]
    except ChildFailedError as error:
        codes = {rank: failure.exitcode for rank, failure in error.failures.items()}
        note_exit_codes(Path(os.environ[NOTES]), codes)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
