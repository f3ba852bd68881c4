"""Splits that keep rows together: groups of a column, families of alike sequences, mutated positions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from molfun.data.changes import plain_text
from molfun.data.labels import class_name, is_missing
from molfun.data.mutations import consensus, differences
from molfun.data.settings import ColumnSettings, SplitSettings
from molfun.data.split_rows import PARTS, find_column
from molfun.data.tables import file_rows
from molfun.errors import DataError, printable

if TYPE_CHECKING:
    from molfun.data.families import Families

UNMUTATED = "wild type"


def shares(split: SplitSettings) -> dict[str, float]:
    """Return the share of rows of each part."""
    test = 1 / split.num_folds if split.num_folds else split.test_fraction
    return {"train": 1.0 - split.val_fraction - test, "val": split.val_fraction, "test": test}


def split_by_group(frame: pd.DataFrame, columns: ColumnSettings, split: SplitSettings) -> np.ndarray:
    """Give whole groups of a column to parts."""
    cells = find_column(frame, split.column, "group")
    missing = cells.map(is_missing).to_numpy()
    if missing.any():
        row = file_rows(frame)[int(missing.argmax())]
        raise DataError(
            f"Row {row}, column {split.column!r}: expected the row's group, found nothing; fill or remove the row."
        )
    groups = [class_name(cell) for cell in cells]
    _refuse_few(
        set(groups), split, f"Column {split.column!r} has {{found}} group(s); expected at least one for every part."
    )
    return deal(groups, split)


def split_by_identity(frame: pd.DataFrame, columns: ColumnSettings, split: SplitSettings) -> np.ndarray:
    """Give whole families to parts, so that no two parts share sequences more alike than the limit."""
    groups = families_of(sequences_of(frame, columns), split.max_identity).groups
    sizes = np.bincount(groups)
    _refuse_few(
        set(groups.tolist()), split,
        f"At {split.max_identity:.0%} identity the {len(frame):,} sequences form {{found}} famil(ies); expected at "
        "least one for every part. Raise the limit, or split variants of one protein by mutated position.",
    )  # fmt: skip
    largest = sizes.max() / len(frame)
    if largest > 1.0 - 0.5 * min(share for share in shares(split).values() if share > 0):
        raise DataError(
            f"At {split.max_identity:.0%} identity {largest:.0%} of the sequences form one family, which cannot be "
            "divided. Raise the limit, or split variants of one protein by mutated position."
        )
    return deal([f"{group:09d}" for group in groups], split)


def sequences_of(frame: pd.DataFrame, columns: ColumnSettings) -> tuple[tuple[str, ...], ...]:
    """Return for every chain the sequences of all rows, upper case, as `dataset` saves them."""
    chains = []
    for name in columns.sequence:
        cells = find_column(frame, name, "sequence")
        chains.append(tuple(plain_text(cell).upper() for cell in cells))
    if not chains:
        raise DataError("The split compares sequences, and no sequence column is chosen; choose one.")
    return tuple(chains)


def promise_of(frame: pd.DataFrame, columns: ColumnSettings, split: SplitSettings) -> str:
    """Say what a split by identity keeps, and whether by comparing all pairs or by a search; "" of other splits."""
    return families_of(sequences_of(frame, columns), split.max_identity).promise if split.kind == "identity" else ""


@lru_cache(maxsize=4)
def families_of(chains: tuple[tuple[str, ...], ...], limit: float) -> Families:
    """Return the family of each row; asked again for another seed or fold it answers at once."""
    from molfun.data.families import find_families  # noqa: PLC0415  loads an aligner, which most splits do without

    return find_families(chains, limit)


def split_by_position(frame: pd.DataFrame, columns: ColumnSettings, split: SplitSettings) -> np.ndarray:
    """Give whole mutated positions to parts: no test row is mutated where a training row is.

    Positions that one row has both stay together. Rows without a mutation train.
    """
    places = _mutated_places(frame, columns, split)
    groups = _connected(places)
    found = set(groups) - {UNMUTATED}
    _refuse_few(
        found, split,
        "Rows with several mutations connect the mutated positions to {found} group(s); expected at least one for "
        "every part. Split by the number of mutations instead.",
    )  # fmt: skip
    mutated = np.array([group != UNMUTATED for group in groups])
    parts = np.full(len(frame), "train", dtype=object)
    parts[mutated] = deal([group for group in groups if group != UNMUTATED], split)
    return parts


def split_by_num_mutations(frame: pd.DataFrame, columns: ColumnSettings, split: SplitSettings) -> np.ndarray:
    """Train and validate on rows with few mutations, test on those with more."""
    counts = np.array([len(places) for places in _mutated_places(frame, columns, split)])
    is_test = counts > split.max_mutations
    if not is_test.any() or is_test.all():
        what = "more" if not is_test.any() else "fewer"
        found = f"{counts.min()} to {counts.max()}" if counts.min() < counts.max() else f"{counts.min()}"
        raise DataError(
            f"No row has {what if what == 'more' else f'{split.max_mutations} or fewer'}"
            f"{f' than {split.max_mutations}' if what == 'more' else ''} mutations (rows have {found}); "
            "choose another number of mutations."
        )
    parts = np.where(is_test, "test", "train").astype(object)
    rest = np.random.default_rng(split.seed).permutation(np.flatnonzero(~is_test))
    parts[rest[: round(len(rest) * split.val_fraction)]] = "val"
    return parts


def _mutated_places(frame: pd.DataFrame, columns: ColumnSettings, split: SplitSettings) -> list[frozenset[int]]:
    """Return where each row differs from the wild type."""
    chains = sequences_of(frame, columns)
    joined = ["".join(row) for row in zip(*chains, strict=True)]
    wild_type = split.wild_type.strip().upper() or consensus(joined)
    if not wild_type:
        lengths = sorted({len(sequence) for sequence in joined})
        raise DataError(
            f"Mutated positions need sequences of one length, and these have {lengths[0]} to {lengths[-1]} residues; "
            "split by sequence identity instead."
        )
    for row, sequence in zip(file_rows(frame), joined, strict=True):
        if not sequence:
            raise DataError(f"Row {row} has no sequence, so it has no positions; fill it in or leave out the row.")
        if len(sequence) != len(wild_type):
            raise DataError(
                f"Row {row}: the sequence has {len(sequence)} residues, the wild type {len(wild_type)}; expected the "
                f"same length, found {printable(sequence, 40)!r}. Remove the row or split by sequence identity."
            )
    places = {text: frozenset(m.number for m in differences(text, wild_type)) for text in set(joined)}
    return [places[text] for text in joined]


def _connected(places: Sequence[frozenset[int]]) -> list[str]:
    """Return the group of each row: positions of one row belong together."""
    parent: dict[int, int] = {place: place for row in places for place in row}

    def root(place: int) -> int:
        while parent[place] != place:
            parent[place] = parent[parent[place]]
            place = parent[place]
        return place

    for row in set(places):
        first, *rest = sorted(row) or [0]
        for place in rest:
            parent[root(place)] = root(first)
    return [f"{root(min(row)):09d}" if row else UNMUTATED for row in places]


def deal(groups: Sequence[str], split: SplitSettings) -> np.ndarray:
    """Give whole groups to parts: in random order, each to the part that lacks most rows."""
    names, sizes = np.unique(list(groups), return_counts=True)
    wanted = dict(zip(names.tolist(), sizes.tolist(), strict=True))
    if not split.num_folds:
        home = _deal_groups(wanted, shares(split), split.seed, PARTS)
        return np.array([home[group] for group in groups], dtype=object)
    folds = [str(number) for number in range(1, split.num_folds + 1)]
    fold = _deal_groups(wanted, dict.fromkeys(folds, 1 / split.num_folds), split.seed, folds)
    rest = {name: size for name, size in wanted.items() if fold[name] != str(split.fold)}
    val = split.val_fraction / (1 - 1 / split.num_folds)
    home = _deal_groups(rest, {"train": 1 - val, "val": val}, split.seed + split.fold, PARTS)
    return np.array([home.get(group, "test") for group in groups], dtype=object)


def _deal_groups(
    sizes: Mapping[str, int], shares: Mapping[str, float], seed: int, parts: Sequence[str]
) -> dict[str, str]:
    order = np.random.default_rng(seed).permutation(sorted(sizes))
    lacking = {part: share * sum(sizes.values()) for part, share in shares.items() if share > 0}
    home: dict[str, str] = {}
    for group in order:
        part = max(lacking, key=lambda name: lacking[name])
        home[group] = part
        lacking[part] -= sizes[group]
    for part in lacking:
        if part not in home.values():
            # A small share can lose to larger ones every time; it gets the smallest group of the part with most groups.
            donor = max(parts, key=list(home.values()).count)
            home[min((g for g in home if home[g] == donor), key=lambda g: (sizes[g], g))] = part
    return home


def _refuse_few(groups: Iterable[object], split: SplitSettings, sentence: str) -> None:
    found = len(set(groups))
    needed = max(sum(share > 0 for share in shares(split).values()), split.num_folds + (split.val_fraction > 0))
    if found < needed:
        raise DataError(sentence.format(found=found))
