"""One task of srun: `python -m molfun.runs.launchers.srun_task RUN_DIR [PROCESSES OF THE NODE]`.

It is one of the processes of a run or, given a number, the torchrun of a node. Either ends with the task manager of
Slurm that started it, and takes a signal for a stop that is asked for in the run folder, which all processes obey.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import FrameType

from molfun.errors import RunError
from molfun.runs import control, rank, torchrun
from molfun.runs.endings import NOTES, PARENT
from molfun.runs.folder import RunFolder

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)
# What the processes of a node get to save and end after one of them has failed, until torchrun kills them.
SHUTDOWN_SECONDS = 120


def ask_to_stop(folder: RunFolder) -> None:
    """Note that the system ends the run; who asked for a stop before is not forgotten."""
    with suppress(RunError):  # where the disk is full nothing can be asked
        if "stop" not in control.requested(folder):
            control.request(folder, "stop", by="signal")


def rank_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return what torch wants to know of a process, from what Slurm says of its task.

    >>> slurm = {"SLURM_PROCID": "5", "SLURM_NTASKS": "8", "SLURM_LOCALID": "1", "SLURM_STEP_NUM_NODES": "2"}
    >>> rank_environment(slurm)
    {'RANK': '5', 'WORLD_SIZE': '8', 'LOCAL_RANK': '1', 'LOCAL_WORLD_SIZE': '4'}
    """
    processes = int(environ["SLURM_NTASKS"])
    return {
        "RANK": environ["SLURM_PROCID"],
        "WORLD_SIZE": str(processes),
        "LOCAL_RANK": environ["SLURM_LOCALID"],
        "LOCAL_WORLD_SIZE": str(processes // int(environ["SLURM_STEP_NUM_NODES"])),
    }


def torchrun_arguments(run_dir: str, per_node: str, environ: Mapping[str, str]) -> list[str]:
    """Return the arguments of torchrun for the processes of one node; all nodes meet on the first one."""
    return [
        "--nnodes", environ["SLURM_STEP_NUM_NODES"], "--node-rank", environ["SLURM_PROCID"],
        "--master-addr", environ["MASTER_ADDR"], "--master-port", environ["MASTER_PORT"],
        "--nproc-per-node", per_node, "--max-restarts", "0", "--shutdown-timeout", str(SHUTDOWN_SECONDS),
        # It would pass on what its processes get from Slurm as well, and a second signal ends them at once.
        "--signals-to-handle", "SIGQUIT", "--log-dir", environ[NOTES],
        "-m", "molfun.runs.rank", run_dir,
    ]  # fmt: skip


def main() -> None:
    """Become one of the processes of a run, or the torchrun of a node."""
    run_dir, *per_node = sys.argv[1:]
    folder = RunFolder(Path(run_dir))

    def on_signal(number: int, frame: FrameType | None) -> None:
        ask_to_stop(folder)

    # Until the worker, which takes seconds to load, has handlers of its own.
    for number in SIGNALS:
        signal.signal(number, on_signal)
    os.environ[PARENT] = str(os.getppid())
    if per_node:
        sys.argv[1:] = torchrun_arguments(run_dir, per_node[0], os.environ)
        sys.exit(torchrun.main())
    os.environ.update(rank_environment(os.environ))
    rank.main()


if __name__ == "__main__":
    main()
