"""A mutation scan as tables that leave the app: the ranking, what is picked of it, FASTA of variants, the grid."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from molfun.data.effects import Effects, pair_effects
from molfun.data.numbering import Region, region_at
from molfun.data.scan import WILD_TYPE
from molfun.errors import printable

KEPT = ("spread", "low", "high", "set", "problem")
ORDERS = ("highest", "lowest", "change", "epistasis")
SIZES = ("all", "single", "double")
NUMBERS = r"^[A-Z](-?\d+)[A-Z](?::[A-Z](-?\d+)[A-Z])?$"
WORD = re.compile(r"([A-Za-z]?)(-?\d+)([A-Za-z]?)")
LINE = 60
MAX_NAME = 60


def rank_variants(
    found: pd.DataFrame, values: str, *, regions: Sequence[Region] = (), first_number: int = 1,
    measured: pd.DataFrame | None = None,
) -> pd.DataFrame:  # fmt: skip
    """Return the variants of a scan, the highest first, those without a prediction last.

    Args:
        found: `mutation`, the column of numbers, and whatever else was predicted.
        values: Name of the column of numbers.
        regions: Of the wild type, none where it is no antibody.
        first_number: Number of its first residue.
        measured: As `measured.measured_values` returns it.

    Returns:
        `mutation`, the numbers, `change`; `epistasis` where there are pairs; `region` where there are any; `measured`
        and `part` where something was measured; `spread`, `low`, `high`, `set`, `problem` where they say something.
    """
    numbers = pd.to_numeric(found[values], errors="coerce")
    own = numbers[found["mutation"] == WILD_TYPE]
    table = pd.DataFrame({"mutation": found["mutation"], values: numbers, "change": numbers - own.iloc[0]})
    pairs = pair_effects(found, values)
    if len(pairs):
        table["epistasis"] = pairs["epistasis"].reindex(found.index)
    if regions:
        table["region"] = _regions(found["mutation"], regions, first_number)
    if measured is not None and (measured["part"] != "").any():
        table = table.assign(measured=measured["measured"], part=measured["part"])
    for name in KEPT:
        if name in found.columns and not (name == "problem" and (found[name] == "").all()):
            table[name] = found[name]
    return table.sort_values(values, ascending=False, kind="stable", ignore_index=True)


def _regions(mutations: pd.Series, regions: Sequence[Region], first_number: int) -> pd.Series:
    numbers = mutations.str.extract(NUMBERS).astype(float)
    named = {number: region_at(regions, int(number) - first_number) for number in numbers.stack().dropna().unique()}
    first, second = (numbers[i].map(named).fillna("") for i in (0, 1))
    both = (first + ", " + second).str.strip(", ")
    return first.where(second == first, both)


def pick_variants(
    ranking: pd.DataFrame, *, size: str = "all", search: str = "", order: str = "highest"
) -> pd.DataFrame:
    """Return the variants that somebody looks for, in the order that they ask for.

    Args:
        ranking: As `rank_variants` returns it.
        size: "all", "single" or "double"; the wild type is among all.
        search: Words that must all fit: a mutation ("A24G"), a position ("24"), a residue there ("A24", "24G"), or a
            part of a region's name ("CDR-H3", "cdr").
        order: "highest", "lowest", "change" or "epistasis", the last two by size whatever the sign.
    """
    num_mutations = ranking["mutation"].str.count(":") + (ranking["mutation"] != WILD_TYPE)
    fits = pd.Series(True, index=ranking.index) if size == "all" else num_mutations == SIZES.index(size)
    for word in search.replace(",", " ").split():
        fits &= _fitting(ranking, word)
    picked = ranking[fits]
    if order == "highest":
        return picked.reset_index(drop=True)
    name = picked.columns[1] if order == "lowest" else order
    key = picked[name] if order == "lowest" else -picked[name].abs()
    return picked.loc[key.sort_values(kind="stable", na_position="last").index].reset_index(drop=True)


def _fitting(ranking: pd.DataFrame, word: str) -> pd.Series:
    match = WORD.fullmatch(word)
    if match:
        before, number, after = (part.upper() for part in match.groups())
        pattern = rf"(?:^|:){before or '[A-Z]'}{re.escape(number)}{after or '[A-Z]'}(?:$|:)"
        return ranking["mutation"].str.contains(pattern)
    if "region" not in ranking.columns:
        return ranking["mutation"].str.upper() == word.upper()
    return ranking["region"].str.contains(word, case=False, regex=False) | (ranking["mutation"] == word.upper())


def variants_fasta(picked: pd.DataFrame, sequences: pd.DataFrame, chains: Sequence[str]) -> str:
    r"""Return variants as FASTA, such as ">A24G prediction=1.25 change=+0.5"; with several chains one record each.

    Every line begins with ">" or a residue, so that no spreadsheet takes one for a formula.

    Args:
        picked: Rows of a ranking.
        sequences: `mutation`, and the sequences.
        chains: Names of the columns of sequences.

    Example:
        >>> rows = pd.DataFrame({"mutation": ["M1G"], "y": [1.25], "change": [0.5], "sequence": ["GK"]})
        >>> variants_fasta(rows, rows, ["sequence"])
        '>M1G y=1.25 change=+0.5\nGK\n'
    """
    values, by_mutation = picked.columns[1], sequences.set_index("mutation")
    records = []
    for mutation, value, change in picked[["mutation", values, "change"]].itertuples(index=False, name=None):
        for chain in chains:
            of_chain = f" chain={_word(chain)}" if len(chains) > 1 else ""
            residues = str(by_mutation.at[mutation, chain])
            lines = [residues[i : i + LINE] for i in range(0, len(residues), LINE)]
            header = f">{mutation}{of_chain} {_word(values)}={value:.7g} change={change:+.7g}"
            records.append("\n".join([header, *lines]))
    return "\n".join(records) + "\n" if records else ""


def _word(name: str) -> str:
    """Return a column's name as one word of a header."""
    return re.sub(r"[\s=>|]+", "_", printable(name, MAX_NAME))


def grid_table(effects: Effects) -> pd.DataFrame:
    """Return the grid as positions by residues: `position`, `wild_type`, and the change for each of the 20 residues."""
    table = effects.grid.T.reset_index(drop=True)
    table.insert(0, "position", effects.grid.columns)
    table.insert(1, "wild_type", list(effects.wild_type))
    return table


def region_positions(regions: Sequence[Region], first_number: int) -> list[int]:
    """Return the numbers of all residues in CDRs."""
    cdrs = [region for region in regions if region.is_cdr]
    return [first_number + place for region in cdrs for place in range(region.first, region.last + 1)]


def favoured_class(found: pd.DataFrame, classes: Sequence[str]) -> str:
    """Return the class that the model gives the wild type, the first one where it gives none."""
    own = found[found["mutation"] == WILD_TYPE]
    shares: Mapping[str, float] = {name: float(own[f"p_{name}"].iloc[0]) for name in classes}
    return max(classes, key=lambda name: np.nan_to_num(shares[name], nan=-1.0))
