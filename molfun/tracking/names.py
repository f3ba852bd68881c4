"""Names of the files that a run's record consists of; loads nothing."""

METRICS_NAME = "metrics.jsonl"
EVENTS_NAME = "events.jsonl"
COLUMNS_NAME = "metrics.parquet"
