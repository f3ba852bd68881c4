"""Run folders of a cross-validation as its workers leave them, with predictions of a known quality."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import numpy as np
import pandas as pd

from molfun.data.folds import save_folds
from molfun.data.settings import ColumnSettings, SplitSettings
from molfun.runs.spec import DataSource, RunSpec
from molfun.runs.store import RunFolder, RunStore

RESIDUES = "ACDEFGHIKLMNPQRSTVWY"
NUM_ROWS = 60
NUMBERS = ColumnSettings(sequence=["sequence"], target="y")
CLASSES = ColumnSettings(sequence=["sequence"], target="kind", task="classification")


def table() -> pd.DataFrame:
    """Return 60 rows with a number and one of three classes."""
    dice = np.random.default_rng(3)
    sequences = ["".join(dice.choice(list(RESIDUES), 25)) for _ in range(NUM_ROWS)]
    frame = pd.DataFrame({"sequence": sequences, "y": dice.normal(size=NUM_ROWS)})
    return frame.assign(kind=[("a", "b", "c")[i % 3] for i in range(NUM_ROWS)])


def write_folds(
    home: Path,
    arms: dict[str, float],
    *,
    columns: ColumnSettings = NUMBERS,
    repeats: int = 1,
    seeds: Collection[int] = (0,),
    num_folds: int = 3,
    without: Collection[tuple[str, int]] = (),
) -> list[RunFolder]:
    """Write finished runs on every fold.

    Args:
        home: The data folder.
        arms: How wrong predictions are, by strategy: standard deviation of the error, or share of wrong classes.
        columns: Of the table.
        repeats: How often rows are dealt.
        seeds: Training seeds.
        num_folds: Folds.
        without: Strategies and folds whose run failed.
    """
    split = SplitSettings(num_folds=num_folds)
    folds = save_folds(home / "datasets", table(), columns, split, name="Known", repeats=repeats)
    found = []
    for number, dataset in enumerate(folds):
        source = DataSource(dataset=dataset.id, columns=dataset.columns, split=dataset.split)
        for kind, wrong in arms.items():
            for seed in seeds:
                spec = RunSpec.parse({"strategy": {"kind": kind}, "training": {"seed": seed}})
                spec = spec.model_copy(update={"data": source, "name": f"{dataset.name}, {kind}"})
                folder = RunStore(home).create(spec, run_id=f"{kind.replace('_', '-')}-d{number}-s{seed}")
                failed = (kind, dataset.split.fold) in without
                folder.write_state(status="failed" if failed else "finished", attempt=1)
                if not failed:
                    _write(folder, dataset.part("test"), dataset.classes, wrong, number * 10 + seed)
                found.append(folder)
    return found


def _write(folder: RunFolder, test: pd.DataFrame, classes: tuple[str, ...], wrong: float, seed: int) -> None:
    dice = np.random.default_rng(seed)
    target = test["target"].to_numpy()
    if classes:
        is_wrong = dice.random(len(test)) < wrong
        chosen = [classes[int(i + flip) % len(classes)] for i, flip in zip(target, is_wrong, strict=True)]
        rows = pd.DataFrame({"row": test["row"], "target": [classes[int(i)] for i in target], "prediction": chosen})
        value = float((rows["target"] == rows["prediction"]).groupby(rows["target"]).mean().mean())
        metric, others = "balanced_accuracy", {"majority": classes[0]}
    else:
        guess = target + wrong * dice.normal(size=len(test))
        rows = pd.DataFrame({"row": test["row"], "target": target, "prediction": guess})
        value = float(rows["target"].corr(rows["prediction"], method="spearman"))
        metric, others = "spearman", {"mean": -target.mean(), "one_hot": target + 2 * dice.normal(size=len(test))}
    rows.to_parquet(folder.predictions / "test.parquet", index=False)
    rows[["row", "target"]].assign(**others).to_parquet(folder.predictions / "baselines.parquet", index=False)
    baselines = {name: {metric: None if name == "mean" else 0.3} for name in others}
    folder.write_scoreboard({"primary": metric, "test": {"metrics": {metric: value}, "rows": len(rows)},
                             "baselines": baselines, "weights": "random"})  # fmt: skip
