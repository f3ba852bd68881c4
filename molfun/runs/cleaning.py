"""Freeing room: what may go by which rule, what that costs, and only then its removal.

Never touched are runs that wait or are at work, best weights, and what a stopped, failed or lost run goes on from.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from molfun.runs.bin import SECONDS_A_DAY, deleted_at, erase, no_attempt_begins
from molfun.runs.disk import folder_bytes
from molfun.runs.folder import RunFolder
from molfun.runs.frozen import free_store, list_stores
from molfun.runs.health import where_it_resumes
from molfun.runs.status import RunStatus, run_status
from molfun.runs.store import RUN_ID, RunStore
from molfun.settings import Settings, setting

KEPT_EPOCH = re.compile(r"epoch_\d+")
# What a writer that was killed leaves; younger ones may still be in use.
LEFT_OVER = re.compile(r"\.(.+)\.(writing|trash|older)")
LEFT_OVER_DAYS = 1.0
LAST = ("last", "previous")


class CleaningRules(Settings):
    """What may be removed. Every rule can be turned off."""

    newest_epochs: int = setting(
        1, ge=-1, label="Kept epochs a run", group="Clean-up",
        help="Of the checkpoints of single epochs only so many stay, the newest ones; raise it to keep more to look "
        "back at, -1 keeps all.",
    )  # fmt: skip
    last_after_days: int = setting(
        30, ge=-1, label="Last state after", unit="days", group="Clean-up",
        help="Remove the last state of runs that finished so long ago, which cannot be extended then; lower it to "
        "free more room, -1 never.",
    )  # fmt: skip
    replaced: bool = setting(
        True, label="Replaced checkpoints", group="Clean-up",
        help="Remove checkpoints that a later attempt at the same run left behind.",
    )  # fmt: skip
    bin_after_days: int = setting(
        30, ge=-1, label="Bin after", unit="days", group="Clean-up",
        help="Remove runs for good that were deleted so long ago; -1 never.",
    )  # fmt: skip
    cache_after_days: int = setting(
        30, ge=-1, label="Cache after", unit="days", group="Clean-up",
        help="Remove what can be computed again and was not used for so long; -1 never.",
    )  # fmt: skip
    frozen_after_days: int = setting(
        30, ge=-1, label="Frozen states after", unit="days", group="Clean-up",
        help="Remove kept states of frozen trunks that no run has read for so long; -1 never.",
    )  # fmt: skip


@dataclass(frozen=True)
class Piece:
    """One thing that may go.

    Attributes:
        path: File or folder inside the data folder.
        num_bytes: Its size.
        run_id: The run that it belongs to; empty for others.
        what: What it is, in words.
        cost: What is lost without it, in words.
    """

    path: Path
    num_bytes: int
    run_id: str
    what: str
    cost: str


def plan_cleaning(home: Path, rules: CleaningRules) -> list[Piece]:
    """Return what the rules would remove, the largest first; removes nothing."""
    found = [piece for folder in RunStore(home).list() for piece in _of_run(folder, rules)]
    found += [*_of_bin(home, rules.bin_after_days), *_of_cache(home, rules.cache_after_days)]
    found += _of_frozen(home, rules.frozen_after_days)
    return sorted(found, key=lambda piece: piece.num_bytes, reverse=True)


def clean(home: Path, pieces: Iterable[Piece]) -> int:
    """Remove pieces of a plan, each only if it still may go; return the bytes that were freed."""
    return sum(_remove(home, piece) for piece in pieces)


def _of_run(folder: RunFolder, rules: CleaningRules) -> Iterator[Piece]:
    status = run_status(folder)
    if not status.is_over:
        return
    found = _folders(folder.checkpoints)
    for path in found:
        if rules.replaced and path.name.startswith("replaced-"):
            yield _piece(path, folder.id, "Replaced checkpoints", "Nothing that the run needs.")
        elif _is_left_over(path):
            yield _piece(path, folder.id, "Half a checkpoint", "Nothing; its writer was killed.")
    # After what may only go while they are there.
    yield from _of_epochs(folder, status, found, rules.newest_epochs)
    yield from _of_last(folder, status, found, rules.last_after_days)


def _of_epochs(folder: RunFolder, status: RunStatus, found: Sequence[Path], newest: int) -> Iterator[Piece]:
    """Yield the checkpoints of single epochs but for the newest ones."""
    kept = [path for path in found if KEPT_EPOCH.fullmatch(path.name)]
    epochs = sorted(kept, key=lambda path: int(path.name.removeprefix("epoch_")))
    # Where nothing else is there to go on from, the newest one is.
    if not _is_done(folder, status) and not any(path.name in LAST for path in found):
        epochs = epochs[:-1]
    for path in epochs[: max(0, len(epochs) - newest)] if newest >= 0 else []:
        yield _piece(path, folder.id, f"Checkpoint {path.name}", "That epoch cannot be gone back to.")


def _of_last(folder: RunFolder, status: RunStatus, found: Sequence[Path], days: int) -> Iterator[Piece]:
    """Yield what a run that finished long ago would be extended from."""
    if not (_is_done(folder, status) and _has_best(folder) and 0 <= days <= _age_days(status.ended)):
        return
    for path in (path for path in found if path.name in LAST):
        what = "Last state" if path.name == "last" else "State before the last"
        yield _piece(path, folder.id, what, "The run cannot be extended; prediction stays possible.")


def _of_bin(home: Path, days: int) -> Iterator[Piece]:
    for path in _folders(home / "bin") if days >= 0 else []:
        if RUN_ID.fullmatch(path.name) and _age_days(deleted_at(path)) >= days:
            yield _piece(path, path.name, "Deleted run", "The run is gone for good.")
        elif _is_left_over(path):
            yield _piece(path, "", "Half a deleted run", "Nothing; its removal was cut off.")


def _of_cache(home: Path, days: int) -> Iterator[Piece]:
    frozen = home / "cache" / "frozen"
    for path in _files(home / "cache") if days >= 0 else []:
        if frozen in path.parents:
            continue  # a store goes as one, or stays
        try:
            stat = path.lstat()
        except OSError:
            continue
        # Reading one does not change it, but most disks note when it was read.
        if _age_days(max(stat.st_mtime, stat.st_atime)) >= days:
            yield Piece(path, stat.st_size, "", "Cached result", "It is computed again when it is needed.")


def _of_frozen(home: Path, days: int) -> Iterator[Piece]:
    """Yield stores of frozen states that nobody has open."""
    for store in list_stores(home) if days >= 0 else []:
        if not store.is_open and _age_days(store.used) >= days:
            yield Piece(store.path, store.num_bytes, "", store.title, "The next run that reads them computes them.")


def _remove(home: Path, piece: Piece) -> int:
    """Remove one piece; return the bytes that were freed, 0 where it may not go any more."""
    path = piece.path
    if not _is_inside(home, path):
        return 0
    if path.parent == home / "cache" / "frozen":
        return free_store(path)
    if home / "runs" not in path.parents:
        return erase(path) if {home / "bin", home / "cache"} & set(path.parents) else 0
    folder = RunFolder(home / "runs" / piece.run_id)
    with no_attempt_begins(folder):
        return erase(path) if _may_go(folder, path) else 0


def _is_inside(home: Path, path: Path) -> bool:
    """Tell whether a path leads straight to something in the data folder, over no link and no `..`."""
    return home in path.parents and path.exists() and path.resolve() == home.resolve() / path.relative_to(home)


def _may_go(folder: RunFolder, path: Path) -> bool:
    """Tell whether something of a run may go now, whatever it was when the plan was made."""
    status = run_status(folder)
    if not status.is_over or path.parent != folder.checkpoints:
        return False
    is_done = _is_done(folder, status)
    if path.name in LAST:
        return is_done and _has_best(folder)
    if KEPT_EPOCH.fullmatch(path.name) and not is_done:
        # Compares hashes: where newer checkpoints are damaged, this one may be what the run goes on from.
        point = where_it_resumes(folder)
        return point.checkpoint is not None and point.checkpoint.name != path.name
    return path.name.startswith(("epoch_", "replaced-")) or _is_left_over(path)


def _is_done(folder: RunFolder, status: RunStatus) -> bool:
    """Tell whether a run finished and nobody gave it more epochs since."""
    trained, wanted = folder.read_state().get("epochs"), folder.read_amended().get("epochs")
    is_extended = isinstance(trained, int) and isinstance(wanted, int) and wanted > trained
    return status.status == "finished" and not is_extended


def _is_left_over(path: Path) -> bool:
    """Tell whether a killed writer left this and nobody needs it: a resume looks at some that are not replaced yet."""
    match = LEFT_OVER.fullmatch(path.name)
    if match is None or _age_days(_modified(path)) <= LEFT_OVER_DAYS:
        return False
    return match[2] == "trash" or path.with_name(match[1]).exists()


def _piece(path: Path, run_id: str, what: str, cost: str) -> Piece:
    return Piece(path, folder_bytes(path), run_id, what, cost)


def _has_best(folder: RunFolder) -> bool:
    return (folder.checkpoints / "best").is_dir()


def _folders(root: Path) -> list[Path]:
    if not root.is_dir():
        return []
    return [path for path in sorted(root.iterdir()) if path.is_dir() and not path.is_symlink()]


def _files(root: Path) -> Iterator[Path]:
    """Yield every file below a folder, links left out and not followed."""
    for folder, _, names in os.walk(root):
        paths = (Path(folder, name) for name in sorted(names))
        yield from (path for path in paths if path.is_file() and not path.is_symlink())


def _modified(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return time.time()


def _age_days(when: float | None) -> float:
    """Return how long ago a time was, in days; -1 where it is not known."""
    return -1.0 if when is None else (time.time() - when) / SECONDS_A_DAY
