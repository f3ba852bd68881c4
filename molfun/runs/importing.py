"""Makes runs of Molfun of trainings that were recorded elsewhere, to look at them beside others: curves, no weights."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from molfun.errors import DataError, RunError
from molfun.home import expanded
from molfun.runs.folder import RunFolder
from molfun.runs.notes import add_tags
from molfun.runs.spec import RunSpec
from molfun.runs.store import RunStore
from molfun.tracking.base import Row
from molfun.tracking.foreign import ForeignRun, read_foreign
from molfun.tracking.local import LocalTracker

TAG = "imported"
MAX_NAME_LETTERS = 80
MAX_POINTS = 5_000_000


def import_runs(home: Path, path: Path) -> list[RunFolder]:
    """Make a run of each training that was recorded in a file or folder; return them.

    Args:
        home: The data folder.
        path: What `read_foreign` reads.

    Raises:
        DataError: There is no such training, or there are too many points.
        RunError: A run folder cannot be written.
    """
    return [_import(home, found) for found in read_foreign(expanded(path))]


def _import(home: Path, found: ForeignRun) -> RunFolder:
    if (count := sum(map(len, found.points.values()))) > MAX_POINTS:
        raise DataError(f"{found.source} has {count:,} points; at most {MAX_POINTS:,} can be taken. Thin them.")
    name = found.name[:MAX_NAME_LETTERS] or "imported"
    folder = RunStore(home).create(RunSpec(name=name))
    try:
        _record(folder, found)
    except (OSError, RunError) as error:
        shutil.rmtree(folder.path, ignore_errors=True)
        if isinstance(error, RunError):
            raise
        raise RunError(
            f"{found.source} could not be taken over: {error}. Nothing was kept; look for room on the disk and try "
            "again."
        ) from error
    return folder


def _record(folder: RunFolder, found: ForeignRun) -> None:
    """Write everything of an imported run."""
    local = LocalTracker(folder.path)
    rows = list(rows_of(found))
    try:
        local.log_config(found.config)
        local.log_rows(rows)
    finally:
        local.end_run()
    times = [row.t for row in rows if row.t] or [time.time()]
    epochs = sum(row.kind == "epoch" for row in rows)
    last = max((row.step for row in rows if row.kind == "step"), default=0)
    folder.write_state(
        status=found.status, imported=found.source, attempt=1, started=min(times), ended=max(times), step=last,
        total_steps=last, epoch=epochs, epochs=epochs, cause="" if found.status == "finished" else "So it ended there.",
    )  # fmt: skip
    add_tags(folder, [TAG])
    folder.amend(notes=f"Imported from {found.source}. It has curves only.")


def rows_of(found: ForeignRun) -> Iterator[Row]:
    """Yield the rows of our record: one a step, and one a validation, which count as epochs."""
    over_steps = {name: points for name, points in found.points.items() if name not in found.of_epochs}
    over_epochs = {name: points for name, points in found.points.items() if name in found.of_epochs}
    ends = sorted({step for points in over_epochs.values() for step, _, _ in points})
    epochs, steps = _table(over_epochs), _table(over_steps)
    last, count = max(steps, default=0), len(ends)
    # Where validations were numbered and not placed among the steps, they lie evenly among them.
    is_numbered = ends == list(range(1, count + 1)) and last > count
    places = [last * number / count for number in ends] if is_numbered else [float(end) for end in ends]
    for step in sorted(steps):
        t, values = steps[step]
        epoch = float(np.interp(step, [0.0, *places], range(count + 1))) if ends else 0.0
        yield Row("step", step, t, {**values, "epoch": epoch})
    for number, end in enumerate(ends, 1):
        t, values = epochs[end]
        yield Row("epoch", number, t, {**values, "epoch": float(number)})


def _table(points: dict[str, list[tuple[int, float, float]]]) -> dict[int, tuple[float, dict[str, float]]]:
    """Return {step: (time, {name: value})}; where a step comes twice, the later one counts."""
    table: dict[int, tuple[float, dict[str, float]]] = {}
    for name, series in points.items():
        for step, t, value in series:
            values = table.setdefault(step, (t, {}))[1]
            values[name] = value
    return table
