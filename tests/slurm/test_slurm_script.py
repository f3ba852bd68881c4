"""The batch script: what it asks for, what it refuses, and that it is one that bash and Slurm understand."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from molfun.errors import SettingError
from molfun.runs.launchers.slurm_script import render
from molfun.runs.spec import RunSpec
from tests.slurm.cluster import Cluster

RUN_DIR = Path("/shared/lab/molfun/runs/20261123-few-a1b2")
EVIL = ["debug\nrm -rf /", "a b", "$(id)", "`id`", "a;id", "a'", 'a"', "a\\", "a#b", "a\x00b", "a\r"]


def spec(*, processes: int = 1, nodes: int = 1, **slurm: Any) -> RunSpec:
    """Return the settings of a run on Slurm, with some of launch.slurm."""
    launch = {"where": "slurm", "nodes": nodes, "slurm": slurm}
    values = {"name": "Frühling & Co; rm -rf $HOME", "data": {"dataset": "d-1"}, "launch": launch}
    return RunSpec.parse({**values, "training": {"num_processes": processes}})


def options(script: str) -> list[str]:
    """Return what the script asks of sbatch."""
    return [line.removeprefix("#SBATCH ") for line in script.splitlines() if line.startswith("#SBATCH ")]


def test_the_script_asks_for_what_the_settings_say() -> None:
    script = render(
        spec(
            processes=8, nodes=2, gpus_per_node=4, cpus_per_process=6, memory="64G",
            time_limit="1-12:00:00", partition="gpu", account="lab_7", qos="long",
            constraint="[a100*2|h100]&ib", extra=["--reservation=course", "--exclusive"],
            prologue=["module load cuda/12.4"],
        ),
        RUN_DIR,
    )  # fmt: skip
    assert options(script) == [
        "--job-name=Fr-hling-Co-rm-rf-HOME", f"--chdir={RUN_DIR}", f"--output={RUN_DIR}/log.txt", "--open-mode=append",
        "--nodes=2", "--ntasks-per-node=4", "--cpus-per-task=6", "--gpus-per-node=4", "--mem=64G",
        "--time=1-12:00:00", "--partition=gpu", "--account=lab_7", "--qos=long", "--constraint=[a100*2|h100]&ib",
        "--requeue", "--signal=USR1@120", "--reservation=course", "--exclusive",
    ]  # fmt: skip
    lines = script.splitlines()
    assert lines[0] == "#!/bin/bash -l"
    assert lines.index("module load cuda/12.4") < lines.index("set -u")
    assert "export MOLFUN_HOME=/shared/lab/molfun" in lines
    assert lines[-1].endswith(f" -m molfun.runs.supervisor {RUN_DIR}")
    assert len(lines) < 45


def test_what_is_not_said_is_left_to_the_cluster() -> None:
    script = render(spec(max_requeues=0), RUN_DIR)
    assert [option.partition("=")[0] for option in options(script)] == [
        "--job-name", "--chdir", "--output", "--open-mode", "--nodes", "--ntasks-per-node", "--no-requeue", "--signal",
    ]  # fmt: skip
    assert "MASTER_PORT" not in script  # one process meets nobody


def test_the_port_changes_with_every_start() -> None:
    (line,) = (line for line in render(spec(processes=2), RUN_DIR).splitlines() if "MASTER_PORT" in line)
    ports = set()
    for job, restarts in ((7, ""), (7, "0"), (7, "1"), (8, "0"), (12_007, "0"), (999_999, "20")):
        env = {"SLURM_JOB_ID": str(job), **({"SLURM_RESTART_COUNT": restarts} if restarts else {})}
        done = subprocess.run(["bash", "-uc", f"{line}; echo $MASTER_PORT"], env=env, capture_output=True, check=True)
        ports.add(int(done.stdout))
    assert len(ports) == 4  # job 7 for the first time, twice; and job 12,007, far away from it
    assert all(20_000 <= port < 32_000 for port in ports)


@pytest.mark.parametrize("value", EVIL)
@pytest.mark.parametrize("name", ["partition", "account", "qos", "constraint"])
def test_names_that_are_more_than_names_are_refused(name: str, value: str) -> None:
    with pytest.raises(SettingError, match=f"--{name} is .*; expected a name without blanks, quotes or line breaks"):
        render(spec(**{name: value}), RUN_DIR)


@pytest.mark.parametrize("value", ["1:00:00\n#SBATCH --uid=0", "1G --uid=0", "$(id)"])
@pytest.mark.parametrize("name", ["time_limit", "memory"])
def test_times_and_sizes_are_refused_where_they_are_set(name: str, value: str) -> None:
    with pytest.raises(SettingError, match=f"launch.slurm.{name}"):
        spec(**{name: value})


@pytest.mark.parametrize(
    ("option", "why"),
    [
        *((f"--reservation={value}", "expected one option of sbatch an entry") for value in EVIL),
        ("reservation=lab", "expected one option of sbatch an entry"),
        ("--mail-type=END --array=1-9", "expected one option of sbatch an entry"),
        ("-a1-9", "expected one option of sbatch an entry"),
        ("--array=1-9", "which Molfun sets itself"),
        ("--arr=1-9", "which Molfun sets itself"),
        ("--wrap=id", "which Molfun sets itself"),
        ("--output=/etc/passwd", "which Molfun sets itself"),
    ],
)
def test_options_that_are_more_than_one_or_reserved_are_refused(option: str, why: str) -> None:
    with pytest.raises(SettingError, match=why):
        render(spec(extra=[option]), RUN_DIR)


def test_a_command_of_two_lines_is_refused() -> None:
    with pytest.raises(SettingError, match="expected one command an entry, without line breaks"):
        render(spec(prologue=["module load cuda\nid"]), RUN_DIR)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"processes": 5, "nodes": 2}, "is 5, which 2 nodes cannot share evenly"),
        ({"processes": 4, "nodes": 2, "gpus_per_node": 1}, "2 processes on a node need a GPU each"),
    ],
)
def test_processes_that_do_not_fit_the_nodes_are_refused(changes: dict[str, Any], why: str) -> None:
    with pytest.raises(SettingError, match=why):
        render(spec(**changes), RUN_DIR)


def test_a_folder_that_nodes_do_not_share_is_pointed_out() -> None:
    assert "every node must see" in render(spec(), Path("/tmp") / "home" / "runs" / "one").lower()
    assert "every node must see" not in render(spec(), RUN_DIR).lower()


def test_a_folder_with_a_line_break_is_refused() -> None:
    with pytest.raises(SettingError, match="holds a backslash or line break; name another with MOLFUN_HOME"):
        render(spec(), Path("/shared/a\n#SBATCH --uid=0/runs/one"))


def test_slurm_and_bash_take_a_folder_with_an_unusual_name(cluster: Cluster, tmp_path: Path) -> None:
    run_dir = tmp_path / "it's 100% $(id) `id` #1" / "runs" / "one"
    run_dir.mkdir(parents=True)
    script = render(spec(processes=2, nodes=2), run_dir)
    # What the script would start is looked at instead: where it is, what it was given.
    script = script.replace("exec ", 'printf \'%s\\n\' "$PWD" "$MASTER_ADDR" ')
    (tmp_path / "job.sh").write_text(script)
    cluster.call("sbatch", "--wait", str(tmp_path / "job.sh"))
    here, address, _, _, module, given = (run_dir / "log.txt").read_text().splitlines()
    assert (here, address, module, given) == (str(run_dir), "127.0.0.1", "molfun.runs.supervisor", str(run_dir))
