"""What SECURITY.md promises: nothing foreign is run, safe defaults, a door closed by default, no secret left behind."""

from __future__ import annotations

import ast
import os
import pty
import re
import socket
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from molfun.commands.server import allowed_names
from molfun.data.exports import to_csv
from molfun.errors import SettingError
from molfun.runs.history import list_runs
from molfun.runs.status import run_status
from molfun.runs.store import RunFolder
from molfun.runs.submit import submit_run
from molfun.ui.password import password_path, read_password
from tests.real_runs import PATIENCE_SECONDS, few_rows, kill_all, processes_of, tiny_spec, wait_until

ROOT = Path(__file__).parents[1]
SOURCES = sorted([*ROOT.glob("molfun/**/*.py"), *ROOT.glob("pages/*.py"), ROOT / "app.py"])
COMMAND = [sys.executable, "-m", "molfun.cli"]

# Calls that run what they read, and modules that exist to do so.
FORBIDDEN_CALLS = {
    *("eval", "exec", "os.system", "os.popen", "pd.read_pickle", "pandas.read_pickle", "np.fromfile"),
    *("yaml.load", "yaml.load_all", "yaml.full_load", "yaml.unsafe_load", "shutil.unpack_archive", "extractall"),
}
FORBIDDEN_MODULES = {"pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve", "cPickle"}


def findings(source: str) -> list[str]:
    """Return "line: what" for everything in a source that could run what it reads."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and (name := bad_call(node)):
            found.append(f"{node.lineno}: {name}")
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names] + [getattr(node, "module", None) or ""]
            found += [f"{node.lineno}: {name}" for name in names if name.split(".")[0] in FORBIDDEN_MODULES]
    return found


def bad_call(call: ast.Call) -> str:
    """Return the name of a call that could run what it is given, "" for any other."""
    name = ast.unparse(call.func)
    given = {word.arg: ast.unparse(word.value) for word in call.keywords}
    if name in FORBIDDEN_CALLS or name.rpartition(".")[2] in {"extractall", "read_pickle"}:
        return name
    if name == "torch.load" and given.get("weights_only") != "True":
        return "torch.load without weights_only=True"
    truths = ("shell", "allow_pickle", "trust_remote_code", "unsafe_allow_javascript")
    return next((f"{name}({word}=...)" for word in truths if given.get(word, "False") != "False"), "")


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_nothing_runs_what_it_reads(path: Path) -> None:
    assert findings(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from joblib import load",
        "import torch\ntorch.load(path)",
        "torch.load(path, weights_only=False)",
        "np.load(path, allow_pickle=True)",
        "yaml.load(text, Loader=yaml.Loader)",
        "subprocess.run(text, shell=True)",
        "eval(text)",
        "archive.extractall(folder)",
        "AutoModel.from_pretrained(name, trust_remote_code=True)",
    ],
)
def test_what_would_run_it_is_found(source: str) -> None:
    assert len(findings(source)) == 1


def test_what_would_not_is_not() -> None:
    assert findings("model.eval()\ntorch.load(p, weights_only=True)\nyaml.safe_load(t)\nos.execv(a, b)") == []


def test_configuration_is_safe_without_the_command_line() -> None:
    config = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text(encoding="utf-8"))
    server = config["server"]
    assert server["address"] == "127.0.0.1"
    assert server["enableXsrfProtection"] is True
    assert server["enableCORS"] is True
    assert server["allowedHosts"] == ["localhost", "127.0.0.1", "::1"]
    assert server["maxUploadSize"] <= 100
    assert server["enableStaticServing"] is False
    assert server["enableAgentApi"] is False
    assert config["client"]["disableDataExport"] is True
    assert config["client"]["showErrorDetails"] == "type"
    assert config["browser"]["gatherUsageStats"] is False


def molfun(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "COLUMNS": "160", "NO_COLOR": "1"}
    return subprocess.run(
        [*COMMAND, *arguments], cwd=ROOT, env=env, input=stdin, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize("arguments", [["--host", "0.0.0.0"], ["--host", "192.0.2.1"], ["--allow-host", "lab.example"]])
def test_a_public_address_is_refused_and_all_ways_are_named(arguments: list[str]) -> None:
    done = molfun("app", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(
        f"The address {arguments[1]} would let other machines start runs here without signing in."
    )
    for way in ("`molfun password`", "[auth] in .streamlit/secrets.toml", "--insecure"):
        assert way in done.stderr


def test_with_a_password_a_public_address_is_not_refused() -> None:
    """It comes as far as the port, which is in use."""
    assert molfun("password", "--stdin", stdin="correct horse\n").returncode == 0
    with socket.create_server(("0.0.0.0", 0)) as server:
        done = molfun("app", "--host", "0.0.0.0", "--port", str(server.getsockname()[1]))
    assert done.stderr.startswith("Port ")


def test_a_provider_without_a_good_secret_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".streamlit").mkdir()
    (tmp_path / ".streamlit" / "secrets.toml").write_text('[auth]\ncookie_secret = "xxx"\nclient_id = "a"\n')
    monkeypatch.setenv("HOME", str(tmp_path))
    done = molfun("app", "--host", "0.0.0.0")
    assert done.returncode == 2
    assert "cookie_secret of at least 32 random characters" in done.stderr


def test_names_of_the_app_are_its_own_and_those_that_are_given() -> None:
    local = ["localhost", "127.0.0.1", "::1"]
    assert sorted(allowed_names("127.0.0.1", [])) == sorted(local)
    assert allowed_names("10.0.0.5", ["lab.example"]) == ["lab.example", "10.0.0.5", *local]
    assert {socket.gethostname(), *local} <= set(allowed_names("0.0.0.0", []))
    assert "0.0.0.0" not in allowed_names("0.0.0.0", [])
    with pytest.raises(SettingError, match="would let any web page drive the app"):
        allowed_names("127.0.0.1", ["*"])


def test_password_is_set_and_removed_from_the_command_line(home: Path) -> None:
    done = molfun("password", "--stdin", stdin="correct horse\nsecond line\n")
    assert done.returncode == 0, done.stderr
    stored = read_password(home)
    assert stored is not None
    assert stored.matches("correct horse")
    assert "correct horse" not in done.stdout + done.stderr + password_path(home).read_text()
    refused = molfun("password", "--stdin", stdin="short\n")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "8 to 1024 characters is expected" in refused.stderr
    assert molfun("password").stderr.startswith("A password is asked for at a terminal")
    assert read_password(home) == stored
    assert molfun("password", "--remove").stdout == "The password is removed.\n"
    assert molfun("password", "--remove").stdout == "There was no password.\n"


@pytest.mark.parametrize(("second", "is_set"), [("correct horse", True), ("correct house", False)])
def test_password_is_typed_twice_and_never_shown(home: Path, second: str, is_set: bool) -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, "password"], cwd=ROOT, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    )
    os.close(theirs)
    shown = b""
    for prompt, typed in ((b"New password: ", "correct horse"), (b"The same again: ", second)):
        while prompt not in shown:
            shown += os.read(ours, 1024)
        os.write(ours, typed.encode() + b"\n")
    assert process.wait(60) == (0 if is_set else 2)
    shown += os.read(ours, 4096)
    os.close(ours)
    assert b"horse" not in shown
    assert (read_password(home) is not None) == is_set
    assert (b"The two passwords differ" in shown) != is_set


SECRETS = {
    "WANDB_API_KEY": "0123456789abcdef0123456789abcdef01234567",
    "HF_TOKEN": "hf_PlantedPlantedPlantedPlantedPlant",
    "AWS_SECRET_ACCESS_KEY": "planted/secret+access/key0123456789abcdefg",
    "HTTPS_PROXY": "http://ana:planted-password@proxy.invalid:3128",
}
# Parts that would be as good as the whole.
TRACES = [value.encode() for name, value in SECRETS.items() if name != "HTTPS_PROXY"]
TRACES += [b"planted-password", SECRETS["WANDB_API_KEY"][:20].encode()]
TALKATIVE_LOSS = """
import logging, os, sys, warnings
from molfun.losses.catalog import LossCard

