"""Run folders with predicted structures, as a worker leaves them, without training."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.spatial.transform import Rotation

from molfun.data.dataset import Dataset
from molfun.data.examples import save_example
from molfun.data.folded import FoldedProtein
from molfun.data.proteins import C_ALPHA, Protein
from molfun.runs.spec import RunSpec
from molfun.runs.store import RunFolder, RunStore
from molfun.structure_metrics import score_alphas


def predict(protein: Protein, spread: float = 0.5, seed: int = 0) -> FoldedProtein:
    """Return a measured structure turned, moved and shaken by `spread` angstrom, as a model would predict it."""
    random = np.random.default_rng(seed)
    measured = np.concatenate([chain.positions for chain in protein.chains]).astype(np.float64)
    shaken = measured + random.normal(0.0, spread, (len(measured), 1, 3))
    turned = shaken @ Rotation.random(random_state=seed).as_matrix().T + 10.0
    size = len(measured)
    apart = np.linalg.norm(turned[:, None, C_ALPHA] - turned[None, :, C_ALPHA], axis=-1)
    return FoldedProtein(
        tuple(protein.sequence_of(column) for column in protein.columns), turned.astype(np.float32),
        np.linspace(0.3, 0.99, size, dtype=np.float32), (1.0 / (1.0 + np.exp(apart - 8.0))).astype(np.float16),
    )  # fmt: skip


def save_folded_run(home: Path, run_id: str = "folded") -> tuple[RunFolder, Dataset]:
    """Write a finished run on the example of small proteins: its predictions are near what was measured."""
    dataset = save_example(home / "datasets", "small_proteins")
    values = {"name": "Folded", "model": {"name": "esmfold_small", "weights": "random"},
              "strategy": {"kind": "head_only", "loss_fn": "structure", "monitor": "val_lddt"},
              "data": {"dataset": dataset.id, "columns": dataset.columns.model_dump()}}  # fmt: skip
    folder = RunStore(home).create(RunSpec.parse(values), run_id=run_id)
    folder.structures.mkdir(parents=True)
    rows = []
    for number, (place, facts) in enumerate(dataset.part("test").iterrows()):
        protein = dataset.structure_of(int(str(place)))
        folded = predict(protein, spread=1.0 + number, seed=number)
        folded.save(folder.structure_path(int(facts["row"])))
        rows.append({"row": facts["row"], "name": protein.name, "num_residues": len(folded),
                     "plddt": float(folded.plddt.mean()), **_scores(folded, protein)})  # fmt: skip
    table = pd.DataFrame(rows)
    table.to_parquet(folder.predictions / "test.parquet")
    table[["row", "name"]].assign(before_training=0.1).to_parquet(folder.predictions / "baselines.parquet")
    means = table[["lddt", "tm_score", "gdt_ts", "rmsd"]].mean().to_dict()
    folder.write_scoreboard({"primary": "lddt", "test": {"metrics": means, "rows": len(table)}, "weights": "random",
                             "baselines": {"before_training": {"lddt": 0.1}}})  # fmt: skip
    folder.write_state(status="finished", started=time.time() - 60, ended=time.time(), step=4, total_steps=4)
    return folder, dataset


def _scores(folded: FoldedProtein, protein: Protein) -> dict[str, float]:
    measured = np.concatenate([chain.positions for chain in protein.chains])[:, C_ALPHA].astype(np.float64)
    known = np.concatenate([chain.mask for chain in protein.chains])[:, C_ALPHA]
    found = score_alphas(folded.positions[known, C_ALPHA].astype(np.float64), measured[known])
    return {name: found[name] for name in ("lddt", "tm_score", "gdt_ts", "rmsd")}
