"""Curves of trainings that were recorded elsewhere: TensorBoard, wandb (offline), MLflow (folder or SQLite), CSV.

Reads files only, needs none of the packages. What a name means for Molfun is decided here as well: `loss` and `lr/...`
are drawn over steps, `val_...` over validations.
"""

from __future__ import annotations

import json
import re
import sqlite3
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from molfun.errors import DataError
from molfun.plain_files import read_plain
from molfun.tracking.event_files import fields, read_scalars
from molfun.yaml_files import load_mapping

MOST_BYTES = 1 << 30
MAX_RUNS = 200
MAX_NAME_LETTERS = 100
WANDB_BLOCK, WANDB_HEADER = 32768, 7
VALIDATION = re.compile(r"^(?:epoch/)?(?:val|valid|validation|eval|dev)[/_.-]+(.+)$")
RATE = re.compile(r"^(?:step/|train/|train_)?(?:lr|learning_rate)(?:[/_-](.+))?$")
LOSS = re.compile(r"^(?:step/|train(?:ing)?[/_.-])?loss(?:_step)?$")
AXES = frozenset({"epoch", "global_step", "trainer/global_step", "step", "record_bytes"})


@dataclass
class ForeignRun:
    """One training that was recorded elsewhere.

    Attributes:
        name: What it was called there.
        source: What recorded it, and where, for people.
        points: By name: (step, unix seconds, value) in the order in which they were written.
        of_epochs: Names that have one value an epoch or a validation.
        config: Its settings, as far as they are known.
        status: "finished", "stopped" or "failed".
    """

    name: str
    source: str
    points: dict[str, list[tuple[int, float, float]]] = field(default_factory=dict)
    of_epochs: set[str] = field(default_factory=set)
    config: dict[str, Any] = field(default_factory=dict)
    status: str = "finished"

    def add(self, name: str, step: int, t: float, value: Any, *, is_epoch: bool = False) -> None:
        """Add a point; what is no number, an axis, or a result of ours that belongs to no step is left out."""
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or name in AXES or name.startswith(("_", "result/")) or step < 0:
            return
        own = own_name(name)
        own = "train_loss" if is_epoch and own == "loss" else own
        self.points.setdefault(own, []).append((step, t, float(value)))
        if is_epoch or own.startswith("val_"):
            self.of_epochs.add(own)


def own_name(name: str) -> str:
    """Return what Molfun calls a metric.

    >>> own_name("train/loss"), own_name("eval/spearman"), own_name("learning_rate"), own_name("grad_norm")
    ('loss', 'val_spearman', 'lr/all', 'grad_norm')
    """
    if found := VALIDATION.match(name):
        return f"val_{found[1]}"[:MAX_NAME_LETTERS]
    if found := RATE.match(name):
        return f"lr/{found[1] or 'all'}"[:MAX_NAME_LETTERS]
    return "loss" if LOSS.match(name) else name.removeprefix("step/").removeprefix("epoch/")[:MAX_NAME_LETTERS]


def read_foreign(path: Path) -> list[ForeignRun]:
    """Return the trainings in a file or folder that has curves in it.

    Args:
        path: An event file, a `.wandb` file, `mlflow.db`, a CSV file, or a folder with such files, or `mlruns`.

    Raises:
        DataError: There is none, or a file cannot be read.
    """
    if not path.exists():
        raise DataError(f"There is nothing at {path}; expected a file or folder with recorded curves.")
    files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
    found: list[ForeignRun] = []
    for matches, read in READERS:
        for file in filter(matches, files):
            with _reading(file):
                found += read(file)
    found = [run for run in _joined(found) if run.points]
    if not found:
        raise DataError(
            f"{path} has no recorded curves; expected TensorBoard event files, wandb's offline-run folders, an MLflow "
            "store (mlruns or mlflow.db) or a CSV file with a column step or epoch."
        )
    return found[:MAX_RUNS]


@contextmanager
def _reading(file: Path) -> Iterator[None]:
    """Say of which file it is that it cannot be read."""
    try:
        yield
    except (OSError, ValueError, ArithmeticError, sqlite3.Error, struct.error, pd.errors.ParserError) as error:
        raise DataError(f"{file} cannot be read: {error}. Check that it is whole and try again.") from None


def _joined(runs: list[ForeignRun]) -> list[ForeignRun]:
    """Return runs, those of one source as one: TensorBoard has another file for every part of a training."""
    known: dict[str, ForeignRun] = {}
    for run in runs:
        first = known.setdefault(run.source, run)
        if first is not run:
            for name, points in run.points.items():
                first.points.setdefault(name, []).extend(points)
            first.of_epochs |= run.of_epochs
    return list(known.values())


def _read_events(file: Path) -> list[ForeignRun]:
    run = ForeignRun(file.parent.name, f"TensorBoard, {file.parent}")
    for point in read_scalars(file):
        run.add(point.tag, point.step, point.t, point.value, is_epoch=point.tag.startswith("epoch/"))
    return [run]


def _read_csv(file: Path) -> list[ForeignRun]:
    """Return the curves in a CSV file; none of a table of something else, such as sequences beside the curves."""
    table = pd.read_csv(file)
    axis = next((name for name in ("step", "global_step", "epoch", "iteration") if name in table.columns), None)
    if axis is None:
        return []
    steps, times = table[axis].fillna(-1).astype(int), file.stat().st_mtime
    run = ForeignRun(file.stem, f"CSV, {file}")
    for name in table.select_dtypes("number").columns:
        for step, value in zip(steps, table[name], strict=True):
            if name != axis and not pd.isna(value):
                run.add(str(name), int(step), times, float(value))
    return [run]


