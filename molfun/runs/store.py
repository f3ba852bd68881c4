"""The run folders: the only room that knows the names inside one. Says what is written there, not what it means.

Every reader tolerates a file that is absent, half written or from a newer version.
"""

from __future__ import annotations

import os
import re
import secrets
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from typing_extensions import override

from molfun.errors import RunError, nearest
from molfun.runs.files import locked, read_json, replace_text, write_json
from molfun.runs.spec import RunSpec
from molfun.tracking.reader import EVENTS_NAME, METRICS_NAME

RUN_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,99}")


class RunFolder:
    """One run on disk.

    Args:
        path: The folder; its name is the run's id.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @override
    def __repr__(self) -> str:
        return f"RunFolder({str(self.path)!r})"

    @property
    def id(self) -> str:
        """The run's id."""
        return self.path.name

    @property
    def spec_path(self) -> Path:
        """Resolved settings as YAML, written first and never changed."""
        return self.path / "spec.yaml"

    @property
    def spec(self) -> RunSpec:
        """The resolved settings.

        Raises:
            SettingError: The file is absent or unreadable.
        """
        return RunSpec.from_yaml(self.spec_path)

    @property
    def state_path(self) -> Path:
        """Status, process identity, heartbeat and progress."""
        return self.path / "state.json"

    @property
    def metrics_path(self) -> Path:
        """Metrics a step and an epoch, one JSON object a line."""
        return self.path / METRICS_NAME

    @property
    def events_path(self) -> Path:
        """Checkpoints, resumes, the end: one JSON object a line."""
        return self.path / EVENTS_NAME

    @property
    def log_path(self) -> Path:
        """Standard output and error of every process."""
        return self.path / "log.txt"

    @property
    def checkpoints(self) -> Path:
        """Folder of checkpoints: best, last, epoch_N."""
        return self.path / "checkpoints"

    @property
    def saved_step(self) -> int | None:
        """Optimiser step of the newest checkpoint, or None where there is none; its files are not verified."""
        steps = [about["step"] for about in self.read_checkpoints().values() if isinstance(about.get("step"), int)]
        return max(steps, default=None)

    def read_checkpoints(self) -> dict[str, dict[str, Any]]:
        """Return {name: manifest} of every checkpoint; one that is being written is not there yet."""
        return {path.parent.name: read_json(path) for path in self.checkpoints.glob("[!.]*/manifest.json")}

    @property
    def predictions(self) -> Path:
        """Folder of predictions, one Parquet file a part."""
        return self.path / "predictions"

    @property
    def control(self) -> Path:
        """Folder of requests to the worker."""
        return self.path / "control"

    @property
    def remote(self) -> Path:
        """Folder in which remote trackers keep what they have not sent."""
        return self.path / "remote"

    @property
    def parameters_path(self) -> Path:
        """What trains, by part."""
        return self.path / "parameters.json"

    @property
    def environment_path(self) -> Path:
        """Versions and device."""
        return self.path / "environment.json"

    @property
    def scoreboard_path(self) -> Path:
        """Test scores beside the baselines'."""
        return self.path / "scoreboard.json"

    def read_state(self) -> dict[str, Any]:
        """Return the state; empty where there is none that can be read."""
        return read_json(self.state_path)

    def write_state(self, **changes: Any) -> dict[str, Any]:
        """Merge `changes` into the state and replace the file at once; return the new state.

        Launcher and worker write at nearly the same moment when a run starts; the lock keeps both changes.
        """
        with locked(self.path / ".state.lock"):
            state = {**self.read_state(), **changes}
            write_json(self.state_path, state)
        return state

    def read_parameters(self) -> dict[str, Any]:
        """Return the parameter breakdown; empty where there is none."""
        return read_json(self.parameters_path)

    def write_parameters(self, parameters: Mapping[str, Any]) -> None:
        """Write the parameter breakdown."""
        write_json(self.parameters_path, parameters)

    def read_environment(self) -> dict[str, Any]:
        """Return versions and device; empty where they are not known."""
        return read_json(self.environment_path)

    def write_environment(self, environment: Mapping[str, Any]) -> None:
        """Write versions and device."""
        write_json(self.environment_path, environment)

    def read_scoreboard(self) -> dict[str, Any]:
        """Return the test scores; empty where there are none."""
        return read_json(self.scoreboard_path)

    def write_scoreboard(self, scoreboard: Mapping[str, Any]) -> None:
        """Write the test scores."""
        write_json(self.scoreboard_path, scoreboard)

    def log_tail(self, num_bytes: int = 65536) -> str:
        """Return the last `num_bytes` of the log, from the first whole line on; empty where there is none."""
        try:
            with self.log_path.open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(0, size - num_bytes))
                tail = file.read(num_bytes)
        except OSError:
            return ""
        if size > num_bytes:
            tail = tail[tail.find(b"\n") + 1 :]
        return tail.decode("utf-8", errors="replace")


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
        try:
            self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
            folder.path.mkdir(mode=0o700)
        except FileExistsError:
            raise RunError(
                f"A run with the id {folder.id!r} exists already; open it, or start with another id."
            ) from None
        except OSError as error:
            raise RunError(
                f"Cannot create the run folder {folder.path}: {error.strerror}. Free some room, or choose "
                "another place with MOLFUN_HOME."
            ) from None
        for inner in (folder.control, folder.checkpoints, folder.predictions):
            inner.mkdir(mode=0o700)
        replace_text(folder.spec_path, spec.to_yaml())
        folder.write_state(status="queued", created=time.time(), attempt=0)
        return folder

    def get(self, run_id: str) -> RunFolder:
        """Return the run of that id.

        Raises:
            RunError: There is none.
        """
        path = self._path(run_id)
        if not path.is_dir():
            hint = nearest(run_id, (folder.id for folder in self.list())) or "; `molfun runs list` lists them."
            raise RunError(f"No run has the id {run_id!r}{hint}")
        return RunFolder(path)

    def list(self) -> list[RunFolder]:
        """Return all runs, newest first."""
        if not self.root.is_dir():
            return []
        paths = (path for path in self.root.iterdir() if RUN_ID.fullmatch(path.name) and path.is_dir())
        return [RunFolder(path) for path in sorted(paths, key=lambda path: (_created(path), path.name), reverse=True)]

    def _path(self, run_id: str) -> Path:
        if not RUN_ID.fullmatch(run_id):
            raise RunError(f"{run_id!r} is no run id; expected lower-case letters, digits and dashes, 100 at most.")
        return self.root / run_id


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
