"""Settings of where a run's processes run: this machine, a Slurm cluster, a Ray cluster."""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator

from molfun.settings import Settings, setting

Where = Literal["local", "slurm", "ray"]


class SlurmSettings(Settings):
    """What is asked of Slurm; empty leaves it to the cluster's own defaults."""

    partition: str = setting(
        "", label="Partition", group="Slurm",
        help="Queue of the cluster, `sinfo` lists them; name it where the cluster's default is not the one with your "
        "GPUs.",
    )  # fmt: skip
    time_limit: str = setting(
        "", pattern=r"^(\d+|\d+:\d{2}(:\d{2})?|\d+-\d{1,2}(:\d{2}){0,2})?$", label="Time limit", group="Slurm",
        help="Longest time at once, e.g. 12:00:00 or 2-00:00:00; a run that needs longer is queued again and goes on, "
        "so a short one only starts sooner.",
    )  # fmt: skip
    gpus_per_node: int = setting(
        0, ge=0, le=64, label="GPUs a node", group="Slurm",
        help="GPUs on each node, usually as many as processes on it; 0 asks for none.",
    )  # fmt: skip
    cpus_per_process: int = setting(
        0, ge=0, le=1024, label="CPU cores a process", group="Slurm",
        help="CPU cores of each process; raise it where training runs on cores, 0 leaves it to the cluster.",
    )  # fmt: skip
    memory: str = setting(
        "", pattern=r"^(\d+[KMGT]?)?$", label="Memory a node", group="Slurm",
        help="Memory of each node, for example 32G; name it where jobs are ended for lack of it, empty leaves it to "
        "the cluster.",
    )  # fmt: skip
    account: str = setting(
        "", label="Account", group="Slurm", level="advanced",
        help="Whose hours are used; needed where the cluster asks for it.",
    )  # fmt: skip
    qos: str = setting(
        "", label="Quality of service", group="Slurm", level="advanced",
        help="Name of a QOS, a class of jobs with limits and a priority of its own; needed where the cluster asks for "
        "one.",
    )  # fmt: skip
    constraint: str = setting(
        "", label="Constraint", group="Slurm", level="advanced",
        help="Features that nodes must have, e.g. a100; name them where nodes differ.",
    )  # fmt: skip
    extra: list[str] = setting(
        [], label="More options", group="Slurm", level="advanced",
        help="Further options of sbatch, e.g. --reservation=lab; for what no setting here says.",
    )  # fmt: skip
    prologue: list[str] = setting(
        [], label="Before the run", group="Slurm", level="advanced",
        help="Shell commands that prepare a node, e.g. module load cuda; needed where programs come as modules.",
    )  # fmt: skip
    step: Literal["srun", "torchrun"] = setting(
        "srun", label="Started by", group="Slurm", level="advanced",
        help="What starts the processes: srun every one of them; torchrun one launcher a node, for clusters that want "
        "one task a node.",
    )  # fmt: skip
    warning_seconds: int = setting(
        120, ge=10, le=3600, label="Warning", unit="seconds", group="Slurm", level="advanced",
        help="How long before the time limit the run saves and stops, to be queued again; raise it where saving takes "
        "longer.",
    )  # fmt: skip
    max_requeues: int = setting(
        20, ge=0, le=1000, label="Queued again at most", unit="times", group="Slurm", level="advanced",
        help="How often a run that lost its nodes is queued again; lower it to be asked sooner, 0 never.",
    )  # fmt: skip


class RaySettings(Settings):
    """Where a Ray cluster answers, and what a run asks of it."""

    address: str = setting(
        "http://127.0.0.1:8265", label="Ray address", group="Ray",
        help="Address of the cluster's Jobs interface (its dashboard); change it to the cluster's, or to the end of a "
        "tunnel.",
    )  # fmt: skip
    num_cpus: float = setting(
        1.0, ge=0.0, le=100_000.0, label="CPU cores", group="Ray",
        help="Cores that Ray sets aside for the run; raise it together with training.num_threads, 0 sends the job to "
        "the head node.",
    )  # fmt: skip
    num_gpus: float = setting(
        0.0, ge=0.0, le=100_000.0, label="GPUs", group="Ray",
        help="GPUs that Ray sets aside for the run, one a process; 0 trains on the CPU.",
    )  # fmt: skip


class LaunchSettings(Settings):
    """Where a run's processes run."""

    where: Where = setting(
        "local", label="Where", group="Place",
        help="What the run's processes run on: this machine, a Slurm cluster or a Ray cluster.",
    )  # fmt: skip
    nodes: int = setting(
        1, ge=1, le=1024, label="Nodes", group="Place", level="advanced", depends_on="launch.where is slurm",
        help="Machines that the processes are spread over, which must divide the number of processes; raise it where "
        "one has too few GPUs.",
    )  # fmt: skip
    gpus: list[int] | None = setting(
        None, label="GPUs", group="Place", level="advanced", depends_on="launch.where is local",
        help="Numbers of the GPUs to use; auto takes those that are free, name some to leave the others alone.",
    )  # fmt: skip
    hang_minutes: float = setting(
        30.0, ge=0.0, label="Give up after", unit="minutes", group="Safety", level="advanced",
        help="Ends a run that gives no sign of life for so long, so that it does not hold the machine; raise it where "
        "a single step takes longer, 0 never.",
    )  # fmt: skip
    rehearse: bool = setting(
        True, label="Try the largest batch first", group="Safety", level="advanced",
        help="Computes the heaviest batch once before the first step, so that too little memory shows in seconds; "
        "turn it off to start a little sooner.",
    )  # fmt: skip
    slurm: SlurmSettings = SlurmSettings()
    ray: RaySettings = RaySettings()

    @model_validator(mode="after")
    def _check_nodes(self) -> LaunchSettings:
        if self.nodes > 1 and self.where != "slurm":
            raise ValueError(f"{self.nodes} nodes need a Slurm cluster (where: slurm), but where is {self.where!r}")
        return self
