"""Versions and device of a run, recorded beside its results."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

import molfun

PACKAGES = ("molfun", "torch", "transformers", "peft", "numpy", "pandas", "torchmetrics")
GIT_SECONDS = 5.0


def describe_environment(device: object, *, num_processes: int = 1) -> dict[str, Any]:
    """Return Python, package versions, machine, device and processes as plain values; no user name and no path.

    Where the package lies in a git checkout, `git` says which commit it is, and whether files differ from it.
    """
    git = describe_checkout(Path(molfun.__path__[0]).resolve().parent)
    return {
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in PACKAGES},
        "system": f"{platform.system()} {platform.machine()}",
        "num_cpus": os.cpu_count(),
        "device": str(device),
        "num_processes": num_processes,
        **({"git": git} if git else {}),
    }


def describe_checkout(folder: Path) -> dict[str, Any]:
    """Return {"commit", "changed"} of a git checkout, `changed` for files that git knows; {} where it is none."""
    # An installed package may lie within somebody else's checkout, whose commit says nothing.
    if not (folder / ".git").exists():
        return {}
    # Without locks: nothing is written, so nobody who works in the checkout is disturbed.
    command = ["git", "--no-optional-locks", "status", "--porcelain=v2", "--branch", "--untracked-files=no"]
    try:
        told = subprocess.check_output(
            command, cwd=folder, text=True, timeout=GIT_SECONDS, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
    except (OSError, subprocess.SubprocessError):
        return {}
    commits = re.findall(r"^# branch.oid ([0-9a-f]+)$", told, re.MULTILINE)
    changed = any(not line.startswith("#") for line in told.splitlines())
    return {"commit": commits[0], "changed": changed} if commits else {}


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""
