"""Builds Molfun's distributions from a copy of the checkout, and makes environments to try them in."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
# What a build reads; a copy, so that it leaves nothing in the checkout and finds nothing that an older one left.
SOURCES = (
    "app.py", "pages", "molfun", ".streamlit/config.toml", "setup.py", "pyproject.toml", "MANIFEST.in", "README.md",
    "LICENSE", "CHANGELOG.md", "CITATION.cff", "SECURITY.md", "constraints.txt", "data-packages.txt",
)  # fmt: skip
BUILD = "import sys; from setuptools import build_meta; print(build_meta.build_{kind}(sys.argv[1]))"


@dataclass(frozen=True)
class Environment:
    """A virtual environment with a Molfun of its own.

    Attributes:
        folder: Where it lies.
        elsewhere: An empty folder, in which everything is started.
    """

    folder: Path
    elsewhere: Path

    @property
    def python(self) -> str:
        """Its interpreter."""
        return str(self.folder / "bin" / "python")

    @property
    def molfun(self) -> str:
        """Its command line."""
        return str(self.folder / "bin" / "molfun")

    def run(self, *command: str, timeout: float = 300.0) -> subprocess.CompletedProcess[str]:
        """Run a command in the empty folder, with nothing of the checkout on the path."""
        env = {**os.environ, "COLUMNS": "160", "NO_COLOR": "1", "OMP_NUM_THREADS": "1"}
        env.pop("PYTHONPATH", None)
        return subprocess.run(
            command, cwd=self.elsewhere, env=env, capture_output=True, text=True, timeout=timeout, check=False
        )

    def answer(self, code: str, timeout: float = 300.0) -> str:
        """Return what a few lines of Python print in a fresh interpreter."""
        done = self.run(self.python, "-c", code, timeout=timeout)
        assert done.returncode == 0, f"{code}\n{done.stdout}\n{done.stderr}"
        return done.stdout.strip()


def copy_sources(place: Path) -> Path:
    """Copy what a build reads, and return where."""
    for name in SOURCES:
        source, target = ROOT / name, place / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copyfile(source, target)
    return place


def build(source: Path, kind: str, place: Path) -> Path:
    """Build the "sdist" or the "wheel" of a folder, and return the file."""
    place.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-c", BUILD.format(kind=kind), str(place)]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return place / done.stdout.split()[-1]


def unpack(sdist: Path, place: Path) -> Path:
    """Unpack a source distribution, and return its only folder."""
    with tarfile.open(sdist) as archive:
        archive.extractall(place, filter="data")
    (folder,) = place.iterdir()
    return folder


def contents(wheel: Path) -> dict[str, int]:
    """Return the checksum of each file of a wheel."""
    with zipfile.ZipFile(wheel) as archive:
        return {item.filename: item.CRC for item in archive.infolist()}


def make_environment(folder: Path, elsewhere: Path, *, clear: bool = False) -> Environment:
    """Make an empty virtual environment, in place of another one where `clear`; our own pip installs into it."""
    elsewhere.mkdir(parents=True, exist_ok=True)
    how = ["--without-pip", *(["--clear"] if clear else [])]
    subprocess.run([sys.executable, "-m", "venv", *how, str(folder)], check=True)
    return Environment(folder, elsewhere)


def install(environment: Environment, *arguments: str) -> None:
    """Run `pip install` for an environment; what pip says is shown where it fails."""
    done = pip(environment, "install", "--no-input", "--quiet", *arguments)
    assert done.returncode == 0, done.stdout + done.stderr


def pip(environment: Environment, *arguments: str, timeout: float = 900.0) -> subprocess.CompletedProcess[str]:
    """Run the pip of this environment for another one."""
    command = [sys.executable, "-m", "pip", "--python", environment.python, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)


def lend_packages(environment: Environment) -> None:
    """Let an environment use the packages of this one, gigabytes of them, after its own.

    Only the folder goes onto the path: what `.pth` files in it say, such as where the checkout lies, is not read.
    """
    (place,) = (environment.folder / "lib").glob("python*/site-packages")
    (place / "lent.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
