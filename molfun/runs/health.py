"""Whether the checkpoints of a run are whole, looked at before *Resume* is offered. Loads no torch."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from molfun.plain_files import open_plain
from molfun.runs import shapes
from molfun.runs.files import read_json
from molfun.runs.folder import RunFolder
from molfun.runs.shapes import fitting

MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Checkpoint:
    """One checkpoint as it lies on the disk.

    Attributes:
        name: last, best, previous or epoch_N.
        step: Optimiser step, None where its manifest cannot be read.
        epoch: Whole epochs trained.
        problem: What is wrong with it, in words; empty where it is whole.
    """

    name: str
    step: int | None
    epoch: int | None
    problem: str


@dataclass(frozen=True)
class ResumePoint:
    """Where a run would go on.

    Attributes:
        checkpoint: From which checkpoint; None from its beginning.
        damaged: Newer ones that cannot be used.
        is_possible: False where there are checkpoints and none of them can be used.
    """

    checkpoint: Checkpoint | None
    damaged: tuple[Checkpoint, ...]
    is_possible: bool

    @property
    def sentence(self) -> str:
        """Say it in words."""
        if not self.is_possible:
            return "None of its checkpoints can be used; move them away to start the run from its beginning."
        instead = f" ({', '.join(f'{one.name} is damaged' for one in self.damaged)})" if self.damaged else ""
        if self.checkpoint is None:
            return "Goes on from its beginning: no checkpoint was written."
        return f"Goes on after step {self.checkpoint.step:,}, from the checkpoint {self.checkpoint.name}{instead}."


def where_it_resumes(folder: RunFolder) -> ResumePoint:
    """Return from which checkpoint a run would go on, every file of it compared with its hash."""
    damaged: list[Checkpoint] = []
    for found in sorted(inspect(folder), key=lambda one: (one.step is None, one.step or 0), reverse=True):
        if not found.problem:
            return ResumePoint(found, tuple(damaged), is_possible=True)
        damaged.append(found)
    return ResumePoint(None, tuple(damaged), is_possible=not damaged)


def inspect(folder: RunFolder) -> list[Checkpoint]:
    """Return every checkpoint of a run with what is wrong with it; a file is hashed once while it stays the same."""
    names = sorted(path.parent.name for path in folder.checkpoints.glob("[!.]*/" + MANIFEST))
    return [_look(folder.checkpoints / name) for name in names]


def _look(path: Path) -> Checkpoint:
    try:
        about = fitting(read_json(path / MANIFEST), shapes.MANIFEST)
        step, epoch, files = int(about["step"]), int(about["epoch"]), dict(about["files"])
    except (ValueError, TypeError, KeyError):
        return Checkpoint(path.name, None, None, "its manifest cannot be read")
    return Checkpoint(path.name, step, epoch, _problem(path, files))


def _problem(path: Path, files: Mapping[str, Any]) -> str:
    for name, expected in files.items():
        place = path / str(name)
        if path.resolve() not in place.resolve().parents:
            return f"its manifest names {name}, which lies outside"
        try:
            stat = place.stat()
            found = _hash(place, stat.st_mtime_ns, stat.st_size)
        except OSError:
            return f"{name} is missing"
        if found != expected:
            return f"{name} is not what was written"
    return ""


@lru_cache(maxsize=512)
def _hash(path: Path, modified: int, size: int) -> str:
    with open_plain(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
