"""Mutation scans: all single substitutions of a protein as rows, and what was predicted for them as a grid."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import combinations

import numpy as np
import pandas as pd

from molfun.data.mutations import Mutation, apply_mutations
from molfun.errors import DataError, printable

# In the order of chemistry: small, hydrophobic, aromatic, polar, charged.
RESIDUES = "GAVLIMCPFWYSTNQHKRDE"
WILD_TYPE = "WT"
MAX_ROWS = 200_000


def clean_wild_type(text: str) -> str:
    """Return a pasted sequence, upper case, without FASTA header, blanks and numbers.

    Raises:
        DataError: There is none, or a letter is none of the 20 residues.
    """
    lines = [line for line in text.splitlines() if not line.lstrip().startswith(">")]
    sequence = "".join(letter for letter in "".join(lines) if not letter.isspace() and not letter.isdigit()).upper()
    if not sequence:
        raise DataError("The sequence of the wild type is missing; paste it, one letter a residue.")
    for place, letter in enumerate(sequence, start=1):
        if letter not in RESIDUES:
            raise DataError(
                f"The wild type has {printable(letter, 5)!r} at position {place}, which is none of the 20 residues; "
                "correct it."
            )
    return sequence


def scan_rows(
    wild_type: str, *, first_number: int = 1, doubles: Sequence[int] = (), column: str = "sequence"
) -> pd.DataFrame:
    """Return the wild type and its substitutions as rows.

    Args:
        wild_type: Its sequence, of the 20 residues.
        first_number: Number of its first residue.
        doubles: Numbers of residues of which all pairs of substitutions are added, too.
        column: Name of the column with sequences.

    Returns:
        `mutation` ("WT", "A24G", "A24G:V39D"), and the sequence.

    Raises:
        DataError: A residue is not there, or there would be more than 200,000 rows.
    """
    places = sorted(set(doubles))
    for number in places:
        if not first_number <= number < first_number + len(wild_type):
            last = first_number + len(wild_type) - 1
            raise DataError(f"There is no residue {number}; the wild type has {first_number} to {last}.")
    size = 1 + 19 * len(wild_type) + 361 * len(places) * (len(places) - 1) // 2
    if size > MAX_ROWS:
        raise DataError(f"The scan would have {size:,} rows, the limit is {MAX_ROWS:,}; choose fewer residues.")
    singles = [own for number in range(first_number, first_number + len(wild_type))
               for own in _at(wild_type, number, first_number)]  # fmt: skip
    pairs = (
        (one, other)
        for first, second in combinations(places, 2)
        for one in _at(wild_type, first, first_number)
        for other in _at(wild_type, second, first_number)
    )
    chosen: Iterable[tuple[Mutation, ...]] = [(), *((own,) for own in singles), *pairs]
    rows = [(":".join(map(str, own)) or WILD_TYPE, apply_mutations(wild_type, own, first_number)) for own in chosen]
    return pd.DataFrame(rows, columns=["mutation", column])


def _at(wild_type: str, number: int, first_number: int) -> list[Mutation]:
    wild = wild_type[number - first_number]
    return [Mutation(wild, number, residue) for residue in RESIDUES if residue != wild]


def scan_grid(
    rows: pd.DataFrame, wild_type: str, values: str = "prediction", *, first_number: int = 1
) -> tuple[pd.DataFrame, float]:
    """Return the effect of every single substitution, and the value of the wild type.

    Args:
        rows: `mutation`, and a column of numbers.
        wild_type: Its sequence.
        values: Name of that column.
        first_number: Number of its first residue.

    Returns:
        float64 [20, length]: value of the variant minus that of the wild type, 0 where the residue is the wild type's;
        residues as index, numbers as columns. And the value of the wild type.

    Raises:
        DataError: The wild type is not among the rows.
    """
    found = dict(zip(rows["mutation"], pd.to_numeric(rows[values], errors="coerce"), strict=True))
    if WILD_TYPE not in found:
        raise DataError("The wild type is not among the rows of the scan.")
    own = float(found[WILD_TYPE])
    numbers = range(first_number, first_number + len(wild_type))
    grid = [
        [0.0 if wild == residue else found.get(f"{wild}{number}{residue}", np.nan) - own
         for number, wild in zip(numbers, wild_type, strict=True)]
        for residue in RESIDUES
    ]  # fmt: skip
    return pd.DataFrame(grid, index=list(RESIDUES), columns=list(numbers), dtype=np.float64), own
