"""Readers that pages share: one a file, bounded together."""

from __future__ import annotations

from pathlib import Path

from molfun.tracking.local import LocalTracker
from molfun.tracking.pool import ReaderPool


def write_run(folder: Path, num_steps: int) -> Path:
    folder.mkdir()
    tracker = LocalTracker(folder)
    for step in range(1, num_steps + 1):
        tracker.log_step({"loss": 1 / step}, step)
    tracker.end_run()
    return folder / "metrics.jsonl"


def test_a_file_has_one_reader_whoever_asks(tmp_path: Path) -> None:
    pool, path = ReaderPool(), write_run(tmp_path / "one", 5)
    reader = pool.of(path)
    assert reader.poll()
    assert pool.of(path) is reader
    assert len(pool.of(path).steps) == 5


def test_who_was_not_asked_for_longest_goes_first(tmp_path: Path) -> None:
    paths = [write_run(tmp_path / name, 300) for name in ("one", "two", "three")]
    cells = ReaderPool().of(paths[0]).num_cells  # of empty tables
    pool = ReaderPool(max_cells=5 * cells)
    readers = []
    for path in paths:
        readers.append(pool.of(path))
        readers[-1].poll()
        pool.of(paths[0])
    assert pool.of(paths[0]) is readers[0]
    assert pool.of(paths[2]) is readers[2]
    assert pool.of(paths[1]) is not readers[1]


def test_one_reader_is_always_kept(tmp_path: Path) -> None:
    pool = ReaderPool(max_cells=1)
    path = write_run(tmp_path / "one", 5)
    reader = pool.of(path)
    reader.poll()
    assert pool.of(path) is reader