def talkative(preds, targets):
    print(dict(os.environ), flush=True)
    for name, value in os.environ.items():
        print(name, end="=", flush=True); print(value)
        logging.getLogger("talkative").warning("%s is %s", name, value)
    sys.stderr.write(os.environ["WANDB_API_KEY"])
    warnings.warn(os.environ["HTTPS_PROXY"])
    raise RuntimeError("Cannot sign in " + "x" * 150 + os.environ["WANDB_API_KEY"])

CARD = LossCard(talkative, ("regression",))
"""


@pytest.fixture
def talkative_run(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunFolder]:
    """A run that was started where secrets are in the environment, with an installed loss that prints all of it."""
    package = tmp_path / "package"
    (package / "talkative-1.0.dist-info").mkdir(parents=True)
    (package / "talkative-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: talkative\n")
    (package / "talkative-1.0.dist-info" / "entry_points.txt").write_text("[molfun.losses]\ntalkative = talkative:CARD")
    (package / "talkative.py").write_text(TALKATIVE_LOSS)
    monkeypatch.syspath_prepend(str(package))
    monkeypatch.setenv("PYTHONPATH", str(package))
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    spec = tiny_spec(home, few_rows(tmp_path / "few.csv"), strategy__loss_fn="talkative")
    folder = submit_run(home, spec.model_copy(update={"trackers": ["wandb"]}))
    yield folder
    kill_all(folder)


@pytest.mark.slow
def test_planted_secrets_are_nowhere(talkative_run: RunFolder, home: Path) -> None:
    seen = set()

    def is_over() -> bool:
        seen.update(command_lines())
        return run_status(talkative_run).is_over

    wait_until(is_over, talkative_run, PATIENCE_SECONDS)
    assert any(str(talkative_run.path) in line for line in seen)
    log, status = talkative_run.log_tail(), run_status(talkative_run)
    assert status.status == "failed", log
    assert "Cannot sign in" in status.cause
    assert log.count("[hidden]") > 5
    assert "Traceback" in log
    # Its sender keeps trying for half a minute, and writes down what went wrong.
    wait_until(lambda: not processes_of(talkative_run), talkative_run, PATIENCE_SECONDS)
    told = [molfun("runs", "show", talkative_run.id, "--json"), molfun("runs", "show", talkative_run.id)]
    told += [molfun("runs", "log", talkative_run.id), molfun("runs", "list", "--json")]
    assert all(done.returncode == 0 for done in told)
    texts = {f"{done.args}": (done.stdout + done.stderr).encode() for done in told}
    texts |= {path.as_posix(): path.read_bytes() for path in home.rglob("*") if path.is_file()}
    texts |= {"process list": "\n".join(seen).encode(), "export": to_csv(list_runs(home)).encode()}
    assert len(texts) > 10
    found = [(name, trace) for name, text in texts.items() for trace in TRACES if trace in text]
    assert found == []


def command_lines() -> list[str]:
    """Return what `ps axww` shows of every process: its command with all arguments."""
    return [" ".join(process.info["cmdline"] or []) for process in psutil.process_iter(["cmdline"])]


def test_every_promise_names_a_test_that_exists() -> None:
    text = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", text)
    assert len(named) > 15
    for path, name in named:
        source = (ROOT / path).read_text(encoding="utf-8")
        assert not name or f"def {name}(" in source, f"{path} has no {name}"
