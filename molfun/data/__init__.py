"""Tables of sequences on their way to batches: read, guess, check, split, save, encode. Only `batches` loads torch."""

from __future__ import annotations

from molfun.lazy_names import lazy

_HOMES = {
    "ColumnSettings": "settings",
    "Dataset": "dataset",
    "SplitSettings": "settings",
    "check_table": "checks",
    "find_leaks": "leaks",
    "load_dataset": "dataset",
    "load_example": "examples",
    "make_loader": "batches",
    "read_table": "tables",
    "save_dataset": "dataset",
    "save_example": "examples",
}
__all__ = sorted(_HOMES)
__getattr__, __dir__ = lazy(__name__, _HOMES)
