"""Slurm's own commands, each with a timeout and a typed answer. No shell; nothing of a run folder is known here.

A controller that is down blocks every one of them for about 9 seconds: never call them from a page.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from molfun.errors import RunError

TIMEOUT_SECONDS = 10.0
# How the commands say that nobody answered, which tells nothing about the job.
SILENT = re.compile(r"Unable to contact slurm|Connection refused|Socket timed out|connect failure", re.IGNORECASE)
UNKNOWN_JOB = "Invalid job id"
JOB_ID = re.compile(r"\d{1,10}")
# "sbatch: error: ", "scontrol: error: ", "allocation failure: "
SPEAKER = re.compile(r"^(\w+: )?(error|fatal|allocation failure): ")


@dataclass(frozen=True)
class SlurmJob:
    """What Slurm says of one job.

    Attributes:
        state: Its word for it, e.g. "PENDING" or "COMPLETING".
        reason: Its word for why it waits or ended, e.g. "Resources"; empty for none.
        restarts: How often it was queued again.
        exit_code: "code:signal" of the batch script, e.g. "0:53".
    """

    state: str
    reason: str = ""
    restarts: int = 0
    exit_code: str = "0:0"


def submit(script: Path, environment: Mapping[str, str]) -> str:
    """Put a batch script into the queue; return the job's id.

    Raises:
        RunError: Slurm is missing, gives no answer or refuses the job.
    """
    answer = _expect(_run("sbatch", "--parsable", str(script), environment=environment), "Slurm refuses the job")
    # "123", or "123;cluster" where a machine serves several clusters.
    job = answer.strip().partition(";")[0]
    if not JOB_ID.fullmatch(job):
        raise RunError(f"sbatch answered {answer.strip()[:100]!r} instead of a job id; ask those who run the cluster.")
    return job


def try_out(script: str, environment: Mapping[str, str]) -> None:
    """Ask whether Slurm would take a batch script; queues nothing.

    Raises:
        RunError: Slurm is missing, gives no answer or would refuse the job.
    """
    _expect(_run("sbatch", "--test-only", text=script, environment=environment), "Slurm refuses the job")


def show_job(job: str) -> SlurmJob | None:
    """Return what Slurm says of a job; None where it knows none of that id, any more or at all.

    Raises:
        RunError: Slurm is missing or gives no answer.
    """
    done = _run("scontrol", "show", "job", "--oneliner", job)
    if done.returncode and UNKNOWN_JOB in done.stderr:
        return None
    return parse_job(_expect(done, "Slurm does not tell of the job"))


def parse_job(line: str) -> SlurmJob:
    """Return the job on a line of `scontrol show job --oneliner`.

    >>> parse_job("JobId=7 JobState=PENDING Reason=ReqNodeNotAvail,_Unavailable:n1 Restarts=1 ExitCode=0:0")
    SlurmJob(state='PENDING', reason='ReqNodeNotAvail', restarts=1, exit_code='0:0')
    """
    # Paths may hold blanks and come last, so the first of each name counts.
    found: dict[str, str] = {}
    for name, value in re.findall(r"(?:^|\s)(\w+)=(\S*)", line):
        found.setdefault(name, value)
    reason, restarts = found.get("Reason", "").partition(",")[0], found.get("Restarts", "0")
    return SlurmJob(
        state=found.get("JobState", "UNKNOWN"),
        reason="" if reason == "None" else reason,
        restarts=int(restarts) if restarts.isdigit() else 0,
        exit_code=found.get("ExitCode", "0:0"),
    )


def ask_accounting(job: str) -> SlurmJob | None:
    """Return how a job ended as the cluster's accounting has it; None where there is none, or it does not know."""
    if shutil.which("sacct") is None:
        return None
    done = _run("sacct", "-X", "-P", "-n", "-j", job, "-o", "State,ExitCode")
    # One line for every time that the job was queued; the last one tells. "CANCELLED by 0" names a user.
    lines = done.stdout.split("\n")[:-1] if not done.returncode else []
    state, _, exit_code = (lines or [""])[-1].partition("|")
    return SlurmJob(state.split()[0], exit_code=exit_code.strip() or "0:0") if state.strip() else None


def cancel(job: str) -> None:
    """Take a job out of the queue, or end it: SIGTERM, and SIGKILL after the cluster's KillWait.

    Raises:
        RunError: Slurm is missing, gives no answer or refuses.
    """
    _expect(_run("scancel", job), "Slurm does not cancel the job")


def requeue(job: str) -> None:
    """Put a job that runs into the queue again, under the same id; Slurm ends its processes.

    Raises:
        RunError: Slurm is missing, gives no answer or refuses.
    """
    _expect(_run("scontrol", "requeue", job), "Slurm does not queue the job again")


def list_partitions() -> list[str]:
    """Return the names of the cluster's partitions; none where it does not tell.

    Raises:
        RunError: Slurm is missing or gives no answer.
    """
    done = _run("sinfo", "--noheader", "--format=%R")
    return sorted(set(done.stdout.split())) if not done.returncode else []


def cluster_name() -> str:
    """Return the name of the cluster that this machine belongs to; empty where it does not tell.

    Raises:
        RunError: Slurm is missing or gives no answer.
    """
    done = _run("scontrol", "show", "config")
    found = re.search(r"^ClusterName\s*=\s*(\S+)", done.stdout, re.MULTILINE)
    return found[1] if found else ""


def _run(
    command: str, *arguments: str, text: str | None = None, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run one of Slurm's commands; what it refuses is in the result."""
    if shutil.which(command) is None:
        raise RunError(
            f"Slurm's command {command} is not on this machine's PATH. Start the app on a login node of the cluster, "
            "or download the script and submit it there."
        )
    try:
        done = subprocess.run(
            [command, *arguments], input=text or "", env=environment, capture_output=True, text=True, errors="replace",
            timeout=TIMEOUT_SECONDS, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise RunError(_no_answer(command)) from None
    except OSError as error:
        raise RunError(f"Slurm's command {command} could not be started: {error.strerror}. Check it.") from None
    if done.returncode and SILENT.search(done.stderr):
        raise RunError(_no_answer(command))
    return done


def _no_answer(command: str) -> str:
    return f"Slurm's controller gave no answer to {command}. Try again in a while; `scontrol ping` tells its state."


def _expect(done: subprocess.CompletedProcess[str], otherwise: str) -> str:
    """Return what a command printed; raise with the first line of its complaint where it failed."""
    if not done.returncode:
        return done.stdout
    said = next((line for line in done.stderr.splitlines() if line.strip()), f"exit code {done.returncode}")
    raise RunError(f"{otherwise}: {SPEAKER.sub('', said.strip()).rstrip('.')}. Change what it names and try again.")
