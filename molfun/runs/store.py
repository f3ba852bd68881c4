"""All run folders of a data folder: making, finding and listing them. What lies inside one is `RunFolder`'s."""

from __future__ import annotations

import re
import secrets
import shutil
import time
from contextlib import suppress
from pathlib import Path

from molfun.errors import RunError, nearest
from molfun.home import data_home, expanded
from molfun.runs.files import replace_text
from molfun.runs.folder import RunFolder
from molfun.runs.spec import RunSpec

__all__ = ["RUN_ID", "RunFolder", "RunStore", "new_run_id", "place_run"]

RUN_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,99}")


class RunStore:
    """All runs of a data folder.

    Args:
        home: The data folder (`molfun.home.data_home()`).
    """

    def __init__(self, home: Path) -> None:
        self.root = home / "runs"

    def create(self, spec: RunSpec, *, run_id: str | None = None) -> RunFolder:
        """Create the folder of a new run and write its settings.

        Args:
            spec: Resolved settings.
            run_id: Id of the folder; None makes one from the spec's name. A caller that repeats itself (a double
                click) passes the same id, and the second call fails: making the folder is the lock.

        Raises:
            RunError: A run of that id exists, the id is malformed, or the folder cannot be written.
        """
        folder = RunFolder(self._path(run_id or new_run_id(spec.name)))
        self._make(folder)
        try:
            self._fill(folder, spec)
        except OSError as error:
            shutil.rmtree(folder.path, ignore_errors=True)
            raise _not_created(folder, error) from None
        return folder

    def _make(self, folder: RunFolder) -> None:
        try:
            self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
            folder.path.mkdir(mode=0o700)
        except FileExistsError:
            raise RunError(
                f"A run with the id {folder.id!r} exists already; open it, or start with another id."
            ) from None
        except OSError as error:
            raise _not_created(folder, error) from None

    def _fill(self, folder: RunFolder, spec: RunSpec) -> None:
        for inner in (folder.control, folder.checkpoints, folder.predictions):
            inner.mkdir(mode=0o700)
        replace_text(folder.spec_path, spec.to_yaml())
        folder.write_state(status="queued", created=time.time(), attempt=0, number=self._next_number(folder.id))

    def get(self, run_id: str) -> RunFolder:
        """Return the run of that id.

        Raises:
            RunError: There is none.
        """
        path = self._path(run_id)
        if path.is_symlink() or not path.is_dir():
            hint = nearest(run_id, (folder.id for folder in self.list())) or "; `molfun runs list` lists them."
            raise RunError(f"No run has the id {run_id!r}{hint}")
        return RunFolder(path)

    def list(self) -> list[RunFolder]:
        """Return all runs, newest first."""
        if not self.root.is_dir():
            return []
        paths = (path for path in self.root.iterdir() if _is_run(path))
        return [RunFolder(path) for path in sorted(paths, key=lambda path: (_created(path), path.name), reverse=True)]

    def _next_number(self, run_id: str) -> int:
        """Return the number of a run after those that are there; it decides the run's colour, and stays."""
        others = [folder for folder in self.list() if folder.id != run_id]
        latest = others[0].read_state().get("number") if others else None
        return len(others) if latest is None else latest + 1

    def _path(self, run_id: str) -> Path:
        if not RUN_ID.fullmatch(run_id):
            raise RunError(f"{run_id!r} is no run id; expected lower-case letters, digits and dashes, 100 at most.")
        return self.root / run_id


def place_run(run: str | Path, home: Path | None = None) -> tuple[Path, str]:
    """Return the data folder of a run, and the run's name in it.

    Args:
        run: An id, with "/last" or another checkpoint behind it where one is meant; or a run's folder.
        home: The data folder of an id; None takes `MOLFUN_HOME`.

    Raises:
        RunError: A folder is none of a run.
    """
    path = expanded(run)
    if isinstance(run, Path) or path.is_absolute() or (path.is_dir() and (path / "spec.yaml").is_file()):
        if path.absolute().parent.name != "runs" or not path.is_dir():
            raise RunError(f"{path} is no run folder; expected MOLFUN_HOME/runs/<id>.")
        return path.absolute().parents[1], path.name
    return expanded(home).absolute() if home else data_home(), str(run)


def _not_created(folder: RunFolder, error: OSError) -> RunError:
    return RunError(
        f"Cannot create the run folder {folder.path}: {error.strerror}. Free some room, or choose another place with "
        "MOLFUN_HOME."
    )


def _is_run(path: Path) -> bool:
    """Tell whether a path is a run's folder: a link is not, it could lead out of the data folder."""
    return RUN_ID.fullmatch(path.name) is not None and path.is_dir() and not path.is_symlink()


def new_run_id(name: str) -> str:
    """Return a new id that sorts by time: date, time, the name's letters and digits, 4 random ones."""
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:18].strip("-") or "run"
    return f"{time.strftime('%Y%m%d-%H%M%S')}-{slug}-{secrets.token_hex(2)}"


def _created(path: Path) -> float:
    """Return when a run was created, in unix seconds: the time of its spec, which is written once."""
    for candidate in (path / "spec.yaml", path):
        with suppress(OSError):
            return candidate.stat().st_mtime
    return 0.0
