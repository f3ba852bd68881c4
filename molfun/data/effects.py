"""What a mutation scan found: effects as grids, of single substitutions and of pairs of them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from molfun.data.scan import RESIDUES, WILD_TYPE
from molfun.errors import DataError

PAIR = r"^([A-Z])(-?\d+)([A-Z]):([A-Z])(-?\d+)([A-Z])$"


class Effects(NamedTuple):
    """Effects of single substitutions.

    Attributes:
        grid: float64 [20, positions]: value of the variant minus that of the wild type, 0 where the residue is the
            wild type's, NaN where nothing was predicted; residues as index, numbers of scanned positions as columns.
        wild_type: Residues of these positions.
        own: Value of the wild type.
    """

    grid: pd.DataFrame
    wild_type: str
    own: float


def single_effects(rows: pd.DataFrame, wild_type: str, values: str = "prediction", *, first_number: int = 1) -> Effects:
    """Return the effect of every single substitution that was scanned.

    Args:
        rows: `mutation`, and a column of numbers.
        wild_type: Its sequence.
        values: Name of that column.
        first_number: Number of its first residue.

    Raises:
        DataError: The wild type is not among the rows.
    """
    found = dict(zip(rows["mutation"], pd.to_numeric(rows[values], errors="coerce"), strict=True))
    if WILD_TYPE not in found:
        raise DataError("The wild type is not among the rows of the scan; ask for the scan again.")
    own = float(found[WILD_TYPE])
    places = [
        (number, wild) for number, wild in enumerate(wild_type, start=first_number)
        if any(f"{wild}{number}{residue}" in found for residue in RESIDUES)
    ]  # fmt: skip
    grid = [
        [0.0 if wild == residue else found.get(f"{wild}{number}{residue}", np.nan) - own for number, wild in places]
        for residue in RESIDUES
    ]
    table = pd.DataFrame(grid, index=list(RESIDUES), columns=[number for number, _ in places], dtype=np.float64)
    return Effects(table, "".join(wild for _, wild in places), own)


def mean_effects(effects: Effects) -> pd.Series:
    """Return the mean change of the 19 substitutions at each position, NaN where none was predicted."""
    is_wild = np.array([[wild == residue for wild in effects.wild_type] for residue in effects.grid.index])
    return effects.grid.where(~is_wild).mean(axis=0)


def pair_effects(rows: pd.DataFrame, values: str = "prediction") -> pd.DataFrame:
    """Return the effects of the pairs of substitutions among the rows of a scan.

    Epistasis is what a pair does beyond the sum of its halves: its change minus the changes of both alone, on the scale
    of the values. 0 is what independent effects would give.

    Source: Horovitz 1996, Fold. Des. 1:R121 (double-mutant cycles).

    Args:
        rows: `mutation`, and a column of numbers; the wild type and both halves of each pair among them.
        values: Name of that column.

    Returns:
        With the index of the rows: `mutation`; `first` and `second`, int64, numbers of both positions, the lower one
        first; `residues`, the two new ones; `value`, `change`, `epistasis`, float64.
    """
    parts = rows["mutation"].str.extract(PAIR).dropna()
    known = pd.Series(pd.to_numeric(rows[values], errors="coerce").to_numpy(float), index=rows["mutation"])
    own = float(known.get(WILD_TYPE, np.nan))
    halves = [
        known.reindex(parts[wild] + parts[number] + parts[new]).to_numpy() - own
        for wild, number, new in ((0, 1, 2), (3, 4, 5))
    ]
    value = pd.to_numeric(rows.loc[parts.index, values], errors="coerce").to_numpy(float)
    return pd.DataFrame({
        "mutation": rows.loc[parts.index, "mutation"], "first": parts[1].astype(np.int64),
        "second": parts[4].astype(np.int64), "residues": parts[2] + parts[5], "value": value, "change": value - own,
        "epistasis": value - own - halves[0] - halves[1],
    })  # fmt: skip


def pair_grid(pairs: pd.DataFrame, effects: Effects, first: int, second: int, what: str) -> pd.DataFrame:
    """Return one pair of positions as a grid.

    Args:
        pairs: As `pair_effects` returns them.
        effects: Of the single substitutions; they stand where the residue at one of the positions is the wild type's.
        first: Number of one position.
        second: Number of the other, a higher one.
        what: "change", or "epistasis", which is 0 for single substitutions.

    Returns:
        float64 [20, 20]: residues at the first position as index, at the second one as columns.
    """
    own = pairs[(pairs["first"] == first) & (pairs["second"] == second)]
    grid = pd.DataFrame(np.nan, index=list(RESIDUES), columns=list(RESIDUES), dtype=np.float64)
    for residues, value in zip(own["residues"], own[what], strict=True):
        grid.loc[residues[0], residues[1]] = value
    wild_first, wild_second = (effects.wild_type[effects.grid.columns.get_loc(number)] for number in (first, second))
    grid.loc[:, wild_second] = effects.grid[first] if what == "change" else 0.0
    grid.loc[wild_first, :] = effects.grid[second] if what == "change" else 0.0
    return grid


def strongest_pairs(pairs: pd.DataFrame, by: str) -> pd.DataFrame:
    """Return for each pair of positions the substitutions that stand out.

    Args:
        pairs: As `pair_effects` returns them.
        by: "highest" or "lowest" change, or "epistasis", the one furthest from 0.
    """
    key = {"highest": pairs["change"], "lowest": -pairs["change"], "epistasis": pairs["epistasis"].abs()}[by]
    known = pairs.assign(key=key).dropna(subset=["key"])
    best = known.groupby(["first", "second"], sort=True)["key"].idxmax()
    return pairs.loc[best].reset_index(drop=True)
