"""How a supervisor starts the processes of a run where it is: one Python, or several by torchrun. srun is Slurm's."""

from __future__ import annotations

import os
import subprocess
import sys
from abc import ABC, abstractmethod
from contextlib import suppress

import psutil
from typing_extensions import override

from molfun.runs.endings import NOTES, PARENT
from molfun.runs.folder import RunFolder
from molfun.runs.process import threads_per_process

# After one process has failed: what the others get until they are killed.
SHUTDOWN_SECONDS = 5


class Starter(ABC):
    """Starts the processes of one attempt as one child process, and knows how to reach them.

    Args:
        folder: The run folder.

    Raises:
        SettingError: The run has no readable spec.
    """

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder
        self.spec = folder.spec
        self.num_processes = self.spec.training.num_processes

    @abstractmethod
    def command(self) -> list[str]:
        """Return the command of the child process."""

    def environment(self) -> dict[str, str]:
        """Return the environment of the child process."""
        shared = shared_environment(num_processes=self.num_processes)
        return {**shared, NOTES: str(self.folder.notes), PARENT: str(os.getpid())}

    def start(self) -> subprocess.Popen[bytes]:
        """Start them, in a session of their own: a signal to the supervisor's group reaches them through it, once.

        Raises:
            OSError: They cannot be started.
        """
        return subprocess.Popen(
            self.command(), env=self.environment(), stdin=subprocess.DEVNULL, start_new_session=True
        )

    @abstractmethod
    def hand_on(self, child: subprocess.Popen[bytes], number: int, *, is_first: bool) -> None:
        """Pass a signal that the supervisor got to the processes, which save and end; a second one ends them at once.

        Args:
            child: The child process.
            number: The signal.
            is_first: Whether it is the first one of this attempt.
        """

    def is_interrupted(self) -> bool:
        """Tell whether a run that stopped was only interrupted and `come_back` will start it again."""
        return False

    def come_back(self) -> None:
        """Have the run started again; does not return where that ends this process."""
        return

    def why_not_back(self) -> str:
        """Return why an interrupted run will not be started again, in sentences; empty where it was meant to stop."""
        return ""

    def exit_codes(self, returncode: int) -> dict[int, int]:
        """Return {rank: exit code} as far as the end of the child process tells them, the earliest end first.

        Args:
            returncode: Exit code of the child process, negative for a signal.
        """
        return {0: returncode} if self.num_processes == 1 else {}


class PythonStarter(Starter):
    """One process, started directly: exit code and signals arrive undistorted."""

    @override
    def command(self) -> list[str]:
        return [sys.executable, "-m", "molfun.runs.rank", str(self.folder.path)]

    @override
    def hand_on(self, child: subprocess.Popen[bytes], number: int, *, is_first: bool) -> None:
        with suppress(OSError):
            child.send_signal(number)


class TorchrunStarter(Starter):
    """Several processes of this machine."""

    @override
    def command(self) -> list[str]:
        return [
            sys.executable, "-m", "molfun.runs.torchrun", "--standalone",
            "--nproc-per-node", str(self.num_processes),
            # A process that is started again inside the group often hangs; a resume starts a fresh group instead.
            "--max-restarts", "0",
            "--shutdown-timeout", str(SHUTDOWN_SECONDS),
            "--signals-to-handle", "SIGTERM,SIGINT,SIGHUP,SIGQUIT,SIGUSR1",
            "--log-dir", str(self.folder.notes),
            "-m", "molfun.runs.rank", str(self.folder.path),
        ]  # fmt: skip

    @override
    def environment(self) -> dict[str, str]:
        # torchrun would say 1 thread and warn; and its store, shared with a group before, holds stale addresses.
        return {**super().environment(), "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1"}

    @override
    def hand_on(self, child: subprocess.Popen[bytes], number: int, *, is_first: bool) -> None:
        ranks = _children(child.pid)
        if not is_first or not ranks:
            child.terminate()
        # torchrun itself would give them only seconds at the first signal, so that goes past it.
        for rank in ranks if is_first else []:
            with suppress(psutil.Error):
                rank.send_signal(number)


def shared_environment(*, num_processes: int) -> dict[str, str]:
    """Return the environment of a child process but for what belongs to one run."""
    return {"OMP_NUM_THREADS": str(threads_per_process(num_processes)), **os.environ}


def choose_starter(folder: RunFolder) -> Starter:
    """Return how the processes of a run are started here: by srun inside a Slurm job of ours, else directly.

    Raises:
        SettingError: The run has no readable spec.
    """
    if folder.read_launch().get("launcher") == "slurm" and "SLURM_JOB_ID" in os.environ:
        # Late: only jobs of Slurm need it.
        from molfun.runs.launchers.srun import SrunStarter  # noqa: PLC0415

        return SrunStarter(folder)
    return TorchrunStarter(folder) if folder.spec.training.num_processes > 1 else PythonStarter(folder)


def _children(pid: int) -> list[psutil.Process]:
    try:
        children: list[psutil.Process] = psutil.Process(pid).children()
    except psutil.Error:
        return []
    return children
