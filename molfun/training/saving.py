"""When checkpoints are written, by whom, and how many stay. A thread writes them while training goes on."""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from threading import Condition, Thread

from molfun.errors import RunError
from molfun.training.checkpoint import LAST, remove, write_checkpoint
from molfun.training.snapshot import Snapshot, Weights

logger = logging.getLogger(__name__)
_KEPT_EPOCH = re.compile(r"epoch_(\d+)")


@dataclass
class SavePolicy:
    """When a fit saves beside the end of every epoch.

    Args:
        every_epochs: Keep `epoch_N` every so many epochs; 0 keeps none.
        every_steps: Save `last` every so many optimiser steps inside an epoch; 0 is off.
        every_minutes: Save `last` when so much time has passed since it was saved; 0 is off.
        keep: How many `epoch_N` stay, the newest ones; 0 is all.
    """

    every_epochs: int = 0
    every_steps: int = 0
    every_minutes: float = 0.0
    keep: int = 0

    def __post_init__(self) -> None:
        self._saved_at = time.monotonic()

    def is_due(self, step: int) -> bool:
        """Return whether `last` should be saved after optimiser step `step`."""
        waited = time.monotonic() - self._saved_at
        return bool(
            (self.every_steps and step % self.every_steps == 0)
            or (self.every_minutes and waited >= 60 * self.every_minutes)
        )

    def note_save(self) -> None:
        """Begin to wait anew."""
        self._saved_at = time.monotonic()


@dataclass(frozen=True)
class Saved:
    """One attempt to write a checkpoint: where, at which step, and why it failed (empty: it did not)."""

    name: str
    path: Path
    step: int
    problem: str = ""


class NullWriter:
    """Keeps nothing on disk: no folder was given, or another process writes."""

    last_good = ""

    def put(self, snapshot: Snapshot, names: Iterable[tuple[str, Weights]]) -> None:
        """Do nothing."""

    def poll(self) -> list[Saved]:
        """Return nothing."""
        return []

    def close(self) -> list[Saved]:
        """Return nothing."""
        return []


class CheckpointWriter:
    """Writes snapshots in a thread, in the order they came; a newer one of the same name replaces one that waits.

    A checkpoint that cannot be written (the disk is full) waits for the next chance; training goes on.

    Args:
        folder: Where checkpoints go.
        keep: How many `epoch_N` stay; 0 is all.
    """

    def __init__(self, folder: Path, *, keep: int = 0) -> None:
        self.folder, self.keep = folder, keep
        self.last_good = ""
        self._waiting: dict[str, tuple[Snapshot, Weights]] = {}
        self._failed: dict[str, tuple[Snapshot, Weights]] = {}
        self._error: Exception | None = None  # the newest
        self._done: list[Saved] = []
        self._changed = Condition()
        self._is_closing = False
        self._thread: Thread | None = None

    def put(self, snapshot: Snapshot, names: Iterable[tuple[str, Weights]]) -> None:
        """Hand over a snapshot to be written under each of `names`; returns at once."""
        with self._changed:
            self._retry()
            for name, weights in names:
                self._waiting.pop(name, None)
                self._waiting[name] = (snapshot, weights)
            self._begin()

    def _retry(self) -> None:
        """Give what could not be written its next chance, unless something newer of that name waits."""
        self._waiting = {**self._failed, **self._waiting}
        self._failed = {}

    def _begin(self) -> None:
        if self._thread is None and self._waiting:
            self._thread = Thread(target=self._work, name="checkpoint-writer", daemon=True)
            self._thread.start()
        self._changed.notify_all()

    def poll(self) -> list[Saved]:
        """Return what was written, or failed, since the last call."""
        with self._changed:
            done, self._done = self._done, []
        return done

    def close(self) -> list[Saved]:
        """Wait until everything is written, or has failed once more; return what `poll` would.

        Raises:
            RunError: The final state could not be written.
        """
        with self._changed:
            self._retry()
            self._is_closing = True
            self._begin()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        self._is_closing = False
        done = self.poll()
        if LAST in self._failed:
            problem = next(saved.problem for saved in reversed(done) if saved.name == LAST)
            raise RunError(
                f"The last checkpoint could not be written to {self.folder}: {problem}. Free some room and resume the "
                f"run{f' from {self.last_good}' if self.last_good else ''}."
            ) from self._error
        return done

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._is_closing)
                if not self._waiting:
                    return
                name = next(iter(self._waiting))
                job = self._waiting.pop(name)
            self._write(name, *job)
            # A name that lives on while the thread waits would keep the whole copy in memory.
            del job

    def _write(self, name: str, snapshot: Snapshot, weights: Weights) -> None:
        path, step, problem = self.folder / name, int(snapshot.about["step"]), ""
        try:
            write_checkpoint(snapshot, path, weights=weights)
            self._retain()
        except Exception as error:
            problem, self._error = _in_words(error), error
            logger.exception("Checkpoint %s could not be written.", name)
        with self._changed:
            self._done.append(Saved(name, path, step, problem))
            if not problem:
                self._failed.pop(name, None)
                self.last_good = f"{name} (step {step})"
            elif name not in self._waiting:
                self._failed[name] = (snapshot, weights)

    def _retain(self) -> None:
        kept = {int(m[1]): path for path in self.folder.iterdir() if (m := _KEPT_EPOCH.fullmatch(path.name))}
        for epoch in sorted(kept)[: -self.keep] if self.keep else []:
            remove(kept[epoch])


def _in_words(error: Exception) -> str:
    number = error_number(error)
    return os.strerror(number).lower() if number else f"{type(error).__name__}: {error}"


def error_number(error: BaseException | None) -> int | None:
    """Return what the system said when something was written, an `errno`, wherever in the chain of causes it stands."""
    while error is not None:
        # safetensors reports it as text: "... I/O error: No space left on device (os error 28)".
        said = error.errno if isinstance(error, OSError) else _number_in(str(error))
        if said:
            return said
        error = error.__cause__ or error.__context__
    return None


def _number_in(text: str) -> int | None:
    found = re.search(r"\(os error (\d+)\)", text)
    return int(found[1]) if found else None
