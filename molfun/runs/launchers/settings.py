"""Settings of where a run's processes run: this machine, a Slurm cluster, a Ray cluster."""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator

from molfun.settings import Settings, setting

Where = Literal["local", "slurm", "ray"]


class SlurmSettings(Settings):
    """What is asked of Slurm; empty leaves it to the cluster's own defaults."""

    partition: str = setting("", label="Partition", help="Queue of the cluster; `sinfo` lists them.", group="Slurm")
    time_limit: str = setting(
        "", label="Time limit", group="Slurm", pattern=r"^(\d+|\d+:\d{2}(:\d{2})?|\d+-\d{1,2}(:\d{2}){0,2})?$",
        help="Longest time at once, e.g. 12:00:00 or 2-00:00:00; a run that needs longer is queued again and goes on.",
    )  # fmt: skip
    gpus_per_node: int = setting(
        0, ge=0, le=64, label="GPUs a node", group="Slurm", help="Usually as many as processes on a node; 0 is none."
    )
    cpus_per_process: int = setting(
        0, ge=0, le=1024, label="CPU cores a process", group="Slurm", help="0 leaves it to the cluster."
    )
    memory: str = setting(
        "", label="Memory a node", group="Slurm", pattern=r"^(\d+[KMGT]?)?$",
        help="For example 32G; empty leaves it to the cluster.",
    )  # fmt: skip
    account: str = setting("", label="Account", help="Whose hours are used.", group="Slurm", level="advanced")
    qos: str = setting("", label="Quality of service", help="Name of a QOS.", group="Slurm", level="advanced")
    constraint: str = setting(
        "", label="Constraint", help="Features that nodes must have, e.g. a100.", group="Slurm", level="advanced"
    )
    extra: list[str] = setting(
        [], label="More options", group="Slurm", level="advanced",
        help="Further options of sbatch, e.g. --reservation=lab.",
    )  # fmt: skip
    prologue: list[str] = setting(
        [], label="Before the run", group="Slurm", level="advanced",
        help="Shell commands that prepare a node, e.g. module load cuda.",
    )  # fmt: skip
    step: Literal["srun", "torchrun"] = setting(
        "srun", label="Started by", group="Slurm", level="advanced",
        help="srun starts every process; torchrun starts one launcher a node, for clusters that want one task a node.",
    )  # fmt: skip
    warning_seconds: int = setting(
        120, ge=10, le=3600, label="Warning", unit="seconds", group="Slurm", level="advanced",
        help="How long before the time limit the run saves and stops, to be queued again.",
    )  # fmt: skip
    max_requeues: int = setting(
        20, ge=0, le=1000, label="Queued again at most", unit="times", group="Slurm", level="advanced",
        help="How often a run that lost its nodes is queued again; 0 never.",
    )  # fmt: skip


class RaySettings(Settings):
    """Where a Ray cluster answers, and what a run asks of it."""

    address: str = setting(
        "http://127.0.0.1:8265", label="Ray address", group="Ray",
        help="Address of the cluster's Jobs interface (its dashboard).",
    )  # fmt: skip
    num_cpus: float = setting(
        1.0, ge=0.0, le=100_000.0, label="CPU cores", help="Cores that Ray sets aside for the run.", group="Ray"
    )
    num_gpus: float = setting(
        0.0,
        ge=0.0,
        le=100_000.0,
        label="GPUs",
        help="GPUs that Ray sets aside for the run; 0 trains on the CPU.",
        group="Ray",
    )


class LaunchSettings(Settings):
    """Where a run's processes run."""

    where: Where = setting(
        "local", label="Where", group="Place", help="This machine, a Slurm cluster or a Ray cluster."
    )
    nodes: int = setting(
        1, ge=1, le=1024, label="Nodes", group="Place", level="advanced", depends_on="where is slurm",
        help="Machines that the processes are spread over; they must divide the number of processes.",
    )  # fmt: skip
    gpus: list[int] | None = setting(
        None, label="GPUs", group="Place", level="advanced", depends_on="where is local",
        help="Numbers of the GPUs to use; auto takes those that are free.",
    )  # fmt: skip
    hang_minutes: float = setting(
        30.0, ge=0.0, label="Give up after", unit="minutes", group="Safety", level="advanced",
        help="End a run that gives no sign of life for so long, so that it does not hold the machine; 0 never.",
    )  # fmt: skip
    rehearse: bool = setting(
        True, label="Try the largest batch first", group="Safety", level="advanced",
        help="Compute the heaviest batch once before the first step, so that too little memory shows in seconds.",
    )  # fmt: skip
    slurm: SlurmSettings = SlurmSettings()
    ray: RaySettings = RaySettings()

    @model_validator(mode="after")
    def _check_nodes(self) -> LaunchSettings:
        if self.nodes > 1 and self.where != "slurm":
            raise ValueError(f"{self.nodes} nodes need a Slurm cluster (where: slurm), but where is {self.where!r}")
        return self
