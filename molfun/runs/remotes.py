"""How far a run's remote trackers are: one small file each below `remote/`. Starts nothing, sends nothing.

The metrics file itself is what waits to be sent; the file here only says up to which byte the service has taken it.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal

from molfun.errors import MolfunError
from molfun.runs.files import read_json, write_json
from molfun.runs.folder import RunFolder
from molfun.runs.process import find_process
from molfun.runs.shapes import LAST_MOMENT, UNSEEN
from molfun.tracking.catalog import TRACKERS
from molfun.tracking.rows import count_lines

State = Literal["sending", "done", "offline", "waiting"]
MAX_TEXT = 500


@dataclass(frozen=True)
class Cursor:
    """What a service has taken of a run.

    Attributes:
        offset: Bytes of the metrics file.
        handed: Bytes of it that were handed to a package which sends by itself and tells at the end.
        is_begun: Whether the run was opened there; a later start goes on with it.
        has_config: Whether the settings are there, as of the last opening.
        files: Files that are there, with the time of their last change, unix seconds.
        ended: The end that it knows, such as "finished 1": status and attempt; empty while it knows none.
        link: The run's page there, http or https.
        error: Why the last attempt to send did not succeed; empty where it did.
        failures: How many attempts in a row did not.
        tried: When it was last tried, unix seconds.
        process: Identity of the process that sends, empty where none does.
    """

    offset: int = 0
    handed: int = 0
    is_begun: bool = False
    has_config: bool = False
    files: Mapping[str, float] = field(default_factory=dict)
    ended: str = ""
    link: str = ""
    error: str = ""
    failures: int = 0
    tried: float = 0.0
    process: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Remote:
    """A remote tracker of a run as a person asks for it.

    Attributes:
        state: "sending" (a process is at it), "done" (the service has everything), "offline" (it could not be reached
            at the last attempt), "waiting" (nobody sends; `molfun sync` does).
        waiting: Lines of the record that the service has not taken.
    """

    name: str
    title: str
    state: State
    waiting: int
    link: str
    error: str

    @property
    def words(self) -> str:
        """What a label says."""
        points = f"{self.waiting:,} {'point' if self.waiting == 1 else 'points'} waiting"
        if self.state == "done":
            return f"{self.title}: up to date"
        if not self.waiting:
            return f"{self.title}: {self.state}"
        return f"{self.title}: {points}" if self.state == "waiting" else f"{self.title}: {self.state}, {points}"


def cursor_path(folder: RunFolder, name: str) -> Path:
    """Where it stands how far a tracker is."""
    return folder.remote / f"{name}.json"


def read_cursor(folder: RunFolder, name: str) -> Cursor:
    """Return how far a tracker is; nothing sent where that cannot be read."""
    blank, found = asdict(Cursor()), read_json(cursor_path(folder, name))
    values = {key: value for key, value in found.items() if key in blank and type(value) is type(blank[key])}
    for key in ("offset", "handed", "failures"):
        values[key] = max(0, values.get(key, 0))
    values["tried"] = min(max(0.0, values.get("tried", 0.0)), LAST_MOMENT)
    for key in ("link", "error", "ended"):
        values[key] = UNSEEN.sub("?", values.get(key, ""))[:MAX_TEXT]
    if not values["link"].startswith(("http://", "https://")):
        values["link"] = ""
    return Cursor(**values)


def write_cursor(folder: RunFolder, name: str, cursor: Cursor) -> None:
    """Write how far a tracker is.

    Raises:
        OSError: The disk is full.
    """
    folder.remote.mkdir(mode=0o700, exist_ok=True)
    write_json(cursor_path(folder, name), {part.name: getattr(cursor, part.name) for part in fields(cursor)})


def change_cursor(folder: RunFolder, name: str, **changes: Any) -> Cursor:
    """Write a changed cursor; return it. Only the process that sends does so."""
    cursor = replace(read_cursor(folder, name), **changes)
    write_cursor(folder, name, cursor)
    return cursor


def remote_names(folder: RunFolder) -> list[str]:
    """Return the trackers of a run: those of its settings, and those that were added later."""
    names: list[str] = []
    with suppress(MolfunError):
        names += folder.spec.trackers
    names += sorted(path.stem for path in folder.remote.glob("*.json") if path.stem in TRACKERS)
    return [name for name in dict.fromkeys(names) if name in TRACKERS]


def end_of(status: str, state: Mapping[str, Any]) -> str:
    """Return what `Cursor.ended` is once a service knows this end of a run."""
    return f"{status} {state.get('attempt') or 0}"


def read_remotes(folder: RunFolder, status: str = "") -> list[Remote]:
    """Return the remote trackers of a run.

    Args:
        folder: The run.
        status: Its status where it is over, else empty.
    """
    end = end_of(status, folder.read_state()) if status else ""
    return [_remote(folder, name, end) for name in remote_names(folder)]


def _remote(folder: RunFolder, name: str, end: str) -> Remote:
    cursor = read_cursor(folder, name)
    is_sending = find_process(cursor.process) is not None
    waiting = count_lines(folder.metrics_path, max(cursor.offset, cursor.handed) if is_sending else cursor.offset)
    is_done = cursor.is_begun and not waiting and not cursor.error and (not end or cursor.ended == end)
    state: State = "waiting"
    if is_done:
        state = "done"
    elif cursor.error:
        state = "offline"
    elif is_sending or not end:
        state = "sending"
    return Remote(name, TRACKERS[name].title, state, waiting, cursor.link, cursor.error)
