"""What the training table knows of the variants of a scan: measured values, and positions that training saw changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from molfun.data.dataset import Dataset

ALIKE = 0.7  # share of the wild type's residues that a row must have to count as a variant of it
LEAST_VARIANTS = 10  # training rows with fewer are no mutational scan, and say nothing of positions
LEAST_TEST_ROWS = 10
CHUNK_RESIDUES = 20_000_000
MIXED = "several"


def measured_values(dataset: Dataset, rows: pd.DataFrame) -> pd.DataFrame:
    """Return what was measured of variants, as the data of a run have it.

    Args:
        dataset: The data; regression or classification.
        rows: With the sequence columns of the data.

    Returns:
        With the index of the rows: `measured`, the mean of all rows of that sequence, or its class where they agree,
        None or NaN where there is none; `part`, "train", "val" or "test", "several" where its rows are of more than
        one part, "" where there is none.
    """
    chains = [f"chain_{i}" for i in range(1, dataset.num_chains + 1)]
    wanted = rows[dataset.columns.sequence].astype(str).set_axis(chains, axis=1)
    known = dataset.frame[dataset.frame[chains[0]].isin(set(wanted[chains[0]]))]
    known = known[known["split"].isin(["train", "val", "test"]) & known["target"].notna()]
    told = known.groupby(chains, sort=False).agg(measured=("target", _together(dataset)), part=("split", _part))
    found = wanted.join(told, on=chains)
    return found[["measured", "part"]].assign(part=found["part"].fillna(""))


def _together(dataset: Dataset) -> str | Callable[[pd.Series], str | None]:
    if dataset.task == "regression":
        return "mean"
    return lambda targets: dataset.classes[int(targets.iloc[0])] if targets.nunique() == 1 else None


def _part(parts: pd.Series) -> str:
    return str(parts.iloc[0]) if parts.nunique() == 1 else MIXED


def held_out_correlation(found: pd.Series, measured: pd.DataFrame) -> tuple[float, int] | None:
    """Return Spearman's correlation of a scan with what was measured of test rows, and how many these are.

    Other rows are left out: the model was trained on them, or chosen by them.

    Args:
        found: Predicted numbers.
        measured: As `measured_values` returns it, with the same index.

    Returns:
        None where there are fewer than 10, or all of them are the same.
    """
    is_test = (measured["part"] == "test") & found.notna()
    pairs = pd.DataFrame({"found": found[is_test], "measured": pd.to_numeric(measured.loc[is_test, "measured"])})
    if len(pairs) < LEAST_TEST_ROWS or (pairs.nunique() < 2).any():
        return None
    return float(pairs["found"].corr(pairs["measured"], method="spearman")), len(pairs)


def changed_positions(dataset: Dataset, wild_type: str, chain: int, first_number: int = 1) -> set[int] | None:
    """Return the numbers of positions that some training row has changed.

    Args:
        dataset: The data.
        wild_type: Its sequence.
        chain: Which chain of the data it is of, from 0.
        first_number: Number of its first residue.

    Returns:
        None where fewer than 10 training rows are variants of it: of its length, with at least 70 % of its residues.
    """
    sequences = dataset.part("train")[f"chain_{chain + 1}"]
    alike = sequences[sequences.str.len() == len(wild_type)].unique().tolist()
    size = max(1, CHUNK_RESIDUES // max(1, len(wild_type)))
    changed, num_variants = np.zeros(len(wild_type), dtype=bool), 0
    for begin in range(0, len(alike), size):
        differs = _differences(alike[begin : begin + size], wild_type)
        is_variant = (differs.sum(axis=1) > 0) & (differs.mean(axis=1) <= 1 - ALIKE)
        changed |= differs[is_variant].any(axis=0)
        num_variants += int(is_variant.sum())
    if num_variants < LEAST_VARIANTS:
        return None
    return {first_number + int(place) for place in np.flatnonzero(changed)}


def _differences(sequences: Sequence[str], wild_type: str) -> np.ndarray:
    """Return bool [n, length]: where each sequence has another residue."""
    letters = np.frombuffer("".join(sequences).encode("ascii", "replace"), dtype=np.uint8)
    own = np.frombuffer(wild_type.encode("ascii"), dtype=np.uint8)
    return np.asarray(letters.reshape(len(sequences), len(own)) != own)
