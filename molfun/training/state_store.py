"""States of sequences on disk: computed once by whichever process comes first, read by all of them. No torch.

states.f32   float32 [rows, width], the states of one sequence behind those of another
index        a record a sequence: key, first row, number of rows, CRC-32 of its states
used         touched by whoever opens the store; the store that was not for the longest time goes first

Both files only ever grow, under a lock, states before their record: after a kill the rest of a half-written sequence is
never read, and a record is believed only if its states have its CRC.
"""

from __future__ import annotations

import fcntl
import logging
import shutil
import struct
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

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
    """

    def __init__(self, folder: Path, width: int, *, max_bytes: int) -> None:
        self.folder, self.width, self.max_bytes = folder, width, max_bytes
        self._places: dict[bytes, tuple[int, int, int]] = {}
        self._checked: set[bytes] = set()
        self._read, self._mapped = 0, np.empty((0, width), dtype=np.float32)
        self.is_full = False
        try:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "used").touch()
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
        path = self.folder / "index"
        if not path.exists():
            return
        with path.open("rb") as file:
            file.seek(self._read)
            content = file.read()
        whole = len(content) - len(content) % RECORD.size
        for key, first, rows, crc in RECORD.iter_unpack(content[:whole]):
            if rows:
                self._places[key] = (first, rows, crc)
        self._read += whole

    def _map(self) -> None:
        path = self.folder / "states.f32"
        rows = path.stat().st_size // (self.width * FLOAT_BYTES) if path.exists() else 0
        if rows:
            self._mapped = np.memmap(path, dtype=np.float32, mode="r", shape=(rows, self.width))

    def _make_room(self, num_bytes: int) -> bool:
        """Remove stores that were not used for the longest time until there is room; return whether there is."""
        others = sorted((path for path in self.folder.parent.iterdir() if path != self.folder and path.is_dir()),
                        key=_last_used)  # fmt: skip
        sizes = {path: _size(path) for path in [*others, self.folder]}
        for path in others:
            if self._fits(sum(sizes.values()) + num_bytes, num_bytes):
                break
            shutil.rmtree(path, ignore_errors=True)
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

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with (self.folder / "lock").open("wb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _crc(states: Floats) -> int:
    return zlib.crc32(states.data)


def _size(folder: Path) -> int:
    try:
        return sum(path.stat().st_size for path in folder.iterdir() if path.is_file())
    except OSError:  # removed meanwhile
        return 0


def _last_used(folder: Path) -> float:
    try:
        return (folder / "used").stat().st_mtime
    except OSError:
        return 0.0
