"""A real Slurm on this machine: one controller and two nodes, in a folder that is thrown away. Needs no munge."""

from __future__ import annotations

import getpass
import os
import signal
import socket
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

NODES = ("n1", "n2")
START_SECONDS = 20.0
SETTINGS = """\
ClusterName=molfun
SlurmctldHost=localhost
SlurmctldPort={ports[0]}
AuthType=auth/none
CredType=cred/none
SlurmUser={user}
SlurmdUser={user}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool.%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
SlurmdTimeout=60
KillWait=15
MinJobAge=300
JobRequeue=1
SchedulerParameters=sched_interval=1,bf_interval=1
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
NodeName=n1 NodeHostname=localhost NodeAddr=127.0.0.1 Port={ports[1]} CPUs=2 RealMemory=1000
NodeName=n2 NodeHostname=localhost NodeAddr=127.0.0.1 Port={ports[2]} CPUs=2 RealMemory=1000
PartitionName=debug Nodes=n1,n2 Default=YES MaxTime=60 State=UP PriorityTier=1 GraceTime=20
PartitionName=high Nodes=n1,n2 MaxTime=60 State=UP PriorityTier=20
"""


@dataclass(frozen=True)
class Cluster:
    """A cluster that is up.

    Attributes:
        folder: Its settings, logs and state.
    """

    folder: Path

    @property
    def settings(self) -> Path:
        """The file that SLURM_CONF names."""
        return self.folder / "slurm.conf"

    def call(self, *command: str) -> str:
        """Run one of Slurm's commands and return what it printed."""
        # Debian keeps the daemons where only root looks for commands.
        path = f"{os.environ['PATH']}{os.pathsep}/usr/sbin"
        env = {**os.environ, "PATH": path, "SLURM_CONF": str(self.settings)}
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=30, check=False)
        assert done.returncode == 0, f"{command}: {done.stderr}"
        return done.stdout.strip()

    def start(self) -> None:
        """Write the settings, start the controller and the nodes; wait until all of them are idle."""
        for name in ("state", *(f"spool.{node}" for node in NODES)):
            (self.folder / name).mkdir()
        self.settings.write_text(SETTINGS.format(folder=self.folder, ports=_free_ports(3), user=getpass.getuser()))
        self.call("slurmctld", "-c")
        for node in NODES:
            self.call("slurmd", "-N", node)
        deadline = time.monotonic() + START_SECONDS
        while self.call("sinfo", "--noheader", "--partition=debug", "--format=%D %t") != f"{len(NODES)} idle":
            logs = "\n".join(path.read_text()[-2000:] for path in self.folder.glob("*.log"))
            assert time.monotonic() < deadline, logs
            time.sleep(0.05)

    def stop(self) -> None:
        """End every job, then the daemons by their pid files."""
        with suppress(AssertionError, subprocess.SubprocessError):
            self.call("scancel", "--state=PENDING", f"--user={getpass.getuser()}")
            self.call("scancel", "--signal=KILL", "--full", f"--user={getpass.getuser()}")
            deadline = time.monotonic() + START_SECONDS
            while self.call("squeue", "--noheader") and time.monotonic() < deadline:
                time.sleep(0.05)
        for path in self.folder.glob("*.pid"):
            with suppress(ProcessLookupError):
                # Nothing of the folder is needed any more, so there is no need to wait until they have saved it.
                os.kill(int(path.read_text()), signal.SIGKILL)


def _free_ports(number: int) -> list[int]:
    """Return ports that nobody listens on at the moment."""
    sockets = [socket.socket() for _ in range(number)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [int(one.getsockname()[1]) for one in sockets]
    for one in sockets:
        one.close()
    return ports
