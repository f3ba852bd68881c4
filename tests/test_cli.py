"""The command line as a person uses it: real commands, their output, exit codes, and Ctrl-C."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from molfun.adapters.catalog import MODELS
from molfun.data.examples import EXAMPLES
from molfun.runs.process import identity_of
from molfun.runs.spec import RunSpec
from molfun.runs.status import run_status
from molfun.runs.store import RunFolder, RunStore

ROOT = Path(__file__).parents[1]
COMMAND = [sys.executable, "-m", "molfun.cli"]


def molfun(*arguments: str, timeout: float = 60.0) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "COLUMNS": "160", "NO_COLOR": "1"}
    return subprocess.run(
        [*COMMAND, *arguments], cwd=ROOT, env=env, capture_output=True, text=True, timeout=timeout, check=False
    )


@pytest.fixture
def spec_file(tmp_path: Path) -> Path:
    """A quick run: 60 short rows on random ESM-2 8M, its table beside the spec."""
    letters = "ACDEFGHIKLMNPQRSTVWY"
    rows = [f"{letters[i % 20]}{letters[i % 7 :]},{i % 20 + i / 100}" for i in range(60)]
    (tmp_path / "rows.csv").write_text("sequence,kd\n" + "\n".join(rows))
    path = tmp_path / "run.yaml"
    path.write_text(
        "data: {table: rows.csv}\nmodel: {name: esm2_8m, weights: random}\ntraining: {epochs: 2, num_threads: 1}\n"
    )
    return path


def test_help_names_every_command_and_is_quick() -> None:
    started = time.monotonic()
    shown = molfun("--help").stdout
    assert {"app", "fit", "examples", "models", "runs"} <= set(re.findall(r"[a-z]+", shown))
    assert time.monotonic() - started < 5.0  # typically 0.3 s; torch alone would take this


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ["fit", "v_gens"],
            "Neither a spec file, an example nor a saved dataset is named 'v_gens', did you mean 'v_genes'?",
        ),
        (["fit", "v_genes", "--strategy", "lorra"], "No strategy is named 'lorra', did you mean 'lora'?"),
        (["fit", "v_genes", "--set", "traning.epochs=1"], "Unknown setting 'traning', did you mean 'training'?"),
        (["fit", "v_genes", "--set", "training.epochs=0"], "Setting 'training.epochs' is 0;"),
        (["fit", "v_genes", "--set", "epochs"], "--set 'epochs' is no setting;"),
        (["fit", "no.csv"], "no.csv"),
        (["runs", "show", "nope"], "No run has the id 'nope'"),
        (["runs", "stop", "../x"], "'../x' is no run id;"),
        (["runs", "log", "nope"], "No run has the id 'nope'"),
        (["runs", "resume", "nope"], "No run has the id 'nope'"),
        (["app", "--host", "0.0.0.0"], "use 127.0.0.1, or add --insecure"),
        (["app", "--port", "0"], "Invalid value for '--port'"),
        (["no-such-command"], "No such command"),
    ],
)
def test_mistakes_are_one_sentence_on_stderr(arguments: list[str], sentence: str) -> None:
    done = molfun(*arguments)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_a_home_that_cannot_be_written_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MOLFUN_HOME", str(tmp_path / "file" / "home"))
    done = molfun("runs", "list")
    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch(r"The data folder .*/file/home cannot be made: .*MOLFUN_HOME\.\n", done.stderr)


def test_examples_and_models_list_the_catalogs() -> None:
    assert [item["name"] for item in json.loads(molfun("examples", "--json").stdout)] == list(EXAMPLES)
    assert [item["name"] for item in json.loads(molfun("models", "--json").stdout)] == list(MODELS)
    assert all(name in molfun("examples").stdout for name in EXAMPLES)
    assert "25,496,064" in molfun("models").stdout


def test_runs_list_says_how_to_begin() -> None:
    assert molfun("runs", "list").stdout == "No runs yet; start one with: molfun fit v_genes\n"
    assert json.loads(molfun("runs", "list", "--json").stdout) == []


def test_runs_show_and_log_read_the_folder(home: Path) -> None:
    folder = RunStore(home).create(RunSpec(name="Mine"), run_id="mine")
    folder.write_state(status="failed", cause="Out of memory.")
    folder.write_scoreboard(
        {
            "primary": "spearman",
            "test": {"metrics": {"spearman": 0.5}},
            "baselines": {"one_hot": {"spearman": float("nan")}},
        }
    )
    folder.log_path.write_text("first\nlast\n")
    shown = molfun("runs", "show", "mine").stdout
    assert "Out of memory." in shown
    assert "spearman" in shown
    found = json.loads(molfun("runs", "show", "mine", "--json").stdout, parse_constant=pytest.fail)
    assert (found["status"], found["test"], found["best"]) == ("failed", 0.5, None)
    assert molfun("runs", "log", "mine").stdout == "first\nlast\n"
    assert json.loads(molfun("runs", "log", "mine", "--json").stdout) == {"id": "mine", "log": "first\nlast\n"}
    assert "mine" in molfun("runs", "list").stdout


def test_runs_stop_asks_a_living_run_only(home: Path) -> None:
    folder = RunStore(home).create(RunSpec(), run_id="mine")
    done = molfun("runs", "stop", "mine")
    assert (done.returncode, done.stderr) == (2, "The run mine is queued; there is nothing to stop.\n")
    folder.write_state(status="running", **identity_of(os.getpid()))
    assert molfun("runs", "stop", "mine").stdout == "It stops at its next step and saves.\n"
    assert (folder.control / "stop").exists()


def test_runs_resume_refuses_what_cannot_go_on(home: Path) -> None:
    folder = RunStore(home).create(RunSpec(), run_id="mine")
    done = molfun("runs", "resume", "mime")
    assert (done.returncode, done.stderr) == (2, "No run has the id 'mime', did you mean 'mine'?\n")
    folder.write_state(status="running", **identity_of(os.getpid()))
    done = molfun("runs", "resume", "mine")
    assert (done.returncode, done.stderr) == (2, "The run mine is at work already; stop it first.\n")
    folder.write_state(status="finished")
    done = molfun("runs", "resume", "mine")
    sentence = "The run mine is finished, nothing of it is left to do; extend it, or start a new run.\n"
    assert (done.returncode, done.stderr) == (2, sentence)


def test_output_into_a_closed_pipe_is_no_error(home: Path) -> None:
    folder = RunStore(home).create(RunSpec(), run_id="mine")
    folder.log_path.write_text("line\n" * 12_000)
    command = f"{sys.executable} -m molfun.cli runs log mine | head -1"
    done = subprocess.run(command, shell=True, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("line\n", "")


def test_app_refuses_a_taken_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        done = molfun("app", "--port", str(port))
    assert done.returncode == 2
    assert done.stderr.startswith(f"Port {port} of 127.0.0.1 is in use;")


@pytest.mark.slow
def test_fit_follows_a_run_to_its_test_scores(spec_file: Path) -> None:
    done = molfun("fit", str(spec_file), "--set", "name=quick", timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Note: Random weights" in done.stderr
    assert "epoch 2/2  train_loss" in done.stdout
    assert re.search(r"│ this run\s+│\s+-?\d\.\d+", done.stdout)
    folder = Path(re.findall(r"Run folder: (.*)", done.stdout)[0])
    assert (folder / "checkpoints").is_dir()
    assert json.loads(molfun("runs", "list", "--json").stdout)[0]["name"] == "quick"


@pytest.mark.slow
def test_first_ctrl_c_stops_and_saves(spec_file: Path, home: Path) -> None:
    command = [*COMMAND, "fit", str(spec_file), "--set", "training.epochs=5000"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert process.stdout is not None
    seen = ""
    while "epoch 1/5000" not in seen:
        seen += (line := process.stdout.readline())
        assert line, seen
    process.send_signal(signal.SIGINT)
    rest = process.stdout.read()
    process.stdout.close()
    assert process.wait(60) == 130, seen + rest
    assert "Ctrl-C again lets it go on alone" in rest
    (folder,) = RunStore(home).list()
    assert run_status(folder).status == "stopped"
    assert (folder.checkpoints / "last").is_dir()
    assert_resumed_run_is_followed(folder, newest=int(re.findall(r"epoch (\d+)/", seen + rest)[-1]))


def assert_resumed_run_is_followed(folder: RunFolder, newest: int) -> None:
    """Resume, stop again after an epoch: only new epochs are shown."""
    process = subprocess.Popen([*COMMAND, "runs", "resume", folder.id], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    first = process.stdout.readline()
    molfun("runs", "stop", folder.id)
    first += process.stdout.read()
    process.stdout.close()
    assert process.wait(60) == 130, first
    assert int(re.findall(r"epoch (\d+)/5000", first)[0]) == newest + 1
    assert run_status(folder).status == "stopped"


@pytest.mark.slow
def test_detach_returns_the_id_and_the_run_goes_on(spec_file: Path, home: Path) -> None:
    done = molfun("fit", str(spec_file), "--detach")
    folder = RunStore(home).get(done.stdout.strip())
    deadline = time.monotonic() + 120
    while run_status(folder).alive and time.monotonic() < deadline:
        time.sleep(0.2)
    assert run_status(folder).status == "finished", folder.log_tail()


@pytest.mark.slow
def test_a_failed_run_says_why(spec_file: Path, tmp_path: Path) -> None:
    """The folder holds a configuration of nothing; the worker says so, and the command passes it on."""
    (tmp_path / "config.json").write_text("{}")
    done = molfun("fit", str(spec_file), "--set", f"model.weights={tmp_path}")
    assert done.returncode == 1, done.stdout
    assert re.search(r"failed: .+\.", done.stdout)
