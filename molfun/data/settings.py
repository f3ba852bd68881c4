"""Settings of a dataset: which columns, which task, what happens to long sequences, how rows are split."""

from __future__ import annotations

from typing import Literal

from molfun.settings import Settings, setting

Task = Literal["regression", "classification", "per_residue"]
SplitKind = Literal["random", "stratified", "column", "group"]
TooLong = Literal["refuse", "crop", "window"]

# The metric by which people judge a task; greater is better for each of them.
PRIMARY_METRIC: dict[str, str] = {
    "regression": "spearman",
    "classification": "balanced_accuracy",
    "per_residue": "balanced_accuracy",
}
_CLASS_METRICS = ("balanced_accuracy", "accuracy", "mcc", "macro_f1")
# What `molfun.metrics` computes for each task, in the order of its tables.
METRICS_OF_TASK: dict[str, tuple[str, ...]] = {
    "regression": ("spearman", "pearson", "rmse", "mae", "r2"),
    "classification": _CLASS_METRICS,
    "per_residue": _CLASS_METRICS,
}
LOWER_IS_BETTER = frozenset({"loss", "loss_raw", "rmse", "mae"})


def lower_is_better(metric: str) -> bool:
    """Return whether smaller values of a metric are better; its name may start with "val_"."""
    return metric.removeprefix("val_") in LOWER_IS_BETTER


class ColumnSettings(Settings):
    """Which columns of the table are used, and for what."""

    sequence: list[str] = setting(
        [], label="Sequence columns", help="Columns with one-letter protein sequences, one a chain.", group="Columns"
    )
    target: str = setting(
        "", label="Target column", help="Column with the measured value or the class.", group="Columns"
    )
    task: Task = setting(
        "regression",
        label="Task",
        help="Regression predicts a number, classification a class, per residue one class for every residue.",
        group="Columns",
    )
    too_long: TooLong = setting(
        "refuse",
        label="Sequences beyond the model's limit",
        help="Refuse stops before training; crop keeps the first residues; window keeps those around the middle.",
        group="Columns",
    )


class SplitSettings(Settings):
    """How rows are divided into training, validation and test."""

    kind: SplitKind = setting(
        "random",
        label="Split",
        help="Random rows; stratified keeps class shares; column uses your own labels; group keeps groups together.",
        group="Split",
    )
    column: str = setting(
        "",
        label="Column",
        help="Column with train, val and test (by column), or with the group of each row (by group).",
        group="Split",
        depends_on="Split is column or group",
    )
    val_fraction: float = setting(
        0.1, ge=0.0, lt=1.0, label="Validation share", help="Share of rows that chooses the best epoch.", group="Split"
    )
    test_fraction: float = setting(
        0.2, ge=0.0, lt=1.0, label="Test share", help="Share of rows kept untouched for the final score.", group="Split"
    )
    seed: int = setting(0, ge=0, label="Split seed", help="The same seed gives the same split.", group="Split")
