"""Runs of `molfun fit` for benchmarks: one call is one run, as a user starts it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def fit(home: Path, target: str, strategy: str, settings: Mapping[str, Any]) -> Path:
    """Run `molfun fit` to its end in the data folder `home`; return the run's folder.

    Args:
        home: The data folder.
        target: Spec, table or example.
        strategy: head_only, lora, partial or full.
        settings: Dotted names of settings and their values.

    Raises:
        subprocess.CalledProcessError: The run did not finish.
    """
    before = set((home / "runs").glob("*-*"))
    changes = [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]
    subprocess.run(
        [sys.executable, "-m", "molfun.cli", "fit", target, "--strategy", strategy, *changes],
        env={**os.environ, "MOLFUN_HOME": str(home)}, check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    (folder,) = set((home / "runs").glob("*-*")) - before
    return folder
