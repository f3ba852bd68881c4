"""Many lines of the metrics file at once, by Arrow's JSON reader: several times as fast, the same numbers."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json
from numpy.typing import NDArray

from molfun.tracking.names import MAX_STEP
from molfun.tracking.table import MAX_COLUMNS, is_name

BLOCK_BYTES = 1 << 20  # no line may be longer
MAX_PIECE_CELLS = 1 << 22  # 32 MB for 4 MB of lines, which have a tenth of it
NAME = re.compile(rb'"([^"\\]{0,200})"\s*:')
EPOCH = re.compile(rb'"kind"\s*:\s*"epoch"')
TYPES = {"kind": pa.string(), "segment": pa.int64(), "step": pa.int64()}  # of all others: float64
MAX_SEGMENTS = 100  # in one piece; a run that was resumed more often within it is read line by line


def parse_lines(text: bytes) -> dict[str, Mapping[str, NDArray[Any]]] | None:
    """Return the rows of whole lines by kind, "step" and "epoch", as columns for `GrowingTable.extend`.

    Returns:
        None where the lines are not all plain rows of ours; then each is looked at alone.
    """
    table = _read(text, _first_names(text))
    if table is None:
        table = _read(text, _names(text))
    if table is None or any(table[name].null_count for name in ("kind", "segment", "step")):
        return None
    try:
        kind = table["kind"]
        return {name: _columns(table.filter(pc.equal(kind, name))) for name in ("step", "epoch")}
    except (pa.ArrowException, ValueError):
        return None


def _first_names(text: bytes) -> set[str]:
    """Return the names in the first line and in the first one of an epoch, mostly those in all lines."""
    epoch = EPOCH.search(text)
    starts = (0, text.rfind(b"\n", 0, epoch.start() if epoch else 0) + 1)
    lines = (text[start : start + BLOCK_BYTES].partition(b"\n")[0] for start in starts)
    return set().union(*map(_names, lines))


def _names(text: bytes) -> set[str]:
    return {name.decode(errors="replace") for name in set(NAME.findall(text))}


def _read(text: bytes, names: Collection[str]) -> Any:
    """Return lines as a table; None where they have other names or values, or would take much more than the text."""
    # Arrow fills in every name for every line: it is told the names, and not asked to find them.
    is_small = len(names) <= MAX_COLUMNS and len(names) * (text.count(b"\n") + 1) <= MAX_PIECE_CELLS
    if not is_small or not all(map(is_name, names)) or not set(TYPES) <= set(names):
        return None
    schema = pa.schema([(name, TYPES.get(name, pa.float64())) for name in sorted(names)])
    expected = pyarrow.json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="error")
    blocks = pyarrow.json.ReadOptions(block_size=BLOCK_BYTES)
    try:
        return pyarrow.json.read_json(pa.BufferReader(text), read_options=blocks, parse_options=expected)
    except (pa.ArrowException, ValueError):
        return None


def _columns(table: Any) -> Mapping[str, NDArray[Any]]:
    """Return the columns of rows of one kind; those in which no row has anything are left out."""
    found: dict[str, NDArray[Any]] = {}
    for name in table.column_names:
        column = table[name]
        if name in ("segment", "step") or (name != "kind" and column.null_count < len(column)):
            found[name] = column.to_numpy()
    for name in ("segment", "step"):
        if len(found[name]) and not 0 <= int(found[name].min()) <= int(found[name].max()) < MAX_STEP:
            raise ValueError("no count")
    if len(found["segment"]) and len(np.unique(found["segment"])) > MAX_SEGMENTS:
        raise ValueError("too many segments")
    return found
