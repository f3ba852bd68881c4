"""What of the data folder takes how much of the disk. Reads sizes only; tolerates what vanishes meanwhile."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from molfun.runs.folder import RunFolder
from molfun.runs.status import run_status
from molfun.runs.store import RunStore

PARTS = ("best", "last", "kept", "replaced", "predictions", "exports", "log", "remote", "rest")
COLUMNS = ("id", "title", "status", "bytes", *PARTS)
# Below this share or this much of free room the app warns.
LOW_SHARE, LOW_BYTES = 0.05, 5_000_000_000


@dataclass(frozen=True)
class DiskUse:
    """How the disk of the data folder is used.

    Attributes:
        runs: One row a run with the columns `COLUMNS`, largest first; sizes in bytes. `last` holds the one before it,
            `kept` the checkpoints of single epochs, `replaced` those that a later attempt left behind.
        rooms: Bytes of runs, datasets, cache and bin, by name.
        free_bytes: Free room of the file system.
        total_bytes: All of it.
    """

    runs: pd.DataFrame
    rooms: dict[str, int]
    free_bytes: int
    total_bytes: int

    @property
    def is_low(self) -> bool:
        """True where little room is left."""
        return self.free_bytes < max(LOW_BYTES, LOW_SHARE * self.total_bytes)


def disk_use(home: Path) -> DiskUse:
    """Return what lies where."""
    rows = [_row(folder) for folder in RunStore(home).list()]
    runs = pd.DataFrame(rows, columns=list(COLUMNS)).sort_values("bytes", ascending=False, ignore_index=True)
    rooms = {name: folder_bytes(home / name) for name in ("datasets", "cache", "bin")}
    disk = shutil.disk_usage(home)
    return DiskUse(runs, {"runs": int(runs["bytes"].sum()), **rooms}, disk.free, disk.total)


def _row(folder: RunFolder) -> tuple[object, ...]:
    sizes = dict.fromkeys(PARTS, 0)
    for name, size in _children(folder.checkpoints):
        sizes[_kind(name)] += size
    parts = {folder.predictions.name: "predictions", folder.exports.name: "exports", folder.log_path.name: "log",
             folder.remote.name: "remote"}  # fmt: skip
    for name, size in _children(folder.path, without=folder.checkpoints.name):
        sizes[parts.get(name, "rest")] += size
    return (folder.id, folder.title, run_status(folder).status, sum(sizes.values()), *sizes.values())


def _kind(name: str) -> str:
    """Return to which part of a run's size something among its checkpoints belongs."""
    if name.startswith("best"):
        return "best"
    if name.startswith("epoch_"):
        return "kept"
    return "last" if name in ("last", "previous") else "replaced"


def _children(folder: Path, *, without: str = "") -> Iterator[tuple[str, int]]:
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name != without:
                is_folder = entry.is_dir(follow_symlinks=False)
                yield entry.name, folder_bytes(Path(entry.path)) if is_folder else _size(entry)


def folder_bytes(folder: Path) -> int:
    """Return the size of everything below a folder; links count for nothing and are not followed."""
    return sum(size for _, size in _children(folder))


def _size(entry: os.DirEntry[str]) -> int:
    try:
        return 0 if entry.is_symlink() else entry.stat(follow_symlinks=False).st_size
    except OSError:
        return 0


def format_bytes(count: float) -> str:
    """Return a size as people read it.

    >>> format_bytes(512), format_bytes(20_480), format_bytes(999_600_000), format_bytes(1_234_567_890)
    ('512 B', '20.5 kB', '1 GB', '1.23 GB')
    """
    for limit, unit in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        # 999.6 would be rounded to 1e+03.
        if count >= 0.9995 * limit:
            return f"{count / limit:.3g} {unit}"
    return f"{count:.0f} B"
