"""Reads Parquet files in pieces, so that a few bytes that stand for a billion cells are noticed in time."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pyarrow.types as kinds

from molfun.data import limits
from molfun.errors import DataError

MAX_DECODED_BYTES = 1024**3
BATCH_ROWS = 8_192
INDEX_NAME = re.compile(r"__index_level_\d+__")
UNREADABLE = "is no readable Parquet file; write it again or save it as CSV."


def read_parquet(path: Path, shown: str) -> pd.DataFrame:
    """Return the columns of a Parquet file that hold numbers, text, times, or lists of numbers or text.

    Columns of other types (structs, maps, bytes) and an unnamed index are left out: nothing here can use them. Times
    and decimals become text.

    Args:
        path: The file.
        shown: File name for messages.

    Raises:
        DataError: It is damaged, too large, or has no column that can be used.
    """
    try:
        # Text comes with its different values stored once: a repeated cell of a megabyte stays one megabyte.
        with pq.ParquetFile(path, read_dictionary=_text_columns(path)) as file:
            names = [field.name for field in file.schema_arrow if _is_usable(field)]
            if not names:
                raise DataError(f"{shown} has no column of numbers or text; write those into a new file.")
            limits.refuse_names(names, shown)
            _refuse_declared(file.metadata, shown)
            frames = [_plain(batch) for batch in _batches(file, names, shown)]
    except DataError:
        raise
    except Exception:  # noqa: BLE001 - a damaged file fails in thrift, snappy or Arrow, each in its own way
        raise DataError(f"{shown} {UNREADABLE}") from None
    frame = pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=pd.Index(names))
    frame.columns = pd.Index([limits.column_name(name, i) for i, name in enumerate(names, start=1)])
    limits.refuse_names(list(frame.columns), shown)
    frame.attrs = {"first_row": 1}
    return frame


def _text_columns(path: Path) -> list[str]:
    fields = pq.read_schema(path)
    return [field.name for field in fields if kinds.is_string(field.type) or kinds.is_large_string(field.type)]


def _is_usable(field: Any) -> bool:
    # pandas writes a table's index as a column of this name.
    return not INDEX_NAME.fullmatch(field.name) and _is_usable_kind(field.type)


def _is_usable_kind(kind: Any) -> bool:
    if kinds.is_dictionary(kind):
        return _is_usable_kind(kind.value_type)
    if kinds.is_list(kind) or kinds.is_large_list(kind) or kinds.is_fixed_size_list(kind):
        inner = kind.value_type
        return kinds.is_string(inner) or kinds.is_large_string(inner) or _is_number(inner)
    is_time = kinds.is_temporal(kind) and not kinds.is_interval(kind)
    is_text = kinds.is_string(kind) or kinds.is_large_string(kind) or kinds.is_null(kind)
    return _is_number(kind) or is_text or is_time or kinds.is_decimal(kind)


def _is_number(kind: Any) -> bool:
    return bool(kinds.is_boolean(kind) or kinds.is_integer(kind) or kinds.is_floating(kind))


def _refuse_declared(about: Any, shown: str) -> None:
    limits.refuse_size(shown, about.num_rows, about.num_columns)
    unpacked = sum(max(0, about.row_group(i).total_byte_size) for i in range(about.num_row_groups))
    _refuse_bytes(unpacked, shown)


def _refuse_bytes(num_bytes: int, shown: str) -> None:
    if num_bytes > MAX_DECODED_BYTES:
        raise DataError(
            f"{shown} unpacks to more than {MAX_DECODED_BYTES / 1024**2:,.0f} MB, which is the limit; keep the columns "
            "and rows that you need."
        )


def _batches(file: Any, names: list[str], shown: str) -> Iterator[Any]:
    """Yield the file's rows in pieces; stop as soon as they are more, or larger, than can be handled."""
    num_rows = num_bytes = 0
    for batch in file.iter_batches(BATCH_ROWS, columns=names):
        # Names with dots would name inner fields: what was asked for must be what came.
        if batch.schema.names != names:
            raise DataError(f"{shown} {UNREADABLE}")
        num_rows += batch.num_rows
        num_bytes += sum(_decoded_bytes(column) for column in batch.columns)
        limits.refuse_size(shown, num_rows, len(names))
        _refuse_bytes(num_bytes, shown)
        yield batch


def _decoded_bytes(column: Any) -> int:
    """Return how much a column takes once every cell has its own text."""
    if not kinds.is_dictionary(column.type):
        return int(column.nbytes)
    sizes = pc.take(pc.binary_length(column.dictionary), column.indices)
    return int(pc.sum(sizes).as_py() or 0) + int(column.nbytes)


def _plain(batch: Any) -> pd.DataFrame:
    """Return rows as numbers, Python text and lists."""
    columns = {str(i): _column(batch.column(i)) for i in range(batch.num_columns)}
    return pd.DataFrame(columns)


def _column(column: Any) -> pd.Series:
    kind = column.type
    if kinds.is_dictionary(kind):
        return _column(column.dictionary_decode())
    if kinds.is_temporal(kind) or kinds.is_decimal(kind):
        return _column(column.cast(pa.string()))
    if kinds.is_string(kind) or kinds.is_large_string(kind) or kinds.is_null(kind):
        # Arrow decodes text late; as Python text a damaged cell fails here, not somewhere later.
        return pd.Series(column.to_pylist(), dtype=object)
    return column.to_pandas()
