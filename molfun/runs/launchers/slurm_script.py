"""The batch script of a run on Slurm: what is asked of the cluster, what prepares a node, then the run's supervisor.

Pure text: settings in, script out. Nothing that a setting holds can become a command, but the prologue, which is meant
to be one.
"""

from __future__ import annotations

import re
import shlex
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from molfun.errors import SettingError
from molfun.runs.detached import worker_environment
from molfun.runs.launchers.settings import SlurmSettings
from molfun.runs.spec import RunSpec

# Names of Slurm, and the operators that a constraint may hold.
PLAIN = re.compile(r"[A-Za-z0-9_.,:@%+=*&|()\[\]-]*")
OPTION = re.compile(r"--[a-z][a-z-]*(=[A-Za-z0-9_.,:@%+=*&|()\[\]/-]+)?")
# Options that the script sets itself, or with which it would not be one job that is watched.
RESERVED = (
    "array", "chdir", "clusters", "cpus-per-task", "error", "export", "export-file", "gpus-per-task", "job-name",
    "nodes", "ntasks", "ntasks-per-node", "open-mode", "output", "parsable", "signal", "test-only", "wait", "wrap",
)  # fmt: skip
# Folders that every machine has for itself.
OWN_FOLDERS = ("/tmp", "/var/tmp", "/dev/shm", "/run")
MEETING_POINT = """\
# Where several processes find each other: the first node, and a port that a job which is queued again does not reuse.
first=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
address=$(scontrol show node --oneliner "$first" | sed -n 's/.* NodeAddr=\\([^ ]*\\).*/\\1/p')
export MASTER_ADDR="${address:-$first}"
export MASTER_PORT=$((20000 + (SLURM_JOB_ID * 21 + ${SLURM_RESTART_COUNT:-0}) % 12000))"""


def render(spec: RunSpec, run_dir: Path) -> str:
    """Return the batch script that runs a run on Slurm.

    Args:
        spec: The run's settings.
        run_dir: Its folder, absolute; need not exist.

    Raises:
        SettingError: A setting cannot stand in a batch script, or the processes do not fit the nodes.
    """
    parts = [
        ["#!/bin/bash -l", *(f"#SBATCH {option}" for option in _options(spec, run_dir))],
        _prologue(spec.launch.slurm),
        _exports(run_dir),
        MEETING_POINT.splitlines() if spec.training.num_processes > 1 else [],
        _supervisor(run_dir),
    ]
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"


def processes_per_node(spec: RunSpec) -> int:
    """Return how many processes each node gets.

    Raises:
        SettingError: The nodes cannot share them evenly, or not each of them gets a GPU.
    """
    processes, nodes, gpus = spec.training.num_processes, spec.launch.nodes, spec.launch.slurm.gpus_per_node
    if processes % nodes:
        raise SettingError(
            f"Setting 'training.num_processes' is {processes}, which {nodes} nodes cannot share evenly; choose a "
            f"multiple of {nodes}."
        )
    if 0 < gpus < processes // nodes:
        raise SettingError(
            f"Setting 'launch.slurm.gpus_per_node' is {gpus}, but {processes // nodes} processes on a node need a GPU "
            "each; raise it, or lower 'training.num_processes'."
        )
    return processes // nodes


def own_folder(path: Path) -> str:
    """Return the folder above `path` that most machines have for themselves, so that nodes do not see it, or ""."""
    known = (*OWN_FOLDERS, tempfile.gettempdir())
    return next((folder for folder in known if path.is_relative_to(folder)), "")


