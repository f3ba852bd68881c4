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
# What a run is scored by, of all that `molfun.metrics` and `molfun.structure_metrics` compute, in the order of tables.
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
        [], label="Sequence columns", group="Columns",
        help="Columns with one-letter protein sequences, one a chain; name them where the guess is wrong, or where "
        "several chains belong together.",
    )  # fmt: skip
    target: str = setting(
        "", label="Target column", group="Columns",
        help="Column with the measured value or the class; name it where the guess is wrong.",
    )  # fmt: skip
    task: Task = setting(
        "regression", label="Task", group="Columns",
        help="What is learned: regression predicts a number, classification a class, per residue one class for every "
        "residue, structure the place of every atom.",
    )  # fmt: skip
    too_long: TooLong = setting(
        "refuse", label="Sequences beyond the model's limit", group="Columns",
        help="What becomes of sequences beyond the model's limit: refuse stops before training; crop keeps the first "
        "residues; window keeps those around the middle; skip leaves such rows out of training and test.",
    )  # fmt: skip


class SplitSettings(Settings):
    """How rows are divided into training, validation and test."""

    kind: SplitKind = setting(
        "random", label="Split", group="Split",
        help="What the test rows have in common: nothing (random), or something that training has not seen; choose "
        "what is like the rows that the model is meant for.",
    )  # fmt: skip
    column: str = setting(
        "", label="Column", group="Split", depends_on="Split is column, group or time",
        help="Column that divides the rows: with train, val and test (by column), with the group of each row (by "
        "group), or its time.",
    )  # fmt: skip
    max_identity: float = setting(
        0.5, gt=0.0, le=1.0, label="Most identity", group="Split", depends_on="Split is identity",
        help="No test sequence shares more of its residues with any training sequence, as a share of the shorter one; "
        "lower it for a stricter test.",
    )  # fmt: skip
    max_mutations: int = setting(
        1, ge=0, label="Most mutations in training", group="Split", depends_on="Split is num_mutations",
        help="Rows with up to so many mutations train and validate, those with more are tested; raise it where too "
        "few rows are left to train on.",
    )  # fmt: skip
    wild_type: str = setting(
        "", label="Wild type", group="Split", depends_on="Split is position or num_mutations",
        help="Sequence that mutations are counted against; empty takes the most frequent residue at each place, so "
        "give it where that is not the wild type's.",
    )  # fmt: skip
    held_out: Literal["high", "low"] = setting(
        "high", label="Values held out", group="Split", depends_on="Split is value",
        help="Which end of the values is tested: high tests on the highest values and trains on the rest, as in a "
        "search for better variants; low is the other way round.",
    )  # fmt: skip
    val_fraction: float = setting(
        0.1, ge=0.0, lt=1.0, label="Validation share", group="Split",
        help="Share of rows that chooses the best epoch; raise it on small tables, where a few rows would choose by "
        "chance.",
    )  # fmt: skip
    test_fraction: float = setting(
        0.2, ge=0.0, lt=1.0, label="Test share", group="Split",
        help="Share of rows kept untouched for the final score; raise it for a surer score, lower it to train on "
        "more.",
    )  # fmt: skip
    num_folds: int = setting(
        0, ge=0, le=100, label="Folds", group="Split", level="advanced",
        help="Deals the rows into so many test parts, each of which is left out once; take 5 or 10 on small tables, 0 "
        "is one split.",
    )  # fmt: skip
    fold: int = setting(
        1, ge=1, label="Fold", group="Split", level="advanced", depends_on="Folds >= 2",
        help="Which of the folds is the test part, the test share has no effect then; a cross-validation goes through "
        "all of them by itself.",
    )  # fmt: skip
    seed: int = setting(
        0, ge=0, label="Split seed", group="Split",
        help="Start of the random numbers that divide the rows, so that the same seed gives the same split; change it "
        "to see how much of a score is the split's.",
    )  # fmt: skip
