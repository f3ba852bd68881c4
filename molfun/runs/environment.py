"""Versions and device of a run, recorded beside its results."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from typing import Any

PACKAGES = ("molfun", "torch", "transformers", "peft", "numpy", "pandas", "torchmetrics")


def describe_environment(device: object) -> dict[str, Any]:
    """Return Python, package versions, machine and device as plain values; no user name and no path."""
    return {
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in PACKAGES},
        "system": f"{platform.system()} {platform.machine()}",
        "num_cpus": os.cpu_count(),
        "device": str(device),
    }


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""
