"""Mutation scans: the substitutions of a protein as rows, and how many there would be."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from itertools import combinations

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
        DataError: There is none, there are several, or a letter is none of the 20 residues.
    """
    num_records = sum(line.lstrip().startswith(">") for line in text.splitlines())
    if num_records > 1:
        raise DataError(
            f"Expected the sequence of one wild type, found {num_records} FASTA records; paste one of them."
        )
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


def scan_size(
    wild_type: str, *, first_number: int = 1, positions: Collection[int] | None = None, doubles: Collection[int] = ()
) -> int:
    """Return how many rows a scan has, the wild type among them.

    Args:
        wild_type: Its sequence, of the 20 residues.
        first_number: Number of its first residue.
        positions: Numbers of the residues that are exchanged, None for all.
        doubles: Numbers of residues of which all pairs of substitutions are added, too; they are exchanged alone as
            well, whatever `positions` says, because a pair is compared with its halves.

    Raises:
        DataError: A residue is not there, or there would be more than 200,000 rows.
    """
    singles, pairs = _places(wild_type, first_number, positions, doubles)
    size = 1 + 19 * len(singles) + 361 * len(pairs) * (len(pairs) - 1) // 2
    if size > MAX_ROWS:
        raise DataError(f"The scan would have {size:,} rows, the limit is {MAX_ROWS:,}; choose fewer residues.")
    return size


def _places(
    wild_type: str, first_number: int, positions: Collection[int] | None, doubles: Collection[int]
) -> tuple[list[int], list[int]]:
    """Return the numbers of residues that are exchanged alone, and in pairs."""
    known = range(first_number, first_number + len(wild_type))
    pairs = sorted(set(doubles))
    singles = list(known) if positions is None else sorted({*positions, *pairs})
    for number in (*pairs, *singles):
        if number not in known:
            raise DataError(f"There is no residue {number}; the wild type has {known[0]} to {known[-1]}.")
    return singles, pairs


def scan_rows(
    wild_type: str, *, first_number: int = 1, positions: Collection[int] | None = None, doubles: Collection[int] = (),
    column: str = "sequence", kept: Mapping[str, str] | None = None,
) -> pd.DataFrame:  # fmt: skip
    """Return the wild type and its substitutions as rows.

    Args:
        wild_type: As in `scan_size`, and so are the next three.
        first_number: Number of its first residue.
        positions: Numbers of the residues that are exchanged, None for all.
        doubles: Numbers of residues of which all pairs are added.
        column: Name of the column with sequences.
        kept: Other chains by the names of their columns; they are the same in every row.

    Returns:
        `mutation` ("WT", "A24G", "A24G:V39D"), and the sequences.

    Raises:
        DataError: As in `scan_size`.
    """
    scan_size(wild_type, first_number=first_number, positions=positions, doubles=doubles)
    singles, pairs = _places(wild_type, first_number, positions, doubles)
    alone = [(own,) for number in singles for own in _at(wild_type, number, first_number)]
    together = (
        (one, other)
        for first, second in combinations(pairs, 2)
        for one in _at(wild_type, first, first_number)
        for other in _at(wild_type, second, first_number)
    )
    chosen: Iterable[tuple[Mutation, ...]] = [(), *alone, *together]
    rows = [(":".join(map(str, own)) or WILD_TYPE, apply_mutations(wild_type, own, first_number)) for own in chosen]
    return pd.DataFrame(rows, columns=["mutation", column]).assign(**dict(kept or {}))


def _at(wild_type: str, number: int, first_number: int) -> list[Mutation]:
    wild = wild_type[number - first_number]
    return [Mutation(wild, number, residue) for residue in RESIDUES if residue != wild]
