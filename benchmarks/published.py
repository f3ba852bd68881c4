"""A published comparison on data that can be had here: single mutants of TDP-43 in ProteinGym's supervised benchmark.

    python -m benchmarks.published [--folds random modulo contiguous] [--seeds 0 1 2] [--keep FOLDER]

Data: Bolognesi et al. 2019 (Nat. Commun. 10:4162), 1,196 single substitutions at 84 positions, as MAVE-NN ships them.
The assay TADBP_HUMAN_Bolognesi_2019 of ProteinGym (Notin et al. 2023, NeurIPS) has as many. Folds as its supervised
benchmark makes them: `random` deals rows, `modulo` deals every fifth position, `contiguous` takes five stretches of
positions; in the last two, test positions were never seen in training. Rows are predicted when their fold is held out;
Spearman is over all 1,196 predictions, its 95 % interval over resampled rows of the first seed. A seed draws the random
folds, the validation rows (a tenth of the training rows) and every random number of the fit.

Every figure of "AntiBERTy, LoRA" is five real runs of `molfun fit`; the others are the baselines beside every run. The
published values are those that ProteinGym v1.2 lists for this assay. Results so far are kept in FOLDER, so that a
benchmark that was interrupted goes on where it was.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from molfun.data.example_tables import tdp43_table
from molfun.runs.resampling import score_interval

NUM_FOLDS = 5
# Spearman of ProteinGym v1.2, DMS_supervised/substitutions, DMS_level, for TADBP_HUMAN_Bolognesi_2019.
PUBLISHED = {
    "One-hot encodings": {"random": 0.246, "modulo": -0.016, "contiguous": -0.069},
    "ESM-1v + one-hot encodings": {"random": 0.160, "modulo": 0.046, "contiguous": 0.032},
    "ESM-1v embeddings": {"random": 0.793, "modulo": 0.770, "contiguous": 0.722},
    "MSA Transformer embeddings": {"random": 0.774, "modulo": 0.755, "contiguous": 0.729},
    "Kermut": {"random": 0.780, "modulo": 0.761, "contiguous": 0.654},
    "ProteinNPT": {"random": 0.769, "modulo": 0.757, "contiguous": 0.729},
}
OURS = {
    "one_hot": "One-hot, ridge", "composition": "Residue composition, ridge", "k_mer": "Residue pairs, ridge",
    "frozen_embedding": "AntiBERTy, frozen, ridge", "run": "AntiBERTy, LoRA (`molfun fit`)",
}  # fmt: skip
SETTINGS = {
    "strategy.lr": 1e-3, "strategy.warmup_steps": 10, "training.epochs": 6, "training.batch_size": 16,
    "strategy.ema_decay": 0.9,
}  # fmt: skip
VAL_EVERY = 10


def fold_of(positions: np.ndarray, kind: str, seed: int) -> np.ndarray:
    """Return the fold of each row, int64 [rows]."""
    if kind == "random":
        return np.random.default_rng(seed).integers(0, NUM_FOLDS, len(positions))
    places, rank = np.unique(positions, return_inverse=True)
    if kind == "modulo":
        return rank % NUM_FOLDS
    # The first folds are one position longer where the number cannot be divided.
    return np.concatenate([np.full(len(part), i) for i, part in enumerate(np.array_split(places, NUM_FOLDS))])[rank]


def predict_fold(home: Path, table: pd.DataFrame, fold: np.ndarray, held_out: int, seed: int) -> pd.DataFrame:
    """Train without a fold and return `row`, `target` and a column of predictions for every method."""
    rest = np.flatnonzero(fold != held_out)
    part = np.where(fold == held_out, "test", "train").astype(object)
    part[np.random.default_rng(seed).permutation(rest)[: len(rest) // VAL_EVERY]] = "val"
    file = home / "tdp43.csv"
    table.assign(split=part).to_csv(file, index=False)
    before = set((home / "runs").glob("*"))
    settings = {"data.columns.target": "toxicity", "data.split.kind": "column", "data.split.column": "split",
                "training.seed": seed, **SETTINGS}  # fmt: skip
    changes = [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]
    subprocess.run(
        [sys.executable, "-m", "molfun.cli", "fit", str(file), "--strategy", "lora", *changes],
        env={**os.environ, "MOLFUN_HOME": str(home)}, check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    (run,) = set((home / "runs").glob("*")) - before
    predictions = pd.read_parquet(run / "predictions" / "test.parquet").rename(columns={"prediction": "run"})
    others = run / "predictions" / "baselines.parquet"
    return predictions.merge(pd.read_parquet(others).drop(columns="target"), on="row")


def collect(kind: str, seed: int, table: pd.DataFrame, keep: Path) -> pd.DataFrame:
    """Return the predictions of all folds, training those that are not in `keep` yet."""
    fold = fold_of(table["position"].to_numpy(), kind, seed)
    parts = []
    for held_out in range(NUM_FOLDS):
        file = keep / f"{kind}-{seed}-{held_out}.parquet"
        if not file.exists():
            began = time.monotonic()
            with tempfile.TemporaryDirectory() as home:
                found = predict_fold(Path(home), table, fold, held_out, seed)
            found.assign(seconds=time.monotonic() - began).to_parquet(file)
            print(
                f"{kind}, seed {seed}, fold {held_out}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True
            )
        parts.append(pd.read_parquet(file))
    return pd.concat(parts, ignore_index=True)


def cell(seeds: list[pd.DataFrame], method: str) -> str:
    """Return the mean over seeds, their spread, and the 95 % interval over rows of the first."""
    tables = [one[["row", "target"]].assign(prediction=one[method]) for one in seeds]
    found = [score_interval(table, "spearman") for table in tables]
    known = [interval for interval in found if interval is not None]
    values = [interval.value for interval in known]
    spread = f" ± {statistics.stdev(values):.3f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.3f}{spread} ({known[0].low:.2f} to {known[0].high:.2f})"


def main() -> None:
    """Run every fold and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folds", nargs="+", default=["random", "modulo", "contiguous"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--keep", type=Path, help="folder with the results so far")
    options = parser.parse_args()
    table = tdp43_table()
    with tempfile.TemporaryDirectory() as scratch:
        keep = options.keep or Path(scratch)
        keep.mkdir(parents=True, exist_ok=True)
        # Seed by seed, so that an interrupted benchmark has whole ones.
        found = {(kind, seed): collect(kind, seed, table, keep) for seed in options.seeds for kind in options.folds}
    seconds = sum(one.drop_duplicates("seconds")["seconds"].sum() for one in found.values())
    print(f"| method | {' | '.join(options.folds)} |\n|---|{'---|' * len(options.folds)}")
    for method, title in OURS.items():
        cells = [cell([found[kind, seed] for seed in options.seeds], method) for kind in options.folds]
        print(f"| {title} | {' | '.join(cells)} |")
    for title, scores in PUBLISHED.items():
        print(f"| {title}, published | {' | '.join(f'{scores[kind]:.3f}' for kind in options.folds)} |")
    print(f"\nSeeds {options.seeds}; {NUM_FOLDS * len(found)} fits in {seconds / 60:.0f} min.")


if __name__ == "__main__":
    main()
