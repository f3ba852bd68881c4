"""What lies beside the code to install, run and publish it agrees with the code and with itself."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from molfun.adapters.card import how_to_install
from molfun.data.examples import EXAMPLES
from molfun.tracking.packages import REQUIREMENTS

ROOT = Path(__file__).parents[1]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
TARGETS = set(re.findall(r"^([a-z]+):", MAKEFILE, re.MULTILINE))
FOR_DEVELOPERS = {"bench", "docs", "test", "test-trackers"}
DATA_PACKAGES = {how_to_install("antiberty").split()[-1]} | {example.package for example in EXAMPLES.values()} - {
    "molfun"
}


def read_yaml(name: str) -> dict[str, Any]:
    """Return a YAML file of the project as plain values."""
    values: dict[str, Any] = yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))
    return values


def test_the_version_stands_once_and_is_cited() -> None:
    version = PROJECT["version"]
    cited = read_yaml("CITATION.cff")
    assert (cited["version"], cited["license"]) == (version, PROJECT["license"])
    assert f"## {version}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    again = [path for path in ROOT.glob("molfun/**/*.py") if f'"{version}"' in path.read_text(encoding="utf-8")]
    assert again == [], "take molfun.__version__"


def test_the_extra_all_has_every_extra_for_users() -> None:
    (whole,) = [Requirement(one) for one in EXTRAS["all"]]
    assert whole.name == "molfun"
    assert whole.extras == set(EXTRAS) - FOR_DEVELOPERS - {"all"}


def test_every_dependency_has_a_lower_bound_and_a_pin_that_keeps_it() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = dict(line.split("==") for line in lines if "==" in line and not line.startswith("#"))
    pinned = {canonicalize_name(name): version for name, version in pins.items()}
    wanted = [Requirement(one) for one in PROJECT["dependencies"]]
    wanted += [Requirement(one) for name, extra in EXTRAS.items() for one in extra if name not in {"all", "bench"}]
    assert [str(one) for one in wanted if not str(one.specifier).startswith(">=")] == []
    missing = [str(one) for one in wanted if canonicalize_name(one.name) not in pinned]
    assert set(missing) <= {"authlib>=1.3.2", "keyring>=25"}, "install it and run `make constraints`"
    known = [one for one in wanted if str(one) not in missing]
    assert [str(one) for one in known if not one.specifier.contains(pinned[canonicalize_name(one.name)])] == []


def test_extras_of_trackers_are_what_their_sentences_say() -> None:
    said = {Requirement(text.strip("'")) for text in REQUIREMENTS.values()}
    assert said == {Requirement(EXTRAS[name][0]) for name in ("wandb", "mlflow", "comet", "langfuse")}


def test_packages_of_data_are_those_that_are_asked_for() -> None:
    lines = (ROOT / "data-packages.txt").read_text(encoding="utf-8").splitlines()
    listed = {line.split("#")[0].strip() for line in lines} - {""}
    assert listed == DATA_PACKAGES


def test_the_install_page_names_extras_and_packages_of_data() -> None:
    page = (ROOT / "docs" / "install.md").read_text(encoding="utf-8")
    table = {name for row in re.findall(r"(?m)^\| (`.*?) \|", page) for name in re.findall(r"`([a-z-]+)`", row)}
    assert table == set(EXTRAS) - FOR_DEVELOPERS
    (line,) = re.findall(r"pip install --no-deps (.*)", page)
    assert set(line.split()) == DATA_PACKAGES


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_pin_their_actions_and_call_what_exists(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    jobs = read_yaml(str(path.relative_to(ROOT)))["jobs"]
    steps = [step for job in jobs.values() for step in job["steps"]]
    actions = [step["uses"] for step in steps if "uses" in step]
    assert [action for action in actions if not re.fullmatch(r"[\w-]+/[\w-]+@v\d+\.\d+\.\d+", action)] == []
    assert set(re.findall(r"\bmake ([a-z]+)", text)) <= TARGETS
    assert all((ROOT / name).is_file() for name in re.findall(r"\bbash (\S+)", text))
    assert {need for job in jobs.values() for need in [job.get("needs")] if need} <= set(jobs)
    assert "pull_request_target" not in text


def test_the_workflows_are_these() -> None:
    assert [path.stem for path in WORKFLOWS] == ["docs", "release", "test"]


def instructions(text: str) -> list[tuple[str, str]]:
    """Return (name, arguments) of each instruction of a Dockerfile, continued lines put together."""
    whole = re.sub(r"\\\n\s*", " ", re.sub(r"(?m)^#.*\n", "", text))
    return [(name, rest) for name, _, rest in (line.partition(" ") for line in whole.splitlines() if line)]


DOCKERFILE = instructions((ROOT / "Dockerfile").read_text(encoding="utf-8"))


def copied() -> list[str]:
    """Return what the Dockerfile copies out of the checkout."""
    return [
        source
        for name, rest in DOCKERFILE
        if name == "COPY" and not rest.startswith("--from")
        for source in rest.split()[:-1]
    ]


def test_what_the_image_copies_exists_and_is_not_ignored() -> None:
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert "*" in ignored
    assert [name for name in copied() if not (ROOT / name).exists()] == []
    assert {line.removeprefix("!") for line in ignored if line.startswith("!")} == set(copied())


def test_the_image_is_built_from_all_that_a_build_reads() -> None:
    from tests.packaging.builds import SOURCES

    assert set(SOURCES) == set(copied())


def test_the_image_runs_as_nobody_in_particular_and_keeps_data_apart() -> None:
    stages = [rest.split()[-1] for name, rest in DOCKERFILE if name == "FROM"]
    assert stages == ["wheel", "mlflow", "molfun"]
    last = DOCKERFILE[max(i for i, (name, _) in enumerate(DOCKERFILE) if name == "FROM") :]
    assert ("USER", "molfun") in last
    assert ("VOLUME", "/data") in last
    assert ("ARG", "DEVICE=cpu") in last
    assert last[-1] == ("CMD", '["app", "--host", "0.0.0.0"]')


def test_services_are_for_this_machine_only_and_keep_their_data() -> None:
    compose = read_yaml("compose.yaml")
    stages = {rest.split()[-1] for name, rest in DOCKERFILE if name == "FROM"}
    for service in compose["services"].values():
        assert all(port.startswith("127.0.0.1:") for port in service["ports"])
        assert service["build"]["target"] in stages
        names = {volume.split(":")[0] for volume in service["volumes"]}
        assert names <= set(compose["volumes"])
    arguments = {rest.partition("=")[0] for name, rest in DOCKERFILE if name == "ARG"}
    for name in ("compose.yaml", "compose.cuda.yaml"):
        assert set(read_yaml(name)["services"]["molfun"]["build"]["args"]) <= arguments
    assert set(read_yaml("compose.cuda.yaml")["services"]) <= set(compose["services"])
    assert compose["services"]["molfun"]["environment"] == {"MLFLOW_TRACKING_URI": "http://mlflow:5000"}


@pytest.mark.filterwarnings("ignore")  # of MLflow, which warns as it loads
def test_the_tracking_server_has_the_options_that_it_is_started_with() -> None:
    from mlflow.cli import cli

    program, command, *flags = read_yaml("compose.yaml")["services"]["mlflow"]["command"]
    assert program == "mlflow"
    known = {option for parameter in cli.commands[command].params for option in parameter.opts}
    assert {flag.partition("=")[0] for flag in flags} <= known
    assert any("mlflow:5000" in flag for flag in flags if flag.startswith("--allowed-hosts="))


def test_contributing_names_commands_and_files_that_exist() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert set(re.findall(r"`make ([a-z]+)", text)) <= TARGETS
    named = re.findall(r"`((?:tests|docs|molfun|pages|benchmarks)/[\w/.]+)`", text)
    assert len(named) > 5
    assert [name for name in named if not (ROOT / name).exists()] == []
