"""Names of the files that a run's record consists of, and what may be a step in it; loads nothing."""

from typing import Any

METRICS_NAME = "metrics.jsonl"
EVENTS_NAME = "events.jsonl"
COLUMNS_NAME = "metrics.parquet"
LINE_BYTES = 1 << 20  # a line of ours has a few hundred; what is longer is no row
MAX_STEP = 2**53  # float64 counts exactly up to here


def is_count(value: Any) -> bool:
    """Tell whether a value can be a step or a segment: a whole number from 0 on that float64 keeps."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < MAX_STEP
