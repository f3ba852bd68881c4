"""How a supervisor starts the processes of a run inside a Slurm job, and has the job queued again.

`srun` starts one task a process, or one task a node that is torchrun; what a task does is in srun_task.py. Slurm
signals tasks and supervisor alike, so a signal is never handed on: srun would end all of them at once.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress

from typing_extensions import override

from molfun.errors import RunError
from molfun.runs.endings import RESUME
from molfun.runs.folder import RunFolder
from molfun.runs.launchers.slurm_commands import SlurmJob, requeue, show_job
from molfun.runs.launchers.slurm_script import processes_per_node
from molfun.runs.launchers.srun_task import ask_to_stop
from molfun.runs.process import threads_per_process
from molfun.runs.starters import Starter

TASK = "molfun.runs.launchers.srun_task"
# Python takes a moment to install the handlers of a task, in which a signal would end it.
UNTIL_READY = ("sh", "-c", 'trap "" TERM INT USR1; exec "$@"', "sh")
# Slurm ends a job that is queued again within seconds; by then this one must not have ended by itself.
END_SECONDS = 120.0
# "srun: error: n2: tasks 1,3-4: Killed"
TASK_END = re.compile(r"^srun: error: \S+: tasks? ([\d,-]+): (.+)$", re.MULTILINE)
LOG_BYTES = 1 << 20
TAKEN_BACK = "Slurm took the nodes back (time limit or preemption)"


class SrunStarter(Starter):
    """The processes of a run on the nodes of a Slurm job.

    Args:
        folder: The run folder.

    Raises:
        SettingError: The run has no readable spec, or its processes do not fit the nodes.
    """

    def __init__(self, folder: RunFolder) -> None:
        super().__init__(folder)
        self.slurm = self.spec.launch.slurm
        self.per_node = processes_per_node(self.spec)
        self.has_torchrun = self.slurm.step == "torchrun" and self.num_processes > 1
        self.job = os.environ["SLURM_JOB_ID"]
        self.restarts = int(os.environ.get("SLURM_RESTART_COUNT") or 0)
        self._why_not_back = ""
        self._is_queued_again = self._comes_back = False
        self._log_start = folder.log_path.stat().st_size if folder.log_path.exists() else 0
        # A script that somebody gave to sbatch by hand is looked after, too.
        if folder.read_launch().get("job") != self.job:
            folder.write_launch(launcher="slurm", job=self.job, submitted=time.time())

    @override
    def command(self) -> list[str]:
        nodes, tasks = self.spec.launch.nodes, 1 if self.has_torchrun else self.per_node
        cores = self.slurm.cpus_per_process * self.per_node // tasks
        return [
            "srun", "--quiet", f"--nodes={nodes}", f"--ntasks={nodes * tasks}", f"--ntasks-per-node={tasks}",
            *([f"--cpus-per-task={cores}"] if cores else []),
            # Neighbours in rank share a node. Every process may use all cores of the job there: it divides them itself.
            "--distribution=block", "--cpu-bind=none", "--mpi=none", "--export=ALL", "--kill-on-bad-exit=1",
            *UNTIL_READY, sys.executable, "-m", TASK, str(self.folder.path),
            *([str(self.per_node)] if self.has_torchrun else []),
        ]  # fmt: skip

    @override
    def environment(self) -> dict[str, str]:
        threads = self.slurm.cpus_per_process or threads_per_process(self.per_node)
        # This is the first node, where all of them meet; another job may have taken the port that the script chose.
        port = os.environ.get("MASTER_PORT", "")
        return {
            **super().environment(),
            **({"MASTER_PORT": str(free_port(int(port)))} if port.isdigit() else {}),
            "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", str(threads)),
            "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1",
        }

    @override
    def hand_on(self, child: subprocess.Popen[bytes], number: int, *, is_first: bool) -> None:
        # A signal would end srun, and srun the processes; a request is right whether Slurm signalled them or not. Once
        # the run is queued again, a request would stop its next attempt.
        if not self._comes_back:
            ask_to_stop(self.folder)

    @override
    def is_interrupted(self) -> bool:
        try:
            job = show_job(self.job)
        except RunError as error:
            self._why_not_back = f"{TAKEN_BACK}, but whether to queue the run again could not be found out: {error}"
            return False
        self._comes_back = job is not None and self._may_come_back(job)
        return self._comes_back

    def _may_come_back(self, job: SlurmJob) -> bool:
        """Tell whether a job whose run was stopped is to be queued again, or is already."""
        self._is_queued_again = job.restarts > self.restarts
        if self._is_queued_again:
            return True
        # While a job ends Slurm hides how; but only time limits leave a reason, so anything else was scancel.
        if job.state in ("COMPLETING", "CANCELLED") and job.reason != "TimeLimit":
            return False
        if self.restarts >= self.slurm.max_requeues:
            self._why_not_back = (
                f"{TAKEN_BACK} and the run was queued again {self.restarts} times already, as often as "
                f"launch.slurm.max_requeues allows. {RESUME}"
            )
            return False
        return True

    @override
    def why_not_back(self) -> str:
        return self._why_not_back

    @override
    def come_back(self) -> None:
        if self._is_queued_again:
            return
        try:
            requeue(self.job)
        except RunError as error:
            cause = f"{TAKEN_BACK} and did not queue the run again: {error} {RESUME}"
            self.folder.write_state(is_last=True, status="stopped", cause=cause, ended=time.time())
            return
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        time.sleep(END_SECONDS)

    @override
    def exit_codes(self, returncode: int) -> dict[int, int]:
        ends: dict[int, int] = {}
        # The tasks of torchrun are nodes, and each of them notes how its processes ended.
        if not self.has_torchrun:
            with suppress(OSError), self.folder.log_path.open("rb") as log:
                log.seek(self._log_start)
                ends = parse_task_ends(log.read(LOG_BYTES).decode("utf-8", errors="replace"))
        return ends or super().exit_codes(returncode)


def free_port(first: int) -> int:
    """Return the first port from `first` on that nobody listens on here; `first` where a hundred are taken."""
    for port in range(first, first + 100):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("", port))
            except OSError:
                continue
            return port
    return first


def parse_task_ends(log: str) -> dict[int, int]:
    """Return {task: exit code}, negative for a signal, as srun's lines in a log tell it.

    >>> parse_task_ends("srun: error: n2: task 1: Killed\\nsrun: error: n1: tasks 0,2-3: Exited with exit code 5")
    {1: -9, 0: 5, 2: 5, 3: 5}
    """
    signals = {signal.strsignal(number): -number for number in signal.Signals}
    ends: dict[int, int] = {}
    for tasks, how in TASK_END.findall(log):
        exited = re.search(r"exit code (\d+)", how)
        # "Killed", also "Killed (core dumped)"; Slurm's "Out Of Memory" is a SIGKILL.
        code = int(exited[1]) if exited else signals.get(how.partition(" (")[0], -signal.SIGKILL)
        for part in tasks.split(","):
            first, _, last = part.partition("-")
            for task in range(int(first), int(last or first) + 1):
                ends.setdefault(task, int(code))
    return ends
