"""One run folder: the only place that knows the names inside it. Says what is written there, not what it means.

Every reader tolerates a file that is absent, half written or from a newer version.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from typing_extensions import override

from molfun.errors import MolfunError, RunError
from molfun.plain_files import open_plain
from molfun.runs import shapes
from molfun.runs.files import locked, put_in_reserve, read_json, write_json, write_json_surely
from molfun.runs.shapes import fitting
from molfun.runs.spec import RunSpec
from molfun.tracking.names import EVENTS_NAME, METRICS_NAME

RESERVE = ".reserve"


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
        try:
            stat = self.spec_path.stat()
        except OSError:
            return RunSpec.from_yaml(self.spec_path)  # which says what is wrong
        return _read_spec(self.spec_path, stat.st_mtime_ns, stat.st_size)

    @property
    def title(self) -> str:
        """What people call the run: the name it was given later or at its start, else its id."""
        name = self.read_amended().get("name")
        if not (isinstance(name, str) and name):
            try:
                name = self.spec.name
            except MolfunError:
                name = ""
        return name or self.id

    @property
    def epochs(self) -> int:
        """Epochs to train: as extended later, else as the settings say.

        Raises:
            SettingError: The settings cannot be read.
        """
        extended = self.read_amended().get("epochs")
        return extended if isinstance(extended, int) and extended > 0 else self.spec.training.epochs

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
        found = self.checkpoints.glob("[!.]*/manifest.json")
        return {path.parent.name: fitting(read_json(path), shapes.MANIFEST) for path in found}

    @property
    def predictions(self) -> Path:
        """Folder of predictions, one Parquet file a part."""
        return self.path / "predictions"

    @property
    def structures(self) -> Path:
        """Folder of the predicted structures of test rows."""
        return self.predictions / "structures"

    def structure_path(self, row: int) -> Path:
        """Where the predicted structure of a test row lies.

        Args:
            row: Row of the file of data.
        """
        return self.structures / f"row_{row}.npz"

    @property
    def exports(self) -> Path:
        """Folder of the files that people take away, one folder an export."""
        return self.path / "exports"

    @property
    def control(self) -> Path:
        """Folder of requests to the worker."""
        return self.path / "control"

    @property
    def notes(self) -> Path:
        """Folder in which the processes of the attempt under way say how they ended."""
        return self.path / ".notes"

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
        return fitting(read_json(self.state_path), shapes.STATE)

    def write_state(self, *, is_last: bool = False, **changes: Any) -> dict[str, Any]:
        """Merge `changes` into the state and replace the file at once; return the new state.

        Launcher and worker write at nearly the same moment when a run starts; the lock keeps both changes.

        Args:
            is_last: Whether this is how the run ended, which must be noted on a full disk as well.
            **changes: Values by name.
        """
        with locked(self.path / ".state.lock"):
            state = {**self.read_state(), **changes}
            if is_last:
                write_json_surely(self.state_path, state, reserve=self.path / RESERVE)
            else:
                write_json(self.state_path, state)
        return state

    def read_amended(self) -> dict[str, Any]:
        """Return what people changed after the start: name, notes, tags, epochs; empty where nothing was."""
        return fitting(read_json(self.path / "amended.json"), shapes.AMENDED)

    def amend(self, **changes: Any) -> dict[str, Any]:
        """Merge `changes` into what people changed; None forgets one. Return all of it.

        Raises:
            RunError: The run folder cannot be written.
        """
        return self._merge("amended.json", changes)

    def read_launch(self) -> dict[str, Any]:
        """Return where the run was sent: launcher, job and what the launcher needs to find it again."""
        return fitting(read_json(self.path / "launch.json"), shapes.LAUNCH)

    def write_launch(self, **changes: Any) -> dict[str, Any]:
        """Merge `changes` into where the run was sent; return all of it."""
        return self._merge("launch.json", changes)

    def read_scheduler(self) -> dict[str, Any]:
        """Return the last answer of a cluster's scheduler: state, reason, t (unix seconds)."""
        return fitting(read_json(self.path / "scheduler.json"), shapes.SCHEDULER)

    def write_scheduler(self, *, state: str, reason: str, t: float) -> None:
        """Write the answer of a cluster's scheduler."""
        write_json(self.path / "scheduler.json", {"state": state, "reason": reason, "t": t})

    def read_preflight(self) -> dict[str, Any]:
        """Return what was measured before the first step; empty where nothing was."""
        return fitting(read_json(self.path / "preflight.json"), shapes.PREFLIGHT)

    def write_preflight(self, found: Mapping[str, Any]) -> None:
        """Write what was measured before the first step."""
        write_json(self.path / "preflight.json", found)

    def _merge(self, name: str, changes: Mapping[str, Any]) -> dict[str, Any]:
        try:
            with locked(self.path / ".state.lock"):
                merged = {**read_json(self.path / name), **changes}
                values = {key: value for key, value in merged.items() if value is not None}
                write_json(self.path / name, values)
        except OSError as error:
            raise self.not_written(error) from None
        return values

    def not_written(self, error: OSError) -> RunError:
        """Return the error for a folder that could not be written."""
        return RunError(f"Cannot write to the run folder {self.path}: {error.strerror}. Check its disk.")

    def keep_reserve(self) -> None:
        """Keep some room on the disk for the words that tell how the run ends."""
        put_in_reserve(self.path / RESERVE)

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
        return fitting(read_json(self.scoreboard_path), shapes.SCOREBOARD)

    def write_scoreboard(self, scoreboard: Mapping[str, Any]) -> None:
        """Write the test scores."""
        write_json(self.scoreboard_path, scoreboard)

    def log_tail(self, num_bytes: int = 65536) -> str:
        """Return the last `num_bytes` of the log, from the first whole line on; empty where there is none."""
        try:
            with open_plain(self.log_path) as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(0, size - num_bytes))
                tail = file.read(num_bytes)
        except OSError:
            return ""
        if size > num_bytes:
            tail = tail[tail.find(b"\n") + 1 :]
        return tail.decode("utf-8", errors="replace")


@lru_cache(maxsize=4096)
def _read_spec(path: Path, modified: int, size: int) -> RunSpec:
    """Read a spec once; it never changes, and pages that list hundreds of runs ask for each at every refresh."""
    return RunSpec.from_yaml(path)
