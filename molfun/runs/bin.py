"""The bin: deleted runs, whole, until somebody empties it. Deleting is one rename, and so is its undo."""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pandas as pd

from molfun.errors import RunError
from molfun.runs.disk import folder_bytes
from molfun.runs.files import locked
from molfun.runs.folder import RunFolder
from molfun.runs.status import run_status
from molfun.runs.store import RUN_ID, RunStore

COLUMNS = ("id", "title", "deleted", "bytes")
SECONDS_A_DAY = 86_400.0


def discard(folder: RunFolder) -> None:
    """Move a run to the bin.

    Raises:
        RunError: The run waits or is at work, or cannot be moved.
    """
    place = folder.path.parents[1] / "bin" / folder.id
    try:
        with no_attempt_begins(folder):
            _check_discard(folder, place)
            _move(folder, place)
    except OSError as error:
        raise RunError(f"The run {folder.id} cannot be moved to {place}: {error.strerror}.") from None


def _check_discard(folder: RunFolder, place: Path) -> None:
    status = run_status(folder)
    if status.alive or (status.status == "queued" and folder.read_state().get("attempt")):
        raise RunError(f"The run {folder.id} is {status.status}; stop or cancel it before you delete it.")
    if place.exists():
        raise RunError(f"The bin holds a run {folder.id} already; delete that one for good first.")


def _move(folder: RunFolder, place: Path) -> None:
    with suppress(RunError):  # on a full disk it is moved all the same
        folder.amend(deleted=time.time())
    try:
        place.parent.mkdir(exist_ok=True, mode=0o700)
        folder.path.rename(place)
    except OSError:
        with suppress(RunError):
            folder.amend(deleted=None)
        raise


@contextmanager
def no_attempt_begins(folder: RunFolder) -> Iterator[None]:
    """Hold the lock under which an attempt at a run begins, so that none can begin meanwhile."""
    if not folder.spec_path.exists():  # opening the lock would make it; without settings nothing can begin either
        yield
        return
    with locked(folder.spec_path):
        yield


def discarded(home: Path) -> pd.DataFrame:
    """Return one row a run in the bin, newest first: id, title, deleted (unix seconds), bytes."""
    rows = [
        (folder.id, folder.title, deleted_at(folder.path), folder_bytes(folder.path))
        for folder in map(RunFolder, _entries(home))
        if not folder.path.is_symlink()
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS)).sort_values("deleted", ascending=False, ignore_index=True)


def restore(home: Path, run_id: str) -> RunFolder:
    """Bring a run back from the bin.

    Raises:
        RunError: It is not there, a run of that id exists, or it cannot be moved.
    """
    path, store = _find(home, run_id), RunStore(home)
    if path.is_symlink():
        raise RunError(f"The bin holds no run {run_id!r} but a link of that name; delete it for good.")
    place = store.root / run_id
    if place.exists():
        raise RunError(f"A run with the id {run_id} exists; delete or move that one first.")
    try:
        path.rename(place)
    except OSError as error:
        raise RunError(f"The run {run_id} cannot be moved to {place}: {error.strerror}.") from None
    restored = RunFolder(place)
    with suppress(RunError):
        restored.amend(deleted=None)
    return restored


def purge(home: Path, run_ids: Sequence[str] | None = None, *, older_than_days: float = 0.0) -> int:
    """Delete runs in the bin for good; links are removed and never followed.

    Args:
        home: The data folder.
        run_ids: Which; None is all that lie there for `older_than_days`.
        older_than_days: See there.

    Returns:
        The bytes that were freed.

    Raises:
        RunError: One is not in the bin.
    """
    if run_ids is None:
        latest = time.time() - older_than_days * SECONDS_A_DAY
        chosen = [path for path in _entries(home) if deleted_at(path) <= latest]
    else:
        chosen = [_find(home, run_id) for run_id in run_ids]
    return sum(erase(path) for path in chosen)


def erase(path: Path) -> int:
    """Remove a file, a link or a folder for good, no link followed; return the bytes that were freed.

    A folder is renamed first: where its removal is cut off, the rest is not taken for something whole.
    """
    if path.is_symlink() or not path.is_dir():
        return _unlink(path)
    size, trash = folder_bytes(path), path
    if path.suffix != ".trash":
        trash = path.with_name(f".{path.name}.trash")
        shutil.rmtree(trash, ignore_errors=True)
        try:
            path.rename(trash)
        except OSError:
            return 0
    shutil.rmtree(trash, ignore_errors=True)
    return size - folder_bytes(trash)


def _unlink(path: Path) -> int:
    try:
        size = 0 if path.is_symlink() else path.stat().st_size
        path.unlink()
    except OSError:
        return 0
    return size


def deleted_at(path: Path) -> float:
    """Return when something was moved to the bin, in unix seconds."""
    if not path.is_symlink():
        noted = RunFolder(path).read_amended().get("deleted")
        if isinstance(noted, int | float) and math.isfinite(noted):
            return float(noted)
    try:
        # Nobody could note it. A rename counts as a change of the inode; an old run must not look long deleted.
        return path.lstat().st_ctime
    except OSError:
        return time.time()


def _entries(home: Path) -> list[Path]:
    """Return what lies in the bin under the name of a run: folders, and links that somebody put there."""
    root = home / "bin"
    if not root.is_dir():
        return []
    return [p for p in sorted(root.iterdir()) if RUN_ID.fullmatch(p.name) and (p.is_symlink() or p.is_dir())]


def _find(home: Path, run_id: str) -> Path:
    found = next((path for path in _entries(home) if path.name == run_id), None)
    if found is None:
        raise RunError(f"The bin holds no run {run_id!r}; `molfun runs bin` lists what it holds.")
    return found
