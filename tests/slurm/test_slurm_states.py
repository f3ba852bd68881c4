"""What Slurm says of jobs, asked of a real one: no model is loaded here."""

from __future__ import annotations

import re
import socket
import time
from pathlib import Path
from typing import Any

import pytest

from molfun.errors import MolfunError, RunError
from molfun.runs import control
from molfun.runs.folder import RunFolder
from molfun.runs.launchers import slurm_commands
from molfun.runs.launchers.base import Job
from molfun.runs.launchers.settings import SlurmSettings
from molfun.runs.launchers.slurm import SlurmLauncher, submission_environment
from molfun.runs.launchers.slurm_answers import as_job
from molfun.runs.launchers.slurm_commands import SlurmJob, ask_accounting
from molfun.runs.launchers.srun import SrunStarter, free_port
from molfun.runs.launchers.srun_task import ask_to_stop
from molfun.runs.spec import RunSpec
from molfun.runs.status import run_status
from molfun.runs.store import RunStore
from molfun.runs.watch import ask_cluster
from tests.real_runs import wait_until
from tests.slurm.cluster import Cluster


def spec(*, nodes: int = 1, processes: int = 1, **slurm: Any) -> RunSpec:
    """Return the settings of a run on Slurm; its dataset does not exist."""
    launch = {"where": "slurm", "nodes": nodes, "slurm": slurm}
    values = {"name": "One", "data": {"dataset": "d-1"}, "launch": launch}
    return RunSpec.parse({**values, "training": {"num_processes": processes}})


def new_run(home: Path, **changes: Any) -> RunFolder:
    """Create a run; nothing is started."""
    return RunStore(home).create(spec(**changes))


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"partition": "debgu"}, "the cluster has no partition 'debgu', did you mean 'debug'?"),
        ({"partition": "debug,zz"}, "the cluster has no partition 'zz'; it has debug, high."),
        ({"nodes": 3, "processes": 3}, "Slurm refuses the job: .*Requested node configuration is not available"),
        ({"memory": "9999G"}, "Slurm refuses the job: .*Change what it names and try again."),
        ({"gpus_per_node": 1}, "Slurm refuses the job: .*generic resource"),
        ({"constraint": "a100"}, "Slurm refuses the job: Invalid feature specification"),
        ({"time_limit": "3"}, r"is '3' \(180 s\), but the warning to save comes 120 to 180 s before"),
        ({"nodes": 2, "processes": 3}, "3, which 2 nodes cannot share evenly"),
    ],
)
def test_what_the_cluster_cannot_give_is_said_before_anything_is_created(
    cluster: Cluster, home: Path, changes: dict[str, Any], why: str
) -> None:
    with pytest.raises(MolfunError, match=why):
        SlurmLauncher().check(spec(**changes))
    assert list(home.glob("runs/*")) == []


def test_what_the_cluster_can_give_passes(cluster: Cluster) -> None:
    SlurmLauncher().check(spec(nodes=2, processes=2, partition="debug,high", time_limit="0:30:00"))


def test_a_refused_job_leaves_a_failed_run_with_slurms_words(cluster: Cluster, home: Path) -> None:
    folder = new_run(home, partition="nowhere")
    with pytest.raises(RunError, match=r"Slurm refuses the job: invalid partition specified: nowhere\."):
        SlurmLauncher().start(folder)
    status = run_status(folder)
    assert (status.status, status.cause.partition(":")[0]) == ("failed", "Slurm refuses the job")


def test_a_job_that_will_never_start_says_so_and_can_be_cancelled(cluster: Cluster, home: Path) -> None:
    folder, launcher = new_run(home, time_limit="2:00:00"), SlurmLauncher()
    launcher.start(folder)
    wait_until(lambda: "will never start" in launcher.poll(folder).reason, folder, seconds=10)
    ask_cluster(folder)
    status = run_status(folder)
    assert (status.status, status.alive) == ("queued", False)
    assert "Cancel it and lower " in status.cause
    with pytest.raises(RunError, match="waits in the queue already"):
        launcher.start(folder)
    launcher.stop(folder)
    status = run_status(folder)
    assert (status.status, status.cause) == ("stopped", "Cancelled before its turn came; nothing was trained.")
    assert launcher.poll(folder).state == "cancelled"


