"""A published comparison on data that can be had here: single mutants of TDP-43 in ProteinGym's supervised benchmark.

    python -m benchmarks.published [--folds random modulo contiguous] [--seeds 0 1 2] [--fits 0] [--keep FOLDER]

Data: Bolognesi et al. 2019 (Nat. Commun. 10:4162), 1,196 single substitutions at 84 positions, as MAVE-NN ships them.
The assay TADBP_HUMAN_Bolognesi_2019 of ProteinGym (Notin et al. 2023, NeurIPS) has as many. Folds as its supervised
benchmark makes them: `random` deals rows, `modulo` deals every fifth position, `contiguous` takes five stretches of
positions; in the last two, test positions were never seen in training. Rows are predicted when their fold is held out;
Spearman is over all 1,196 predictions, its 95 % interval over resampled rows of the first seed. A seed draws the random
folds, the validation rows (a tenth of the training rows) and every random number of the fit.

"AntiBERTy, LoRA" is real runs of `molfun fit`, one a fold, for the seeds of `--fits`: minutes each. The other methods
are the baselines that stand beside every run, and take seconds; the control has an untrained trunk of the same shape.
The published values are those that ProteinGym v1.2 lists for this assay. Runs so far are kept in FOLDER, so that a
benchmark that was interrupted goes on where it was.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from benchmarks.fits import fit
from molfun.data.dataset import Dataset, save_dataset
from molfun.data.example_tables import tdp43_table
from molfun.data.settings import ColumnSettings, SplitSettings
from molfun.evaluation.baselines import predict_baselines
from molfun.evaluation.embeddings import embed_dataset
from molfun.models.build import build_adapter
from molfun.models.precision import Precision
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
    "frozen_embedding": "AntiBERTy, frozen, ridge", "random_embedding": "the same with random weights (control)",
}  # fmt: skip
SETTINGS = {
    "strategy.lr": 1e-3, "strategy.warmup_steps": 10, "training.epochs": 3, "training.batch_size": 16,
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


def parts_of(fold: np.ndarray, held_out: int, seed: int) -> np.ndarray:
    """Return the part of each row: the fold that is held out tests, a tenth of the rest validates."""
    rest = np.flatnonzero(fold != held_out)
    part = np.where(fold == held_out, "test", "train").astype(object)
    part[np.random.default_rng(seed).permutation(rest)[: len(rest) // VAL_EVERY]] = "val"
    return part


def save_fold(home: Path, table: pd.DataFrame, part: np.ndarray) -> Dataset:
    """Save the table divided as told."""
    columns = ColumnSettings(sequence=["sequence"], target="toxicity", task="regression")
    split = SplitSettings(kind="column", column="split", val_fraction=0.1 if "val" in part else 0.0)
    return save_dataset(home / "datasets", table.assign(split=part), columns, split, name="TDP-43")


def embed(table: pd.DataFrame, weights: str) -> np.ndarray:
    """Return the mean states of all rows in a trunk that nobody fine-tuned."""
    with tempfile.TemporaryDirectory() as home:
        dataset = save_fold(Path(home), table, np.where(np.arange(len(table)) % 2, "train", "test").astype(object))
        torch.manual_seed(0)
        precision = Precision(torch.device("cpu"), amp=False)
        adapter = build_adapter("antiberty", weights)
        found = embed_dataset(adapter, dataset, precision, max_seconds=float("inf"), on_batch=lambda: None)
    assert found is not None
    return found


def predict_simply(table: pd.DataFrame, kind: str, seed: int, states: dict[str, np.ndarray]) -> pd.DataFrame:
    """Return `row`, `target` and what each simple method predicts for the rows of the fold that it was kept from."""
    fold, found = fold_of(table["position"].to_numpy(), kind, seed), []
    for held_out in range(NUM_FOLDS):
        with tempfile.TemporaryDirectory() as home:
            dataset = save_fold(Path(home), table, parts_of(fold, held_out, seed))
            predictions = predict_baselines(dataset, embeddings=states["pretrained"])
            control = predict_baselines(dataset, embeddings=states["random"])["frozen_embedding"]
            test = dataset.part("test")[["row", "target"]]
        found.append(test.assign(**predictions, random_embedding=control))
    return pd.concat(found, ignore_index=True)


def fit_fold(home: Path, dataset: Dataset, seed: int) -> pd.DataFrame:
    """Train without a fold and return `row`, `target` and `run`."""
    spec = home / "spec.yaml"
    spec.write_text(f"data: {{dataset: {dataset.id}}}\n")
    run = fit(home, str(spec), "lora", {"training.seed": seed, **SETTINGS})
    predictions = pd.read_parquet(run / "predictions" / "test.parquet")
    return predictions.rename(columns={"prediction": "run"})[["row", "target", "run"]]


def fit_all(table: pd.DataFrame, kind: str, seed: int, keep: Path) -> pd.DataFrame:
    """Return what runs predict for the rows of the fold that they were kept from, training those not in `keep` yet."""
    fold, found = fold_of(table["position"].to_numpy(), kind, seed), []
    for held_out in range(NUM_FOLDS):
        file = keep / f"{kind}-{seed}-{held_out}.parquet"
        if not file.exists():
            began = time.monotonic()
            with tempfile.TemporaryDirectory() as home:
                dataset = save_fold(Path(home), table, parts_of(fold, held_out, seed))
                predictions = fit_fold(Path(home), dataset, seed)
            seconds = time.monotonic() - began
            predictions.assign(seconds=seconds).to_parquet(file)
            print(f"{kind}, seed {seed}, fold {held_out}: {seconds:.0f} s", file=sys.stderr, flush=True)
        found.append(pd.read_parquet(file))
    return pd.concat(found, ignore_index=True)


def cell(seeds: list[pd.DataFrame], method: str) -> str:
    """Return the mean over seeds, their spread, and the 95 % interval over rows of the first."""
    tables = [one[["row", "target"]].assign(prediction=one[method]) for one in seeds]
    found = [score_interval(table, "spearman") for table in tables]
    known = [interval for interval in found if interval is not None]
    values = [interval.value for interval in known]
    spread = f" ± {statistics.stdev(values):.3f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.3f}{spread} ({known[0].low:.2f} to {known[0].high:.2f})"


def main() -> None:
    """Predict every fold and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folds", nargs="+", default=["random", "modulo", "contiguous"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--fits", type=int, nargs="*", default=[0], help="seeds for which runs are trained")
    parser.add_argument("--keep", type=Path, help="folder with the runs so far")
    options = parser.parse_args()
    table, began = tdp43_table(), time.monotonic()
    states = {weights: embed(table, weights) for weights in ("pretrained", "random")}
    simple = {kind: [predict_simply(table, kind, seed, states) for seed in options.seeds] for kind in options.folds}
    spent = time.monotonic() - began
    with tempfile.TemporaryDirectory() as scratch:
        keep = options.keep or Path(scratch)
        keep.mkdir(parents=True, exist_ok=True)
        # Seed by seed, so that an interrupted benchmark has whole ones.
        runs = {(kind, seed): fit_all(table, kind, seed, keep) for seed in options.fits for kind in options.folds}
    print(f"| method | {' | '.join(options.folds)} |\n|---|{'---|' * len(options.folds)}")
    for method, title in OURS.items():
        print(f"| {title} | {' | '.join(cell(simple[kind], method) for kind in options.folds)} |")
    if runs:
        cells = [cell([runs[kind, seed] for seed in options.fits], "run") for kind in options.folds]
        print(f"| AntiBERTy, LoRA (`molfun fit`) | {' | '.join(cells)} |")
    for title, scores in PUBLISHED.items():
        print(f"| {title}, published | {' | '.join(f'{scores[kind]:.3f}' for kind in options.folds)} |")
    seconds = [value for one in runs.values() for value in one["seconds"].unique()]
    print(f"\nSeeds {options.seeds}, simple methods in {spent:.0f} s; LoRA: seeds {options.fits}, {len(seconds)} fits "
          f"in {sum(seconds) / 60:.0f} min.")  # fmt: skip


if __name__ == "__main__":
    main()
