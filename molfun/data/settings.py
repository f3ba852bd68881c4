"""Settings of a dataset: which columns, which task, what happens to long sequences, how rows are split."""

from __future__ import annotations

from typing import Literal

from molfun.settings import Settings, setting

Task = Literal["regression", "classification", "per_residue", "structure"]
SplitKind = Literal["random", "stratified", "column", "group", "identity", "position", "num_mutations", "value", "time"]
TooLong = Literal["refuse", "crop", "window", "skip"]
# How rows come together in training batches.
BatchBy = Literal["auto", "rows", "length", "tokens"]

# The metric by which people judge a task; greater is better for each of them.
PRIMARY_METRIC: dict[str, str] = {
    "regression": "spearman",
    "classification": "balanced_accuracy",
    "per_residue": "balanced_accuracy",
    "structure": "lddt",
}
_CLASS_METRICS = ("balanced_accuracy", "accuracy", "mcc", "macro_f1")
# What `molfun.metrics` and `molfun.structure_metrics` compute for each task, in the order of its tables.
METRICS_OF_TASK: dict[str, tuple[str, ...]] = {
    "regression": ("spearman", "pearson", "rmse", "mae", "r2"),
    "classification": _CLASS_METRICS,
    "per_residue": _CLASS_METRICS,
    "structure": ("lddt", "tm_score", "gdt_ts", "rmsd"),
}
# Tasks with one value a row: only these have intervals, and ensembles of several runs.
ONE_VALUE_A_ROW: tuple[Task, ...] = ("regression", "classification")
LOWER_IS_BETTER = frozenset({"loss", "loss_raw", "rmse", "mae", "rmsd"})


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
        help="Regression predicts a number, classification a class, per residue one class for every residue, structure "
        "the place of every atom.",
        group="Columns",
    )
    too_long: TooLong = setting(
        "refuse",
        label="Sequences beyond the model's limit",
        help="Refuse stops before training; crop keeps the first residues; window keeps those around the middle; "
        "skip leaves such rows out of training and test.",
        group="Columns",
    )


class SplitSettings(Settings):
    """How rows are divided into training, validation and test."""

    kind: SplitKind = setting(
        "random",
        label="Split",
        help="What the test rows have in common: nothing (random), or something that training has not seen.",
        group="Split",
    )
    column: str = setting(
        "",
        label="Column",
        help="Column with train, val and test (by column), with the group of each row (by group), or its time.",
        group="Split",
        depends_on="Split is column, group or time",
    )
    max_identity: float = setting(
        0.5,
        gt=0.0,
        le=1.0,
        label="Most identity",
        help="No test sequence shares more of its residues with any training sequence, as a share of the shorter one.",
        group="Split",
        depends_on="Split is identity",
    )
    max_mutations: int = setting(
        1,
        ge=0,
        label="Most mutations in training",
        help="Rows with up to so many mutations train and validate, those with more are tested.",
        group="Split",
        depends_on="Split is num_mutations",
    )
    wild_type: str = setting(
        "",
        label="Wild type",
        help="Sequence that mutations are counted against; empty takes the most frequent residue at each place.",
        group="Split",
        depends_on="Split is position or num_mutations",
    )
    held_out: Literal["high", "low"] = setting(
        "high",
        label="Values held out",
        help="High tests on the highest values and trains on the rest, low the other way round.",
        group="Split",
        depends_on="Split is value",
    )
    val_fraction: float = setting(
        0.1, ge=0.0, lt=1.0, label="Validation share", help="Share of rows that chooses the best epoch.", group="Split"
    )
    test_fraction: float = setting(
        0.2, ge=0.0, lt=1.0, label="Test share", help="Share of rows kept untouched for the final score.", group="Split"
    )
    num_folds: int = setting(
        0,
        ge=0,
        le=100,
        label="Folds",
        help="2 or more: the rows are dealt into so many test parts, each of which is left out once; 0 is one split.",
        group="Split",
        level="advanced",
    )
    fold: int = setting(
        1,
        ge=1,
        label="Fold",
        help="Which of the folds is the test part; the test share has no effect then.",
        group="Split",
        level="advanced",
        depends_on="Folds >= 2",
    )
    seed: int = setting(0, ge=0, label="Split seed", help="The same seed gives the same split.", group="Split")
