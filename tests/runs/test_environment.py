"""What is recorded of the place where a run ran."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from molfun.runs.environment import describe_checkout, describe_environment

WHO = ("-c", "user.name=Test", "-c", "user.email=test@example.org", "-c", "commit.gpgsign=false")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with one commit, of which one file is known to git."""
    if shutil.which("git") is None:
        pytest.skip("needs git")
    (tmp_path / "known.py").write_text("x = 1\n")
    for arguments in (["init", "--quiet"], ["add", "known.py"], [*WHO, "commit", "--quiet", "--message", "One"]):
        subprocess.run(["git", *arguments], cwd=tmp_path, check=True)
    return tmp_path


def test_a_checkout_tells_its_commit_and_whether_files_changed(checkout: Path) -> None:
    clean = describe_checkout(checkout)
    head = subprocess.check_output(["git", "rev-parse", "HEAD"], cwd=checkout, text=True).strip()
    assert clean == {"commit": head, "changed": False}
    (checkout / "unknown.txt").write_text("")
    assert describe_checkout(checkout) == clean
    (checkout / "known.py").write_text("x = 2\n")
    assert describe_checkout(checkout) == {"commit": head, "changed": True}


def test_a_package_inside_another_checkout_tells_nothing(checkout: Path) -> None:
    installed = checkout / "site-packages"
    installed.mkdir()
    assert describe_checkout(installed) == {}


def test_a_damaged_checkout_tells_nothing(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    assert describe_checkout(tmp_path) == {}


def test_environment_names_versions_and_processes() -> None:
    found = describe_environment("cpu", num_processes=2)
    assert (found["device"], found["num_processes"]) == ("cpu", 2)
    assert found["packages"]["torch"][0].isdigit()
