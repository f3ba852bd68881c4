"""Slurm's words for the state of a job, turned into ours, with the reason in plain words. Values in, value out."""

from __future__ import annotations

from molfun.runs.launchers.base import Job, JobState
from molfun.runs.launchers.slurm_commands import SlurmJob

STATES: dict[str, JobState] = {
    "PENDING": "queued", "REQUEUED": "queued", "REQUEUE_FED": "queued", "REQUEUE_HOLD": "queued",
    "SPECIAL_EXIT": "queued", "RESV_DEL_HOLD": "queued",
    "RUNNING": "running", "CONFIGURING": "running", "COMPLETING": "running", "SIGNALING": "running",
    "SUSPENDED": "running", "STOPPED": "running", "STAGE_OUT": "running", "RESIZING": "running",
    "POWER_UP_NODE": "running",
    "COMPLETED": "done", "CANCELLED": "cancelled", "REVOKED": "cancelled",
}  # fmt: skip
# Every other end is a failure; a job that is queued again has none of these words.
ENDS = {
    "FAILED": "The job failed with exit code {code}.",
    "TIMEOUT": "Its time limit was reached before it could save; raise launch.slurm.warning_seconds.",
    "OUT_OF_MEMORY": "It used more memory than the job may; raise launch.slurm.memory, or lower the batch size.",
    "NODE_FAIL": "One of its nodes was lost.",
    "PREEMPTED": "Its nodes were given to a job of higher priority.",
    "BOOT_FAIL": "One of its nodes could not be started.",
    "DEADLINE": "It could not start in time.",
}
# Exit code of a job whose output file could not be opened on the node.
NO_FILE = "0:53"
NO_FOLDER = (
    "The node could not write to the run folder. The data folder (MOLFUN_HOME) must lie on a disk that all nodes "
    "share; start the app with such a one."
)
# Exit codes of the shell where a command is missing or cannot be run.
NO_COMMAND = ("126:0", "127:0")
NO_PYTHON = (
    "The node could not start Molfun's Python; it must lie at the same path there as on this machine. The log has the "
    "details."
)
NEVER = "Asks for more than the partition allows, so it will never start. Cancel it and "
HELD = "Held; `scontrol release` lets it go."
REASONS = {
    "Resources": "Waits until enough of the cluster is free.",
    "Priority": "Waits behind jobs of higher priority.",
    "BeginTime": "Starts at a set time; a job that is queued again waits about two minutes.",
    "Dependency": "Waits for another job.",
    "PartitionConfig": f"{NEVER}lower nodes, cores, memory or the time limit, or choose another partition.",
    "PartitionNodeLimit": f"{NEVER}lower the number of nodes, or choose another partition.",
    "PartitionTimeLimit": f"{NEVER}lower the time limit, or choose another partition.",
    "BadConstraints": "No node can ever give what it asks for. Cancel it and change the constraint, GPUs or memory.",
    "PartitionDown": "Its partition takes no jobs at the moment.",
    "PartitionInactive": "Its partition takes no jobs at the moment.",
    "ReqNodeNotAvail": "Nodes that it needs are down, reserved or kept for later.",
    "NodeDown": "A node that it needs is down.",
    "Reservation": "Waits for its reservation.",
    "Licenses": "Waits for a licence.",
    "JobHeldUser": HELD,
    "JobHeldAdmin": "Held by those who run the cluster; ask them.",
    "launch_failed_requeued_held": "Held by Slurm, because a node could not start it; ask those who run the cluster.",
    "InvalidAccount": "Its account is not valid on this partition. Cancel it and change launch.slurm.account.",
    "InvalidQOS": "Its quality of service is not valid. Cancel it and change launch.slurm.qos.",
}
FORGOTTEN = "Slurm does not know the job {job} any more; it forgets jobs some minutes after their end."


def as_job(found: SlurmJob) -> Job:
    """Return what Slurm says of a job in our words."""
    state = STATES.get(found.state, "failed" if found.state in ENDS else "unknown")
    if state == "queued":
        is_back = found.restarts > 0
        return Job(
            "interrupted" if is_back else "queued", f"{'Queued again. ' if is_back else ''}{_wait(found.reason)}"
        )
    if state == "failed":
        return Job(state, _failure(found))
    if state == "unknown":
        return Job(state, f"Slurm calls the state of the job {found.state}, which this version does not know.")
    return Job(state)


def _failure(found: SlurmJob) -> str:
    """Return how a job failed, in a sentence."""
    if found.exit_code == NO_FILE:
        return NO_FOLDER
    if found.exit_code in NO_COMMAND:
        return NO_PYTHON
    return ENDS[found.state].format(code=found.exit_code.partition(":")[0])


def _wait(reason: str) -> str:
    """Return what a job waits for, in a sentence."""
    if reason in REASONS:
        return REASONS[reason]
    for beginning, what in (("QOS", "the quality of service"), ("Assoc", "the account")):
        if reason.startswith(beginning):
            return f"Waits because of a limit of {what} ({reason})."
    return f"Waits in the queue of the cluster ({reason})." if reason else "Waits in the queue of the cluster."
