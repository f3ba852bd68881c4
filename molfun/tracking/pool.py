"""The readers of all metrics files that this process looks at: each file is followed once, whoever asks."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from threading import Lock

from molfun.tracking.reader import MetricsReader

MAX_CELLS = 60_000_000  # half a gigabyte


class ReaderPool:
    """Readers by file; those that nobody has asked for longest go first.

    Args:
        max_cells: Numbers that all their tables may hold together; one is always kept.
    """

    def __init__(self, max_cells: int = MAX_CELLS) -> None:
        self.max_cells = max_cells
        self._lock = Lock()
        self._readers: OrderedDict[Path, MetricsReader] = OrderedDict()

    def of(self, path: Path) -> MetricsReader:
        """Return the reader of a metrics file; what is new in the file is read when it is polled."""
        with self._lock:
            if path not in self._readers:
                self._readers[path] = MetricsReader(path)
            self._readers.move_to_end(path)
            total = sum(reader.num_cells for reader in self._readers.values())
            while total > self.max_cells and len(self._readers) > 1:
                _, oldest = self._readers.popitem(last=False)
                total -= oldest.num_cells
            return self._readers[path]


READERS = ReaderPool()