def _options(spec: RunSpec, run_dir: Path) -> Iterator[str]:
    """Yield the options of sbatch, each as one line holds it."""
    slurm, per_node = spec.launch.slurm, processes_per_node(spec)
    yield f"--job-name={job_name(spec, run_dir)}"
    yield f"--chdir={_path(run_dir)}"
    # Percent signs stand for parts of the job there.
    yield f"--output={_path(run_dir / 'log.txt').replace('%', '%%')}"
    yield "--open-mode=append"
    yield f"--nodes={spec.launch.nodes}"
    yield f"--ntasks-per-node={per_node}"
    named = {
        "cpus-per-task": slurm.cpus_per_process, "gpus-per-node": slurm.gpus_per_node, "mem": slurm.memory,
        "time": slurm.time_limit, "partition": slurm.partition, "account": slurm.account, "qos": slurm.qos,
        "constraint": slurm.constraint,
    }  # fmt: skip
    yield from (f"--{name}={_plain(name, str(value))}" for name, value in named.items() if value)
    # A job that lost its nodes is queued again; before its time limit its processes get USR1, and save.
    yield "--requeue" if slurm.max_requeues else "--no-requeue"
    yield f"--signal=USR1@{slurm.warning_seconds}"
    yield from (_extra(option) for option in slurm.extra if option.strip())


def _prologue(slurm: SlurmSettings) -> list[str]:
    """Return the commands that prepare a node, which are a person's own."""
    for line in slurm.prologue:
        if _has_control_characters(line):
            raise SettingError(
                f"Setting 'launch.slurm.prologue' holds {line!r}; expected one command an entry, without line breaks."
            )
    return ["# What prepares a node.", *slurm.prologue] if slurm.prologue else []


def _exports(run_dir: Path) -> list[str]:
    """Return the lines that say where Molfun and its data are; secrets stay in the environment of sbatch."""
    values = {"MOLFUN_HOME": str(run_dir.parents[1]), **worker_environment({})}
    own = own_folder(run_dir)
    return [
        *([f"# Every node must see this folder, but most machines have a {own} of their own."] if own else []),
        *(f"export {name}={shlex.quote(value)}" for name, value in values.items()),
        # Only now: what prepares a node is seldom written for it.
        "set -u",
    ]


def _supervisor(run_dir: Path) -> list[str]:
    return [
        "# Watches the run, starts its processes by srun, and has the job queued again where its nodes are taken away.",
        f"exec {shlex.quote(sys.executable)} -m molfun.runs.supervisor {shlex.quote(str(run_dir))}",
    ]


def job_name(spec: RunSpec, run_dir: Path) -> str:
    """Return the job's name: the run's, as letters that need no quotes."""
    return re.sub(r"[^A-Za-z0-9_.]+", "-", spec.name).strip("-")[:60] or run_dir.name


def _plain(option: str, value: str) -> str:
    """Return a value that can stand in a line of options as it is."""
    if not PLAIN.fullmatch(value):
        raise SettingError(
            f"Slurm's option --{option} is {value!r}; expected a name without blanks, quotes or line breaks."
        )
    return value


def _path(path: Path) -> str:
    """Return a path as a line of options takes it: quoted as in a shell, but Slurm reads backslashes within quotes."""
    text = str(path)
    if _has_control_characters(text) or "\\" in text:
        raise SettingError(f"The data folder {text!r} holds a backslash or line break; name another with MOLFUN_HOME.")
    return shlex.quote(text)


def _extra(option: str) -> str:
    """Return a further option that is neither reserved nor more than one line."""
    option = option.strip(" ")
    name = option.partition("=")[0].removeprefix("--")
    if not OPTION.fullmatch(option):
        raise SettingError(
            f"Setting 'launch.slurm.extra' holds {option!r}; expected one option of sbatch an entry, such as "
            "--reservation=lab, without blanks, quotes or line breaks."
        )
    # sbatch takes the beginning of a name for the whole.
    if any(reserved.startswith(name) for reserved in RESERVED):
        raise SettingError(
            f"Setting 'launch.slurm.extra' holds {option!r}, which Molfun sets itself; remove it, or use the setting."
        )
    return option


def _has_control_characters(text: str) -> bool:
    return any(ord(letter) < 32 or ord(letter) == 127 for letter in text)
