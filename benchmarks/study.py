"""Which strategy for how many rows: test scores of the four strategies by training size, on real data.

    python -m benchmarks.study                    # all of it, two hours on 2 cores; `make study` also draws it
    python -m benchmarks.study --data v_genes --sizes 30 100 --seeds 0

Every cell is a real `molfun fit` of AntiBERTy with the settings that Molfun recommends for that strategy and size; a
seed draws the rows of every part and every random number. The rows of a larger size contain those of a smaller one,
and all sizes of a seed share validation and test rows. Finished cells are kept in the table (docs/study.csv): what is
there is not computed again. The simple baselines of a run, and a control with random weights, stand beside it.
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.fits import fit
from molfun.data.dataset import save_dataset
from molfun.data.example_tables import read_amyloid, read_v_genes
from molfun.data.settings import ColumnSettings, SplitSettings

TABLE = Path(__file__).parents[1] / "docs" / "study.csv"
STRATEGIES = ("head_only", "lora", "partial", "full")
CONTROL = "head_only, random weights"
COLUMNS = ["data", "rows", "method", "seed", "metric", "value", "seconds"]


@dataclass(frozen=True)
class Question:
    """One table: what is asked of it, by how many rows.

    Attributes:
        read: Returns all rows with a column `split`.
        sizes: Numbers of training rows.
        num_val: Validation rows.
        num_test: Test rows.
    """

    read: Callable[[], pd.DataFrame]
    columns: ColumnSettings
    sizes: tuple[int, ...]
    num_val: int
    num_test: int


QUESTIONS = {
    "v_genes": Question(
        read_v_genes, ColumnSettings(sequence=["sequence"], target="species", task="classification"),
        sizes=(30, 100, 300), num_val=60, num_test=200,
    ),
    "amyloid_beta": Question(
        read_amyloid, ColumnSettings(sequence=["sequence"], target="nucleation", task="regression"),
        sizes=(100, 400, 1600), num_val=100, num_test=400,
    ),
}  # fmt: skip


def draw(question: Question, num_rows: int, seed: int) -> pd.DataFrame:
    """Return `num_rows` training rows with the validation and test rows of that seed, in the order of the table."""
    frame = question.read()
    sizes = {"train": num_rows, "val": question.num_val, "test": question.num_test}
    taken = [
        np.random.default_rng([seed, place]).permutation(np.flatnonzero((frame["split"] == part).to_numpy()))[:size]
        for place, (part, size) in enumerate(sizes.items())
    ]
    return frame.iloc[np.sort(np.concatenate(taken))].reset_index(drop=True)


def measure(home: Path, name: str, num_rows: int, method: str, seed: int) -> list[dict[str, Any]]:
    """Train once; return a row of the table for the run and, of the first strategy, one for each simple baseline.

    Args:
        home: A data folder, the same for all cells: what is computed of the frozen trunk is kept there.
        name: Of the question.
        num_rows: For training.
        method: Strategy, or the control.
        seed: Of the rows and of the run.
    """
    question, began = QUESTIONS[name], time.monotonic()
    frame = draw(question, num_rows, seed)
    frame.attrs = {}
    split = SplitSettings(kind="column", column="split")
    dataset = save_dataset(home / "datasets", frame, question.columns, split, name=name)
    spec = home / "spec.yaml"
    spec.write_text(f"data: {{dataset: {dataset.id}}}\n", encoding="utf-8")
    weights = "random" if method == CONTROL else "pretrained"
    run = fit(home, str(spec), method.split(",")[0], {"training.seed": seed, "model.weights": weights})
    board = json.loads((run / "scoreboard.json").read_text(encoding="utf-8"))
    shutil.rmtree(run)
    metric, seconds = board["primary"], round(time.monotonic() - began)
    scores = {method: board["test"]["metrics"]}
    if method == STRATEGIES[0]:
        scores |= board["baselines"]
    return [
        {"data": name, "rows": num_rows, "method": who, "seed": seed, "metric": metric,
         "value": round(found[metric], 4), "seconds": seconds if who == method else 0}
        for who, found in scores.items()
        if is_number(found.get(metric))
    ]  # fmt: skip


def is_number(value: float | None) -> bool:
    """Tell whether a metric is defined; Spearman of a constant prediction is not."""
    return value is not None and math.isfinite(value)


def read_table(path: Path) -> pd.DataFrame:
    """Return the cells so far."""
    return pd.read_csv(path) if path.exists() else pd.DataFrame(columns=COLUMNS)


def missing(table: pd.DataFrame, options: argparse.Namespace) -> list[tuple[str, int, str, int]]:
    """Return (data, rows, method, seed) of the cells to compute, seed by seed, so that a half study has whole ones."""
    there = set(zip(table["data"], table["rows"], table["method"], table["seed"], strict=True))
    wanted = [
        (name, size, method, seed)
        for seed in options.seeds
        for name in options.data
        for size in (options.sizes or QUESTIONS[name].sizes)
        for method in (*STRATEGIES, CONTROL)
    ]
    return [cell for cell in wanted if cell not in there]


def main() -> None:
    """Fill the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", choices=list(QUESTIONS), default=list(QUESTIONS))
    parser.add_argument("--sizes", type=int, nargs="+", default=None)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--table", type=Path, default=TABLE, help="where the cells are kept")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        fill(Path(home), options)


def fill(home: Path, options: argparse.Namespace) -> None:
    """Compute what is missing, and write it down cell by cell."""
    for cell in missing(read_table(options.table), options):
        rows = measure(home, *cell)
        table = pd.concat([read_table(options.table), pd.DataFrame(rows)], ignore_index=True)
        table.to_csv(options.table, index=False)
        print(
            f"{cell}: {rows[0]['metric']} {rows[0]['value']:.3f}, {rows[0]['seconds']} s", file=sys.stderr, flush=True
        )


if __name__ == "__main__":
    main()
