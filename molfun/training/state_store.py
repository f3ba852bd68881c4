"""States of sequences on disk: computed once by whichever process comes first, read by all of them. No torch.

states.f32   float32 [rows, width], the states of one sequence behind those of another
index        a record a sequence: key, first row, number of rows, CRC-32 of its states
used         touched by whoever opens the store, and locked while it is open: the one that was not for the longest
             time goes first, and none that is goes at all
about.json   what the states are of, for people who look at the list

Both files only ever grow, under a lock, states before their record: after a kill the rest of a half-written sequence is
never read, and a record is believed only if its states have its CRC.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import shutil
import struct
import weakref
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

logger = logging.getLogger(__name__)

KEY_BYTES = 16
RECORD = struct.Struct(f"<{KEY_BYTES}sQII")
FLOAT_BYTES = 4
# Left free on the disk, whatever the limit says: checkpoints come first.
SPARE_BYTES = 2 * 2**30
Floats = NDArray[np.float32]


class StateStore:
    """States by key. What cannot be written is not kept, and what cannot be read is not known; nothing is raised.

    Args:
        folder: Made where it is absent; its neighbours are stores, too.
        width: Numbers a state.
        max_bytes: Of all stores in the folder above; others make room, this one stops growing.
        evicts: Whether others make room.
    """

    def __init__(self, folder: Path, width: int, *, max_bytes: int, evicts: bool = True) -> None:
        self.folder, self.width, self.max_bytes, self.evicts = folder, width, max_bytes, evicts
        self._places: dict[bytes, tuple[int, int, int]] = {}
        self._checked: set[bytes] = set()
        self._read, self._mapped = 0, np.empty((0, width), dtype=np.float32)
        self.is_full = False
        try:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "used").touch()
            self._hold()
            self._refresh()
        except OSError as error:
            self._give_up(error)

    def __len__(self) -> int:
        """Return the number of sequences."""
        return len(self._places)

    @property
    def num_bytes(self) -> int:
        """Bytes of its states."""
        return sum(rows for _, rows, _ in self._places.values()) * self.width * FLOAT_BYTES

    def find(self, key: bytes) -> Floats | None:
        """Return the states of a sequence, float32 [rows, width], not to be written to; None where it is not known."""
        place = self._places.get(key)
        if place is None:
            return None
        first, rows, crc = place
        if first + rows > len(self._mapped):
            self._map()
        states: Floats = self._mapped[first : first + rows]
        if key not in self._checked:
            if len(states) < rows or _crc(states) != crc:
                del self._places[key]  # damaged: it is computed again
                return None
            self._checked.add(key)
        return states

    def look_again(self) -> None:
        """Learn what other processes have added since."""
        try:
            self._refresh()
        except OSError as error:
            self._give_up(error)

    def describe(self, about: Mapping[str, Any]) -> None:
        """Write down what the states are of, unless that is known."""
        path = self.folder / "about.json"
        if self.is_full or path.exists():
            return
        try:
            with self._locked():
                path.with_suffix(".new").write_text(json.dumps(dict(about), sort_keys=True), encoding="utf-8")
                path.with_suffix(".new").replace(path)
        except OSError as error:
            self._give_up(error)

    def add(self, states: Mapping[bytes, Floats]) -> None:
        """Keep states of sequences, as far as there is room; those that another process added meanwhile stay."""
        if self.is_full or not states:
            return
        try:
            with self._locked():
                self._refresh()
                new = {key: value for key, value in states.items() if key not in self._places}
                if new and self._make_room(sum(value.nbytes for value in new.values())):
                    self._append(new)
        except OSError as error:
            self._give_up(error)

    def _append(self, states: Mapping[bytes, Floats]) -> None:
        with (self.folder / "states.f32").open("ab") as data, (self.folder / "index").open("ab") as index:
            # What a killed process left half written is filled up to whole rows and whole records.
            data.write(bytes(-data.tell() % (self.width * FLOAT_BYTES)))
            index.write(bytes(-index.tell() % RECORD.size))
            first, records = data.tell() // (self.width * FLOAT_BYTES), []
            for key, value in states.items():
                block = np.ascontiguousarray(value, dtype=np.float32)
                data.write(block.tobytes())
                records.append((key, first, len(block), _crc(block)))
                first += len(block)
            data.flush()
            index.write(b"".join(RECORD.pack(*record) for record in records))
        self._refresh()

    def _refresh(self) -> None:
        places, num_read = _read_index(self.folder, self._read)
        self._places.update(places)
        self._read += num_read

    def _map(self) -> None:
        path = self.folder / "states.f32"
        try:
            rows = path.stat().st_size // (self.width * FLOAT_BYTES) if path.exists() else 0
            if rows:
                self._mapped = np.memmap(path, dtype=np.float32, mode="r", shape=(rows, self.width))
        except OSError as error:
            self._give_up(error)

    def _make_room(self, num_bytes: int) -> bool:
        """Remove stores that were not used for the longest time until there is room; return whether there is."""
        others = sorted((path for path in self.folder.parent.iterdir() if path != self.folder and path.is_dir()),
                        key=last_used)  # fmt: skip
        sizes = {path: _size(path) for path in [*others, self.folder]}
        for path in others if self.evicts else []:
            if self._fits(sum(sizes.values()) + num_bytes, num_bytes):
                break
            if remove_store(path):
                sizes[path] = 0
        if self._fits(sum(sizes.values()) + num_bytes, num_bytes):
            return True
        self.is_full = True
        logger.info("The cache of frozen states is full (%.1f GB); other sequences are computed again each epoch.",
                    sizes[self.folder] / 1e9)  # fmt: skip
        return False

    def _fits(self, total: int, num_bytes: int) -> bool:
        return total <= self.max_bytes and shutil.disk_usage(self.folder).free >= num_bytes + SPARE_BYTES

    def _give_up(self, error: OSError) -> None:
        self.is_full = True
        logger.warning("The cache of frozen states in %s cannot be used: %s.", self.folder, error.strerror or error)

    def _hold(self) -> None:
        """Let nobody remove the store while this object is there."""
        held = os.open(self.folder / "used", os.O_RDWR)
        weakref.finalize(self, os.close, held)
        with suppress(OSError):  # a file system without locks
            fcntl.flock(held, fcntl.LOCK_SH)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with (self.folder / "lock").open("wb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def read_keys(folder: Path) -> dict[bytes, int]:
    """Return the rows of every sequence of a store by its key; empty where it cannot be read. Does not open it."""
    try:
        return {key: rows for key, (_, rows, _) in _read_index(folder, 0)[0].items()}
    except OSError:
        return {}


def _read_index(folder: Path, begin: int) -> tuple[dict[bytes, tuple[int, int, int]], int]:
    """Return (first row, rows, CRC) of the sequences from a byte of the index on, and how many bytes they take."""
    path = folder / "index"
    if not path.exists():
        return {}, 0
    with path.open("rb") as file:
        file.seek(begin)
        content = file.read()
    whole = len(content) - len(content) % RECORD.size
    records = RECORD.iter_unpack(content[:whole])
    return {key: (first, rows, crc) for key, first, rows, crc in records if rows}, whole


def remove_store(folder: Path) -> bool:
    """Remove a store unless somebody has it open; return whether it is gone."""
    with _unused(folder) as is_unused:
        if is_unused:
            shutil.rmtree(folder, ignore_errors=True)
    return not folder.exists()


def is_in_use(folder: Path) -> bool:
    """Tell whether some process has a store open."""
    with _unused(folder) as is_unused:
        return not is_unused


@contextmanager
def _unused(folder: Path) -> Iterator[bool]:
    """Yield whether nobody has a store open, and keep it so meanwhile."""
    try:
        file = (folder / "used").open("rb+")
    except OSError:  # nobody got so far as to open it
        yield True
        return
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        except OSError:  # a file system without locks
            pass
        yield True


def _crc(states: Floats) -> int:
    return zlib.crc32(states.data)


def _size(folder: Path) -> int:
    try:
        return sum(path.stat().st_size for path in folder.iterdir() if path.is_file())
    except OSError:  # removed meanwhile
        return 0


def last_used(folder: Path) -> float:
    """Return when somebody last opened a store, unix seconds; 0 where that is not known."""
    try:
        return (folder / "used").stat().st_mtime
    except OSError:
        return 0.0