def test_a_job_that_somebody_else_cancels_is_seen(cluster: Cluster, home: Path) -> None:
    folder = new_run(home, time_limit="2:00:00")
    SlurmLauncher().start(folder)
    cluster.call("scancel", folder.read_launch()["job"])
    ask_cluster(folder)
    status = run_status(folder)
    assert (status.status, status.cause) == ("stopped", "The job was cancelled on the cluster; the run can be resumed.")


def test_a_node_that_does_not_see_the_run_folder_is_named_as_the_cause(cluster: Cluster, home: Path) -> None:
    folder, launcher = new_run(home), SlurmLauncher()
    folder.log_path.mkdir()  # so that the node cannot open the log, as where the folder is not there
    launcher.start(folder)
    wait_until(lambda: launcher.poll(folder).state == "failed", folder, seconds=10)
    ask_cluster(folder)
    status = run_status(folder)
    assert status.status == "lost"
    assert "The node could not write to the run folder. The data folder (MOLFUN_HOME) must lie on" in status.cause


@pytest.mark.parametrize(("message_seconds", "timeout_seconds"), [(1, 10.0), (10, 1.0)], ids=["says so", "is silent"])
def test_a_controller_that_is_down_is_no_answer(
    cluster: Cluster,
    home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    message_seconds: int,
    timeout_seconds: float,
) -> None:
    folder = new_run(home)
    folder.write_launch(launcher="slurm", job="7", submitted=time.time())
    # Port 1 belongs to a service that nobody runs.
    text = re.sub("SlurmctldPort=.*", "SlurmctldPort=1", cluster.settings.read_text())
    (tmp_path / "slurm.conf").write_text(f"{text}MessageTimeout={message_seconds}\n")
    monkeypatch.setenv("SLURM_CONF", str(tmp_path / "slurm.conf"))
    monkeypatch.setattr(slurm_commands, "TIMEOUT_SECONDS", timeout_seconds)
    asked = time.monotonic()
    job = SlurmLauncher().poll(folder)
    assert time.monotonic() - asked < 3
    assert (job.state, job.reason.partition(".")[0]) == ("unknown", "Slurm's controller gave no answer to scontrol")


@pytest.mark.parametrize(
    ("launch", "state", "reason"),
    [
        ({"job": "99999"}, "failed", "Slurm does not know the job 99999 any more"),
        ({"job": "99999", "cluster": "molfun"}, "failed", "Slurm does not know the job 99999 any more"),
        ({"job": "99999", "cluster": "other"}, "unknown", "The run was sent to the cluster other; open the app on"),
        ({"submitted": 4e9}, "queued", "On its way to Slurm."),
        ({"submitted": 1.0}, "failed", "Its start was cut off before Slurm took it."),
        ({"job": "7; id", "submitted": 1.0}, "failed", "Its start was cut off before Slurm took it."),
    ],
)
def test_a_job_that_slurm_does_not_know(
    cluster: Cluster, home: Path, launch: dict[str, Any], state: str, reason: str
) -> None:
    folder = new_run(home)
    folder.write_launch(launcher="slurm", **launch)
    job = SlurmLauncher().poll(folder)
    assert (job.state, job.reason[: len(reason)]) == (state, reason)


def test_accounting_that_is_switched_off_tells_nothing(cluster: Cluster) -> None:
    assert ask_accounting("1") is None


def test_a_machine_without_slurm_is_told_what_to_do(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(home))
    with pytest.raises(RunError, match=r"sbatch is not on this machine's PATH\. Start the app on a login node"):
        SlurmLauncher().check(spec())
    folder = new_run(home)
    folder.write_launch(launcher="slurm", job="7")
    assert SlurmLauncher().poll(folder).state == "unknown"
    assert "#SBATCH" in SlurmLauncher().preview(spec(), folder.path)


