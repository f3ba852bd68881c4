"""`metrics.parquet`: what stands in the metrics file up to some byte, as columns, so that long runs open at once.

It is a copy for speed and for people: `metrics.jsonl` stays the record. A copy that does not belong to the file beside
it, or is damaged, is passed over.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, NonNegativeInt, ValidationError

from molfun.plain_files import open_plain
from molfun.tracking.names import COLUMNS_NAME, MAX_STEP
from molfun.tracking.table import MAX_CELLS, MAX_COLUMNS, WHOLE, is_name

FORMAT = 2
ABOUT = b"molfun"
KINDS = ("step", "epoch")
MARKED_BYTES = 4096
MAX_ABOUT_BYTES = 1 << 20
MAX_BYTES = 1 << 30


class About(BaseModel):
    """What a copy says of itself.

    Attributes:
        format: 2.
        num_bytes: How far the metrics file was read.
        mark: Of its first and last bytes up to there.
        segments: The latest segment of steps and of epochs.
        rows: How many rows of each there are; steps come first, and begin row groups of their own as epochs do.
        columns: Which columns have any value in them.
    """

    model_config = ConfigDict(strict=True)

    format: int
    num_bytes: NonNegativeInt
    mark: str
    segments: dict[str, NonNegativeInt]
    rows: dict[str, NonNegativeInt]
    columns: dict[str, list[str]]


@dataclass(frozen=True)
class Copy:
    """What was read of a copy: columns by kind, and what it says of itself."""

    about: About
    columns: Mapping[str, Mapping[str, NDArray[Any]]]


def mark_of(file: BinaryIO, num_bytes: int) -> str:
    """Return what tells whether the first `num_bytes` of a file are those that were read."""
    file.seek(0)
    first = file.read(min(MARKED_BYTES, num_bytes))
    file.seek(max(0, num_bytes - MARKED_BYTES))
    return hashlib.sha256(first + file.read(min(MARKED_BYTES, num_bytes))).hexdigest()


def write_copy(metrics: Path, frames: Mapping[str, pd.DataFrame], segments: Mapping[str, int], num_bytes: int) -> None:
    """Write the copy beside a metrics file; what was there stays whole until the new one is.

    Args:
        metrics: The metrics file.
        frames: Tables of `MetricsReader` by kind.
        segments: The latest segment by kind.
        num_bytes: How far the file was read for them.

    Raises:
        OSError: The disk is full, or the file is gone.
    """
    with open_plain(metrics) as file:
        about = About(
            format=FORMAT, num_bytes=num_bytes, mark=mark_of(file, num_bytes), segments=dict(segments),
            rows={kind: len(frames[kind]) for kind in KINDS},
            columns={kind: list(map(str, frames[kind].columns)) for kind in KINDS},
        )  # fmt: skip
    names = list(dict.fromkeys(str(name) for kind in KINDS for name in frames[kind].columns))
    # A gap is NaN and never null, which is read faster.
    fields = [pa.field(name, pa.int64() if name in WHOLE else pa.float64(), nullable=False) for name in names]
    schema = pa.schema([pa.field("kind", pa.string()), *fields], metadata={ABOUT: about.model_dump_json().encode()})
    path, aside = metrics.with_name(COLUMNS_NAME), metrics.with_name(f".{COLUMNS_NAME}.writing")
    try:
        with aside.open("wb") as copy, pq.ParquetWriter(copy, schema, **_encoding(schema)) as writer:
            for kind in KINDS:
                writer.write_table(_table(frames[kind], kind, schema))
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def _encoding(schema: Any) -> dict[str, Any]:
    """Return how numbers that hardly repeat are written: fastest to read of those tried, and smallest."""
    return {"compression": "lz4", "use_dictionary": ["kind"], "use_byte_stream_split": schema.names[1:]}


def _table(frame: pd.DataFrame, kind: str, schema: Any) -> Any:
    gap = np.full(len(frame), np.nan)
    columns = [frame[name].to_numpy() if name in frame.columns else gap for name in schema.names[1:]]
    return pa.table([pa.repeat(pa.scalar(kind), len(frame)), *map(pa.array, columns)], schema=schema)


def read_copy(metrics: Path) -> Copy | None:
    """Return the copy beside a metrics file, None where there is none that belongs to it."""
    try:
        with open_plain(metrics.with_name(COLUMNS_NAME)) as file, pq.ParquetFile(file) as parquet:
            about = _about(parquet)
            if about is None or not _belongs(metrics, about):
                return None
            columns = _columns(parquet, about)
    except Exception:  # noqa: BLE001 - a damaged file fails in thrift, lz4 or Arrow, each in its own way
        return None
    if not all(_is_sound(columns[kind], about.segments[kind]) for kind in KINDS):
        return None
    return Copy(about, columns)


def _columns(parquet: Any, about: About) -> dict[str, dict[str, NDArray[Any]]]:
    """Return the numbers of a file by kind and name; most of them stay where Arrow put them.

    Raises:
        ValueError: Row groups are not of one kind each, or there are fewer rows than it says, or more.
    """
    groups: dict[str, list[int]] = {kind: [] for kind in KINDS}
    missing = dict(about.rows)
    for group in range(parquet.metadata.num_row_groups):
        kind = KINDS[0] if missing[KINDS[0]] else KINDS[1]
        missing[kind] -= parquet.metadata.row_group(group).num_rows
        groups[kind].append(group)
    if any(missing.values()):
        raise ValueError("rows are missing, or a row group has both kinds")
    tables = {kind: parquet.read_row_groups(groups[kind], columns=about.columns[kind]) for kind in KINDS}
    if any(len(tables[kind]) != about.rows[kind] for kind in KINDS):
        raise ValueError("rows are missing")
    return {kind: {name: _plain(table[name]) for name in about.columns[kind]} for kind, table in tables.items()}


def _plain(column: Any) -> NDArray[Any]:
    chunks = [chunk.to_numpy(zero_copy_only=True) for chunk in column.chunks]
    return chunks[0] if len(chunks) == 1 else np.concatenate([*chunks, np.empty(0, column.type.to_pandas_dtype())])


def _about(parquet: Any) -> About | None:
    """Return what a file says of itself, None for what is none of ours or too large."""
    said, schema = (parquet.schema_arrow.metadata or {}).get(ABOUT, b""), parquet.schema_arrow
    names = schema.names
    if len(said) > MAX_ABOUT_BYTES or not said or len(names) > MAX_COLUMNS or not all(map(is_name, names)):
        return None
    declared = parquet.metadata
    num_rows = declared.num_rows
    if sum(max(0, declared.row_group(i).total_byte_size) for i in range(declared.num_row_groups)) > MAX_BYTES:
        return None
    if num_rows * len(names) > MAX_CELLS or names[:1] != ["kind"] or len(set(names)) < len(names):
        return None
    expected = [pa.string(), *(pa.int64() if name in WHOLE else pa.float64() for name in names[1:])]
    if list(schema.types) != expected or not {"step", "segment", "t"} <= set(names):
        return None
    try:
        about = About.model_validate_json(said)
    except ValidationError:
        return None
    is_whole = set(about.rows) == set(about.segments) == set(about.columns) == set(KINDS)
    if about.format != FORMAT or not is_whole or sum(about.rows.values()) != num_rows:
        return None
    own = {*WHOLE, "t"}
    are_known = all(own <= set(used) <= set(names[1:]) and len(set(used)) == len(used)
                    for used in about.columns.values())  # fmt: skip
    return about if are_known else None


def _belongs(metrics: Path, about: About) -> bool:
    with open_plain(metrics) as file:
        size = os.fstat(file.fileno()).st_size
        return 0 < about.num_bytes <= size and mark_of(file, about.num_bytes) == about.mark


def _is_sound(columns: Mapping[str, NDArray[Any]], segment: int) -> bool:
    """Tell whether columns are such as a table of ours can have: steps are counts, and no segment is later."""
    steps, segments = columns["step"], columns["segment"]
    if not len(steps):
        return True
    are_counts = steps.min() >= 0 and segments.min() >= 0 and steps.max() < MAX_STEP
    return bool(are_counts and segments.max() <= segment < MAX_STEP)
