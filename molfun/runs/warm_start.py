"""Keeps one standby process for the run that is likely to be started next, so that its first loss comes sooner.

The app asks for it when somebody opens New run. A run that cannot have it, for whatever reason, is started as ever.
"""

from __future__ import annotations

import os
import select
import subprocess
import sys
import sysconfig
import time
from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from threading import Event, Lock, Thread

import psutil

import molfun
from molfun.runs.detached import detached_environment
from molfun.runs.folder import RunFolder
from molfun.runs.orders import ANSWER, GPUS, Order, are_alike, send_order

SWITCH = "MOLFUN_WARM_START"  # "off" starts every run from nothing
IDLE_SECONDS = 600.0
LOOK_SECONDS = 2.0
ANSWER_SECONDS = 5.0
# One that waits holds about 0.6 GB. It is begun where this much memory is free, and ends where less than half is.
ROOM_BYTES = 3 << 30


class Standby:
    """One waiting supervisor and its worker.

    Args:
        home: The data folder, in which it waits.

    Raises:
        OSError: It cannot be started.
    """

    def __init__(self, home: Path) -> None:
        self.environment = detached_environment()
        self.stamp = code_stamp()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "molfun.runs.standby"], cwd=home, env=self.environment, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        # Someone must wait for a child, or it stays a zombie that looks alive for as long as this process lives.
        Thread(target=self.process.wait, name=f"wait-{self.process.pid}", daemon=True).start()

    def suits(self, environment: Mapping[str, str]) -> bool:
        """Tell whether a process started now, in this environment, would be the same but for the GPUs that it sees."""
        return self.is_current() and are_alike(environment, self.environment, besides=frozenset({GPUS}))

    def is_current(self) -> bool:
        """Tell whether it waits and was loaded from files that have not changed."""
        return self.process.poll() is None and self.stamp == code_stamp()

    def become(self, folder: RunFolder, changes: Mapping[str, str]) -> bool:
        """Hand a run over; return whether it was taken. One that did not take it is ended."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        with suppress(OSError), self.process.stdout as answers:
            send_order(self.process.stdin, Order(str(folder.path), str(folder.log_path), dict(changes)))
            readable, _, _ = select.select([answers], [], [], ANSWER_SECONDS)
            if readable and os.read(answers.fileno(), len(ANSWER)) == ANSWER:
                return True
        self.end()
        return False

    def end(self) -> None:
        """End it at once; its worker goes with it."""
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            with suppress(OSError):
                if pipe is not None:
                    pipe.close()


class WarmStart:
    """Looks after one standby at most: there while it is wanted and memory is free, for one run only.

    Args:
        idle_seconds: How long one waits after it was last wanted.
        room_bytes: Memory that must be free to begin one.
    """

    def __init__(self, *, idle_seconds: float = IDLE_SECONDS, room_bytes: int = ROOM_BYTES) -> None:
        self.idle_seconds, self.room_bytes = idle_seconds, room_bytes
        self._home: Path | None = None
        self._standby: Standby | None = None
        self._deadline = 0.0
        self._lock = Lock()
        self._is_over = Event()
        self._thread: Thread | None = None

    def open(self, home: Path) -> None:
        """Allow standbys from now on; before, and where they are switched off, nothing here does anything.

        Args:
            home: The data folder.
        """
        # Elsewhere nothing ties the worker to its supervisor's life.
        if sys.platform == "linux" and os.environ.get(SWITCH, "").lower() != "off":
            self._home = home

    def close(self) -> None:
        """End what waits, and allow no more."""
        self._home = None
        self._is_over.set()
        with self._lock:
            self._end()

    def want(self) -> None:
        """Have one ready soon; returns at once."""
        if self._home is None:
            return
        with self._lock:
            self._deadline = time.monotonic() + self.idle_seconds
            if self._thread is None:
                self._thread = Thread(target=self._keep, name="molfun-warm-start", daemon=True)
                self._thread.start()

    def take(self, folder: RunFolder, changes: Mapping[str, str]) -> subprocess.Popen[bytes] | None:
        """Return the process that waited and is now the supervisor of a run; None where a fresh one has to be started.

        Args:
            folder: A run of one process that is to be started.
            changes: Environment variables of the run that differ from ours.
        """
        with self._lock:
            standby, self._standby = self._standby, None
            # Loading the next one would slow this run down; it comes when New run is opened again.
            self._deadline = 0.0
        if standby is None:
            return None
        if folder.spec.training.num_processes == 1 and standby.suits(detached_environment(changes)):
            return standby.process if standby.become(folder, changes) else None
        standby.end()
        return None

    def _keep(self) -> None:
        """Begin one where there is none, and end it when its time is over or memory runs short."""
        while True:
            with self._lock:
                home = self._home
                if home is None or time.monotonic() > self._deadline:
                    self._end()
                    self._thread = None
                    return
                is_wanted = self._is_room(psutil.virtual_memory().available)
            if is_wanted:
                self._begin(home)
            self._is_over.wait(LOOK_SECONDS)

    def _is_room(self, free_bytes: int) -> bool:
        """End one that is no longer any good; tell whether another may begin."""
        # Its environment is compared when it is taken: that asks the keyring, which may ask the user, each time.
        if self._standby is not None and (free_bytes < self.room_bytes // 2 or not self._standby.is_current()):
            self._end()
            return False
        return self._standby is None and free_bytes >= self.room_bytes

    def _begin(self, home: Path) -> None:
        """Begin one, without the lock: the keyring may ask the user first, and nobody waits for that."""
        with suppress(OSError):
            standby = Standby(home)
            with self._lock:
                if self._standby is None and self._home is not None and time.monotonic() <= self._deadline:
                    self._standby = standby
                    return
            standby.end()

    def _end(self) -> None:
        standby, self._standby = self._standby, None
        if standby is not None:
            standby.end()


@lru_cache(maxsize=1)
def shared_warm_start() -> WarmStart:
    """Return the one of this process; only the app opens it."""
    return WarmStart()


def code_stamp() -> int:
    """Return a number that changes when a file of this package is written, or a package is installed or removed."""
    files = sorted(Path(molfun.__path__[0]).rglob("*.py"))
    places = sorted({sysconfig.get_path("purelib"), sysconfig.get_path("platlib")})
    try:
        known = [(path, path.stat()) for path in (*files, *map(Path, places))]
        return hash(tuple((str(path), status.st_mtime_ns, status.st_size) for path, status in known))
    except OSError:  # a file goes this very moment: like no stamp before or after
        return time.monotonic_ns()
