"""The launchers by name, and the one that a run was or will be sent by."""

from __future__ import annotations

from importlib import import_module
from typing import cast

from molfun.errors import MolfunError, SettingError, nearest
from molfun.runs.folder import RunFolder
from molfun.runs.launchers.base import Launcher

# name -> (module, class); loaded when asked for, so that a page without a cluster pays for none.
LAUNCHERS: dict[str, tuple[str, str]] = {
    "local": ("molfun.runs.launchers.local", "LocalLauncher"),
    "slurm": ("molfun.runs.launchers.slurm", "SlurmLauncher"),
    "ray": ("molfun.runs.launchers.ray", "RayLauncher"),
}
TITLES = {"local": "This machine", "slurm": "Slurm cluster", "ray": "Ray cluster"}


def find_launcher(name: str) -> Launcher:
    """Return the launcher of that name.

    Raises:
        SettingError: There is none.
    """
    if name not in LAUNCHERS:
        raise SettingError(
            f"No place to run is named {name!r}{nearest(name, LAUNCHERS) or f'; known are {list(LAUNCHERS)}.'}"
        )
    module, cls = LAUNCHERS[name]
    return cast(Launcher, getattr(import_module(module), cls)())


def launcher_of(folder: RunFolder) -> Launcher:
    """Return the launcher by which a run was sent last, else the one that its settings name."""
    name = folder.read_launch().get("launcher")
    if name not in LAUNCHERS:
        try:
            name = folder.spec.launch.where
        except MolfunError:
            name = "local"
    return find_launcher(name)