@pytest.mark.parametrize(
    ("found", "job"),
    [
        (SlurmJob("PENDING", "Resources"), Job("queued", "Waits until enough of the cluster is free.")),
        (SlurmJob("PENDING"), Job("queued", "Waits in the queue of the cluster.")),
        (SlurmJob("PENDING", "WaitingForGodot"), Job("queued", "Waits in the queue of the cluster (WaitingForGodot).")),
        (
            SlurmJob("PENDING", "QOSMaxCpuPerUserLimit"),
            Job("queued", "Waits because of a limit of the quality of service (QOSMaxCpuPerUserLimit)."),
        ),
        (
            SlurmJob("PENDING", "BeginTime", restarts=2),
            Job(
                "interrupted", "Queued again. Starts at a set time; a job that is queued again waits about two minutes."
            ),
        ),
        (SlurmJob("COMPLETING"), Job("running")),
        (SlurmJob("COMPLETED"), Job("done")),
        (SlurmJob("CANCELLED"), Job("cancelled")),
        (SlurmJob("FAILED", exit_code="3:0"), Job("failed", "The job failed with exit code 3.")),
        (
            SlurmJob("FAILED", exit_code="127:0"),
            Job(
                "failed",
                "The node could not start Molfun's Python; it must lie at the same path there as on this machine. "
                "The log has the details.",
            ),
        ),
        (SlurmJob("NODE_FAIL"), Job("failed", "One of its nodes was lost.")),
        (
            SlurmJob("DREAMING"),
            Job("unknown", "Slurm calls the state of the job DREAMING, which this version does not know."),
        ),
    ],
)
def test_slurms_words_in_ours(found: SlurmJob, job: Job) -> None:
    assert as_job(found) == job


def test_sbatch_gets_neither_secrets_nor_the_variables_of_another_job(monkeypatch: pytest.MonkeyPatch) -> None:
    told = {
        "SLURM_CONF": "/etc/x", "SLURM_JOB_ID": "7", "SLURM_MEM_PER_NODE": "1", "SBATCH_ACCOUNT": "lab",
        "SBATCH_PARTITION": "gpu", "BANK_PASSWORD": "s3cret-s3cret", "HOME": "/home/user",
    }  # fmt: skip
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    environment = submission_environment(SlurmSettings(partition="debug"))
    kept = {name: environment[name] for name in told if name in environment}
    assert kept == {"SLURM_CONF": "/etc/x", "SBATCH_ACCOUNT": "lab", "HOME": "/home/user"}


@pytest.mark.parametrize(
    ("job", "comes_back"),
    [
        (SlurmJob("RUNNING"), True),  # preemption with a grace time, or the warning before the time limit
        (SlurmJob("COMPLETING", "TimeLimit"), True),  # too late for the warning
        (SlurmJob("COMPLETING", restarts=2), True),  # Slurm has queued it again by itself
        (SlurmJob("COMPLETING"), False),  # scancel
        (SlurmJob("CANCELLED"), False),
    ],
)
def test_only_a_job_that_was_not_cancelled_comes_back(
    home: Path, monkeypatch: pytest.MonkeyPatch, job: SlurmJob, comes_back: bool
) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    starter = SrunStarter(new_run(home))
    assert starter._may_come_back(job) == comes_back
    assert starter.why_not_back() == ""


def test_a_job_comes_back_as_often_as_the_settings_say(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setenv("SLURM_RESTART_COUNT", "2")
    starter = SrunStarter(new_run(home, max_requeues=2))
    assert not starter._may_come_back(SlurmJob("RUNNING"))
    assert "the run was queued again 2 times already, as often as launch.slurm.max_requeues" in starter.why_not_back()


def test_a_signal_does_not_hide_that_a_person_asked(home: Path) -> None:
    folder = new_run(home)
    control.request(folder, "stop")
    ask_to_stop(folder)
    assert control.read(folder, "stop")["by"] == "user"
    control.clear(folder)
    ask_to_stop(folder)
    assert control.read(folder, "stop")["by"] == "signal"


def test_a_run_that_is_over_cannot_be_stopped(home: Path) -> None:
    folder = new_run(home)
    folder.write_state(status="finished")
    with pytest.raises(RunError, match="is finished; there is nothing to stop"):
        SlurmLauncher().stop(folder)


def test_a_port_that_another_job_has_taken_is_passed_over() -> None:
    with socket.socket() as taken:
        taken.bind(("", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert port < free_port(port) < port + 100
