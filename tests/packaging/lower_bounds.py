"""The oldest versions that pyproject.toml allows, as pins, and an environment that holds them.

`python -m tests.packaging.lower_bounds` makes it ahead of the tests: most of the time is spent on downloads.
"""

from __future__ import annotations

import fcntl
import hashlib
import sys
import tempfile
import tomllib
from pathlib import Path

from packaging.requirements import Requirement

from tests.packaging.builds import ROOT, Environment, install, make_environment

FOLDER = ROOT / ".venv" / "lower"
# Its oldest build is another half gigabyte, and on some machines only the pinned one is to be had; so the bound of
# torch is not tried.
PINNED = "torch"


def oldest(requirement: str) -> str:
    """Return a requirement as a pin on its lower bound, "numpy>=2.0" as "numpy==2.0".

    Raises:
        ValueError: It has none, or another kind of bound.
    """
    parsed = Requirement(requirement)
    bounds = list(parsed.specifier)
    if len(bounds) != 1 or bounds[0].operator != ">=":
        raise ValueError(f"{requirement} was expected to have one bound, the lowest version that works (>=).")
    return f"{parsed.name}=={bounds[0].version}"


def pins() -> list[str]:
    """Return all dependencies at their oldest."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    tested = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    (pinned,) = [line for line in tested if line.startswith(f"{PINNED}==")]
    found = [oldest(requirement) for requirement in project["dependencies"]]
    return [pinned if pin.startswith(f"{PINNED}==") else pin for pin in found]


def lower_environment(elsewhere: Path) -> Environment:
    """Return an environment with the pins, made anew where they changed: it takes some minutes."""
    elsewhere.mkdir(parents=True, exist_ok=True)
    with FOLDER.with_name("lower.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # whoever makes it at the moment is waited for
        _make(elsewhere)
    return Environment(FOLDER, elsewhere)


def _make(elsewhere: Path) -> None:
    wanted = pins()
    stamp = hashlib.sha256("\n".join([sys.version, str(FOLDER), *wanted]).encode()).hexdigest()
    made = FOLDER / "made"
    if made.is_file() and made.read_text() == stamp:
        return
    environment = make_environment(FOLDER, elsewhere, clear=True)
    install(environment, *wanted)
    made.write_text(stamp)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        lower_environment(Path(place))
