"""Runs on a Slurm cluster: a batch script given to sbatch, and Slurm's own words for what became of it.

The job runs the same supervisor as everywhere, on the same run folder, which must lie on a disk that all nodes see.
"""

from __future__ import annotations

import logging
import os
import re
import time
from pathlib import Path
from typing import ClassVar

from typing_extensions import override

from molfun.errors import RunError, SettingError, nearest
from molfun.home import data_home
from molfun.runs import control
from molfun.runs.attempts import begin_attempt
from molfun.runs.detached import worker_environment
from molfun.runs.endings import cancelled
from molfun.runs.files import replace_text
from molfun.runs.folder import RunFolder
from molfun.runs.launchers import slurm_commands
from molfun.runs.launchers.base import How, Job, Launcher
from molfun.runs.launchers.settings import SlurmSettings
from molfun.runs.launchers.slurm_answers import FORGOTTEN, as_job
from molfun.runs.launchers.slurm_script import own_folder, processes_per_node, render
from molfun.runs.spec import RunSpec
from molfun.runs.status import run_status

logger = logging.getLogger(__name__)

SCRIPT = "job.sh"
# sbatch is given `slurm_commands.TIMEOUT_SECONDS`; a run without a job after this was never sent.
HAND_OVER_SECONDS = 30.0
# Slurm's warning may come up to 60 seconds early.
EARLY_SECONDS = 60


class SlurmLauncher(Launcher):
    """Give `RUN_DIR/job.sh` to sbatch, on a login node of the cluster."""

    name: ClassVar[str] = "slurm"

    @override
    def check(self, spec: RunSpec) -> None:
        slurm = spec.launch.slurm
        processes_per_node(spec)
        _check_time(slurm)
        if slurm.partition:
            _check_partition(slurm.partition)
        home = data_home()
        if folder := own_folder(home):
            logger.warning("The data folder %s lies in %s; the nodes of a cluster seldom share it.", home, folder)
        slurm_commands.try_out(render(spec, home / "runs" / "new-run"), submission_environment(slurm))

    @override
    def start(self, folder: RunFolder) -> None:
        spec = folder.spec
        script = render(spec, folder.path)
        begin_attempt(folder)
        # An answer about the job of an earlier attempt must not be taken for one about this.
        folder.write_launch(launcher=self.name, job=None, cluster=None, submitted=time.time())
        try:
            replace_text(folder.path / SCRIPT, script)
            job = slurm_commands.submit(folder.path / SCRIPT, submission_environment(spec.launch.slurm))
            folder.write_launch(job=job, cluster=_cluster(), submitted=time.time())
        except (RunError, OSError) as error:
            cause = str(error) if isinstance(error, RunError) else f"{SCRIPT} cannot be written: {error.strerror}."
            folder.write_state(status="failed", cause=cause, ended=time.time())
            raise RunError(cause) from None
        # Somebody may have cancelled the run while sbatch had it.
        if folder.read_state().get("status") == "stopped":
            slurm_commands.cancel(job)

    @override
    def poll(self, folder: RunFolder) -> Job:
        launch = folder.read_launch()
        job, cluster = launch.get("job"), launch.get("cluster")
        if not isinstance(job, str) or not slurm_commands.JOB_ID.fullmatch(job):
            return _unsent(launch.get("submitted"))
        try:
            if found := slurm_commands.show_job(job) or slurm_commands.ask_accounting(job):
                return as_job(found)
            here = slurm_commands.cluster_name()
        except RunError as error:
            return Job("unknown", str(error))
        if cluster and here != cluster:
            return Job("unknown", f"The run was sent to the cluster {cluster}; open the app on one of its login nodes.")
        # An answer, too: had the job not ended, Slurm would know it.
        return Job("failed", FORGOTTEN.format(job=job))

    @override
    def stop(self, folder: RunFolder, how: How = "save") -> None:
        status = run_status(folder)
        if status.is_over:
            raise RunError(f"The run {folder.id} is {status.status}; there is nothing to stop.")
        is_waiting = self.poll(folder).state in ("queued", "interrupted")
        if not is_waiting:
            control.request(folder, "stop")
        job = folder.read_launch().get("job")
        if isinstance(job, str) and (is_waiting or how == "now"):
            slurm_commands.cancel(job)
        # Its turn may have come this very moment; then its supervisor notes the end.
        if is_waiting and folder.read_state().get("status") == "queued":
            folder.write_state(status="stopped", cause=cancelled(folder.saved_step), ended=time.time())

    @override
    def preview(self, spec: RunSpec, run_dir: Path) -> str:
        return render(spec, run_dir)


def submission_environment(slurm: SlurmSettings) -> dict[str, str]:
    """Return the environment of sbatch, which the job inherits: a worker's, without what names another job.

    The app may itself run inside a job of Slurm, whose variables would change what is asked for. Defaults that people
    keep in their environment count where the settings say nothing.
    """
    defaults = {f"SBATCH_{name.upper()}" for name in ("account", "partition", "qos") if not getattr(slurm, name)}
    kept = {name: os.environ[name] for name in ("SLURM_CONF", *sorted(defaults)) if name in os.environ}
    ours = {name: value for name, value in worker_environment(os.environ).items() if not name.startswith("SLURM_")}
    return {**ours, **kept}


def _cluster() -> str | None:
    try:
        return slurm_commands.cluster_name() or None
    except RunError:
        return None


def _unsent(submitted: object) -> Job:
    is_new = isinstance(submitted, int | float) and time.time() - submitted <= HAND_OVER_SECONDS
    if is_new:
        return Job("queued", "On its way to Slurm.")
    return Job("failed", "Its start was cut off before Slurm took it.")


def _check_partition(name: str) -> None:
    known = slurm_commands.list_partitions()
    # Several may be named; the job starts where it can first.
    for part in name.split(",") if known else []:
        if part not in known:
            hint = nearest(part, known) or f"; it has {', '.join(known)}."
            raise SettingError(f"Setting 'launch.slurm.partition': the cluster has no partition {part!r}{hint}")


def _check_time(slurm: SlurmSettings) -> None:
    """Hold that the warning before the time limit leaves time to train."""
    limit, warning = limit_seconds(slurm.time_limit), slurm.warning_seconds
    if limit and limit <= warning + EARLY_SECONDS:
        raise SettingError(
            f"Setting 'launch.slurm.time_limit' is {slurm.time_limit!r} ({limit} s), but the warning to save comes "
            f"{warning} to {warning + EARLY_SECONDS} s before; raise the limit or lower 'launch.slurm.warning_seconds'."
        )


def limit_seconds(text: str) -> int:
    """Return a time limit in seconds, 0 where there is none.

    >>> [limit_seconds(text) for text in ("90", "90:30", "1:30:00", "2-0", "1-02:03", "")]
    [5400, 5430, 5400, 172800, 93780, 0]
    """
    days, dash, rest = text.rpartition("-")
    parts = [int(part) for part in re.findall(r"\d+", rest)]
    # After days come hours; without them one number is minutes, two are minutes and seconds.
    if not dash and len(parts) < 3:
        parts = [0, *parts]
    hours, minutes, seconds = [*parts, 0, 0, 0][:3]
    return ((int(days or 0) * 24 + hours) * 60 + minutes) * 60 + seconds