def _read_mlflow_folder(meta: Path) -> list[ForeignRun]:
    about = load_mapping(meta)
    if about.get("lifecycle_stage") == "deleted":
        return []
    run = ForeignRun(
        str(about.get("run_name") or meta.parent.name), f"MLflow, {meta.parent}",
        status={4: "failed", 5: "stopped"}.get(int(about.get("status") or 3), "finished"),
    )  # fmt: skip
    for name, file in _named_files(meta.parent / "metrics"):
        with _reading(file):
            for line in read_plain(file, MOST_BYTES).decode().splitlines():
                t, value, *rest = line.split()
                run.add(name, int(rest[0]) if rest else 0, int(t) / 1000, float(value))
    for name, file in _named_files(meta.parent / "params"):
        with _reading(file):
            run.config[name] = read_plain(file, 1 << 20).decode("utf-8", "replace")
    return [run]


def _named_files(folder: Path) -> list[tuple[str, Path]]:
    """Return (name, file) of what MLflow keeps in a folder; a slash in a name makes folders below it."""
    return [(file.relative_to(folder).as_posix(), file) for file in sorted(folder.rglob("*")) if file.is_file()]


def _read_mlflow_database(file: Path) -> Iterator[ForeignRun]:
    with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)) as store:
        if not store.execute("SELECT 1 FROM sqlite_master WHERE name = 'runs'").fetchall():
            return  # a store of something else
        query = "SELECT run_uuid, name, status FROM runs WHERE lifecycle_stage = 'active' ORDER BY start_time"
        for key, name, status in store.execute(query).fetchall():
            run = ForeignRun(str(name or key), f"MLflow, {file}, run {key}")
            run.status = {"FAILED": "failed", "KILLED": "stopped"}.get(str(status), "finished")
            points = "SELECT key, step, timestamp, value FROM metrics WHERE run_uuid = ? AND is_nan = 0 ORDER BY step"
            for metric, step, t, value in store.execute(points, (key,)):
                run.add(str(metric), int(step), t / 1000, value)
            run.config = dict(store.execute("SELECT key, value FROM params WHERE run_uuid = ?", (key,)).fetchall())
            yield run


def _read_wandb(file: Path) -> list[ForeignRun]:
    run = ForeignRun(file.stem, f"wandb, {file}")
    for payload in wandb_records(read_plain(file, MOST_BYTES)):
        for number, content in fields(payload):
            if not isinstance(content, bytes):
                continue
            if number == 2:
                _add_history(run, content)
            elif number == 17 and isinstance(name := dict(fields(content)).get(8), bytes) and name:
                run.name = name.decode("utf-8", "replace")
            elif number == 18:
                run.status = "failed" if dict(fields(content)).get(1) else "finished"
    return [run]


def _add_history(run: ForeignRun, content: bytes) -> None:
    row: dict[str, Any] = {}
    for number, item in fields(content):
        if number != 1 or not isinstance(item, bytes):
            continue
        names, value = [], b"null"
        for part, inner in fields(item):
            if part in (1, 2) and isinstance(inner, bytes):
                names.append(inner.decode("utf-8", "replace"))
            elif part == 16 and isinstance(inner, bytes):
                value = inner
        row["/".join(names)] = json.loads(value)
    step = next((row[name] for name in ("global_step", "trainer/global_step", "epoch", "_step") if name in row), 0)
    if not isinstance(step, int | float):
        return
    is_epoch = "epoch" in row and not any(name.endswith("global_step") for name in row)
    for name, value in row.items():
        run.add(name, int(step), float(row.get("_timestamp") or 0.0), value, is_epoch=is_epoch)


def wandb_records(data: bytes) -> Iterator[bytes]:
    """Yield the records of a `.wandb` file, up to the first that is torn: a LevelDB log in blocks of 32 KiB.

    Raises:
        ValueError: It is none.
    """
    if data[:4] != b":W&B":
        raise ValueError("it does not begin as a file of wandb does")
    place, parts = WANDB_HEADER, b""
    while place + WANDB_HEADER <= len(data):
        left = WANDB_BLOCK - place % WANDB_BLOCK
        if left < WANDB_HEADER:
            place += left
            continue
        crc, length, kind = struct.unpack("<IHB", data[place : place + WANDB_HEADER])
        body = data[place + WANDB_HEADER : place + WANDB_HEADER + length]
        if len(body) < length or crc != zlib.crc32(bytes([kind]) + body):
            return
        parts = body if kind in (1, 2) else parts + body
        if kind in (1, 4):  # whole, or the last piece of several
            yield parts
        place += WANDB_HEADER + length


def _is_mlflow_run(file: Path) -> bool:
    return file.name == "meta.yaml" and (file.parent / "metrics").is_dir()


Reader = Callable[[Path], Iterable[ForeignRun]]
READERS: tuple[tuple[Callable[[Path], bool], Reader], ...] = (
    (lambda file: ".tfevents." in file.name, _read_events),
    (lambda file: file.suffix == ".wandb", _read_wandb),
    (_is_mlflow_run, _read_mlflow_folder),
    (lambda file: file.suffix in (".db", ".sqlite"), _read_mlflow_database),
    (lambda file: file.suffix.lower() == ".csv", _read_csv),
)
