"""Reads the examples of proteins of all families out of installed packages: places in the cell, disordered residues."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd

from molfun.data.example_tables import installed_file

# Requirements whose installed files hold the data.
AAANALYSIS, SCLDATA = "aaanalysis==1.1.0", "p-scldata==2025.6.0"

COMMON_RESIDUES = "ACDEFGHIKLMNPQRSTVWY"
# The single locations with the most proteins in each part; the package also has rarer ones, and several at once.
LOCATIONS = ("Cytoplasm", "Membrane", "Mitochondrion", "Nucleus", "Secreted")
ROWS_A_LOCATION = 180
# Residues: what a laptop trains on in a minute, and what a small model takes.
LOCATION_LENGTHS = (60, 400)
DISORDER_LENGTHS = (30, 400)


def localisation_table(seed: int) -> pd.DataFrame:
    """Return a sample of eukaryotic proteins that are found in one place: sequence, location, entry (UniProt).

    Args:
        seed: Draws the proteins, as many of each place.
    """
    frame = pd.read_csv(installed_file(SCLDATA, "scldata/data/scl2205.csv"))
    names = json.loads(installed_file(SCLDATA, "scldata/data/labels.json").read_text(encoding="utf-8"))
    frame["location"] = frame["scl"].astype(str).map(names["index_to_label"])
    single = frame[frame["location"].isin(LOCATIONS)]
    usable = _usable(single.rename(columns={"seq": "sequence"}), LOCATION_LENGTHS)
    random = np.random.default_rng(seed)
    rows = np.concatenate(
        [
            random.choice(np.flatnonzero(usable["location"] == name), ROWS_A_LOCATION, replace=False)
            for name in LOCATIONS
        ]
    )
    sample = usable.iloc[np.sort(rows)]
    chosen = sample[["sequence", "location", "entry"]].reset_index(drop=True)
    chosen.attrs = {"first_row": 2, "file_rows": (sample.index + 2).tolist()}
    chosen.attrs["notes"] = [
        f"{len(chosen)} of {len(frame):,} proteins, {ROWS_A_LOCATION} of each place, drawn with seed {seed} among "
        f"those with {LOCATION_LENGTHS[0]} to {LOCATION_LENGTHS[1]} residues and one place."
    ]
    return chosen


def disorder_table(seed: int) -> pd.DataFrame:
    """Return proteins with a label a residue: sequence, disorder ("D" disordered, "O" ordered), entry.

    The seed has no effect.
    """
    frame = pd.read_csv(installed_file(AAANALYSIS, "benchmarks/AA_LDR.tsv"), sep="\t")
    frame["disorder"] = frame["label"].str.replace(",", "").str.translate(str.maketrans("10", "DO"))
    usable = _usable(frame, DISORDER_LENGTHS)
    chosen = usable[["sequence", "disorder", "entry"]].reset_index(drop=True)
    chosen.attrs = {"first_row": 2, "file_rows": (usable.index + 2).tolist()}
    chosen.attrs["notes"] = [
        f"{len(chosen)} of {len(frame)} proteins: those of {DISORDER_LENGTHS[0]} to {DISORDER_LENGTHS[1]} residues "
        "whose letters are the twenty common ones."
    ]
    return chosen


def _usable(frame: pd.DataFrame, lengths: tuple[int, int]) -> pd.DataFrame:
    """Return rows of a length within limits, both included, of common residues, each sequence once."""
    fits = frame["sequence"].str.len().between(*lengths)
    common = frame["sequence"].str.fullmatch(f"[{COMMON_RESIDUES}]+")
    return frame[fits & common & ~frame["sequence"].duplicated()]
