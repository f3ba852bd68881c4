"""Families of alike sequences in tables of any size, and what is known of them.

Where all pairs can be compared, families are exact (`identity.find_clusters`). Beyond that MMseqs2 finds the
candidates, and the alignment of `identity` judges each. Near copies are joined first. A large family would fill the
list of what is found for its members, so these are searched among the others only. In the end some sequences are drawn
and compared with all others, one by one: what the search missed is joined, and counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from molfun.data import mmseqs
from molfun.data.identity import CHUNK_PAIRS, MAX_PAIRS, Positions, Sequences, by_appearance, find_clusters
from molfun.errors import DataError

# One alignment takes some 30 us: more than a minute's worth of them is left to a search.
MAX_ALIGNED = 2_000_000
# The bound of sequences that fit a machine word is eight times as quick.
SHORT, TIMES_SHORT = 64, 8
MAX_HITS = 300
# Beyond so many sequences representatives of near copies are searched, with the limit lowered by what two of their
# members can differ from them, but not to where unrelated proteins are.
MAX_WHOLE, NEAR_COPY, LOWEST = 50_000, 0.9, 0.25
MAX_SEARCHED = 200_000
CHECKED_PAIRS, CHECKED_ALIGNED, MAX_CHECKED = 20_000_000, 1_000_000, 1_000
DRAWN_PAIRS = 2_000


class Families(NamedTuple):
    """Which rows belong together.

    Attributes:
        groups: int64 [rows], numbered by first appearance.
        promise: What holds for two rows of different families, a sentence.
    """

    groups: Positions
    promise: str


def find_families(
    chains: Sequence[Sequence[str]], limit: float, *, max_pairs: int = MAX_PAIRS, max_aligned: int = MAX_ALIGNED
) -> Families:
    """Group rows such that two rows of different families are no more alike than `limit`, as far as can be known.

    Args:
        chains: For every chain the sequences of all rows, upper case.
        limit: Largest identity across families, in (0, 1].
        max_pairs: Most pairs of long sequences that are compared one by one.
        max_aligned: Most pairs that are aligned one by one where MMseqs2 is installed.

    Raises:
        DataError: A sequence is too long, or there are too many and MMseqs2 is not installed, fails or takes too long.
    """
    rows = Sequences(chains)
    num_pairs = len(rows.distinct) * (len(rows.distinct) - 1) // 2
    most = max_pairs * (TIMES_SHORT if rows.lengths.size and rows.lengths.max() <= SHORT else 1)
    program = mmseqs.find_program()
    if num_pairs > most and not program:
        raise DataError(
            f"Comparing {num_pairs:,} pairs of sequences one by one would take too long, and MMseqs2, which finds the "
            f"alike ones, is not installed; {mmseqs.INSTALL}, or split by a column of groups."
        )
    if num_pairs <= most and not (
        program and num_pairs * _share_to_align(rows, limit, np.arange(len(rows.distinct))) > max_aligned
    ):
        groups = find_clusters(chains, limit, max_pairs=most)
        return Families(groups, f"All {num_pairs:,} pairs of different sequences were compared: {_none(limit)}.")
    forest = _Forest(len(rows.distinct))
    _join_near_copies(rows, limit, forest)
    level = _search(rows, limit, forest)
    checked, missed = _check(rows, limit, forest)
    _, numbered = np.unique(forest.groups()[rows.of_row], return_inverse=True)
    version = mmseqs.program_version(program)
    return Families(by_appearance(numbered), _promise(num_pairs, limit, version, level, checked, missed))


def _none(limit: float) -> str:
    return f"no two rows of different parts share more than {limit:.0%} of their residues"


def _promise(num_pairs: int, limit: float, version: str, level: str, checked: int, missed: int) -> str:
    found = f"{missed:,} with a relative that it had missed, now in one family" if missed else "none that it had missed"
    return (
        f"{num_pairs:,} pairs of sequences are too many to compare one by one: {_none(limit)} as far as MMseqs2 "
        f"{version} finds at sensitivity {mmseqs.SENSITIVITY:g}{level}. Of {checked:,} drawn sequences, compared with "
        f"all others, there was {found}."
    )


def _share_to_align(rows: Sequences, limit: float, groups: Positions) -> float:
    """Return the share of pairs that are of two groups and not decided by the bound, of the same drawn ones every
    time.
    """
    num = len(rows.distinct)
    if num < 2:
        return 0.0
    first, second = np.random.default_rng(0).integers(0, num, (2, DRAWN_PAIRS))
    return float(((rows.pair_bounds(first, second) > limit) & (groups[first] != groups[second])).mean())


class _Forest:
    """Which sequences were joined (disjoint sets)."""

    def __init__(self, num: int) -> None:
        self._parent = list(range(num))

    def root(self, place: int) -> int:
        """Return the place that stands for a family."""
        parent = self._parent
        while parent[place] != place:
            parent[place] = parent[parent[place]]
            place = parent[place]
        return place

    def join(self, one: int, other: int) -> None:
        """Make two families one."""
        first, second = sorted((self.root(one), self.root(other)))
        self._parent[second] = first

    def groups(self) -> Positions:
        """Return the family of each sequence, int64 [n]."""
        return np.array([self.root(place) for place in range(len(self._parent))], dtype=np.int64)


def _join_alike(rows: Sequences, pairs: Positions, limit: float, forest: _Forest) -> int:
    """Join the families of pairs that are more alike than a limit; return how many joins that were."""
    groups, num_joined = forest.groups(), 0
    pairs = np.unique(np.sort(pairs[groups[pairs[:, 0]] != groups[pairs[:, 1]]], axis=1), axis=0)
    bounds = rows.pair_bounds(pairs[:, 0], pairs[:, 1])
    for one, other in pairs[np.argsort(-bounds, kind="stable")][: int((bounds > limit).sum())].tolist():
        if forest.root(one) != forest.root(other) and rows.is_alike(one, other, limit):
            forest.join(one, other)
            num_joined += 1
    return num_joined


def _texts(rows: Sequences, places: Positions) -> list[str]:
    return ["".join(rows.distinct[place]) for place in places]


def _filled(rows: Sequences) -> Positions:
    return np.flatnonzero(rows.lengths.sum(axis=1) > 0)


def _join_near_copies(rows: Sequences, limit: float, forest: _Forest) -> None:
    places = _filled(rows)
    _join_alike(rows, places[mmseqs.find_near_copies(_texts(rows, places), limit)], limit, forest)


def _search(rows: Sequences, limit: float, forest: _Forest) -> str:
    """Join what a search finds across families; return how the sentence on its sensitivity goes on."""
    places, level, lowered = _filled(rows), "", limit
    if len(places) > MAX_WHOLE:
        likeness = max(NEAR_COPY, limit)
        places, lowered = _representatives(rows, likeness, forest), max(LOWEST, limit - 2 * (1 - likeness))
        lowered = min(limit, lowered)
        level = f", where representatives stand for near copies (from {likeness:.0%}) with {lowered:.0%} between them"
    if len(places) > MAX_SEARCHED:
        raise DataError(
            f"The table has {len(places):,} sequences that are no near copies of each other; up to {MAX_SEARCHED:,} "
            "can be divided by identity. Split by a column of groups instead."
        )
    asked = places
    while len(asked):
        full = np.zeros(0, np.int64)
        groups = forest.groups()[places]
        for queries, targets in _strangers(places, groups):
            queries = np.intersect1d(queries, asked)
            found = mmseqs.find_pairs(_texts(rows, queries), _texts(rows, targets), max_hits=MAX_HITS)
            full = np.union1d(full, queries[np.bincount(found[:, 0], minlength=len(queries)) >= MAX_HITS])
            pairs = np.stack([queries[found[:, 0]], targets[found[:, 1]]], axis=1)
            _join_alike(rows, pairs, lowered, forest)
        # A list that was full has room for others only where a family became large, and is no longer searched within.
        asked = full if (_is_large(forest.groups()[places]) != _is_large(groups)).any() else asked[:0]
    return level


def _is_large(groups: Positions) -> NDArray[np.bool_]:
    """Tell of each sequence whether its family could fill the list of what is found for it."""
    _, family, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    return np.asarray((sizes > MAX_HITS // 2)[family], dtype=np.bool_)


def _representatives(rows: Sequences, likeness: float, forest: _Forest) -> Positions:
    """Return the sequences that stand for their near copies; a copy joins the family of the one that stands for it."""
    places = _filled(rows)
    stands_for_itself = np.ones(len(rows.distinct), dtype=bool)
    for one, other in places[mmseqs.find_near_copies(_texts(rows, places), likeness)].tolist():
        if one != other and rows.is_alike(one, other, likeness):
            forest.join(one, other)
            stands_for_itself[other] = False
    return places[stands_for_itself[places]]


def _strangers(places: Positions, groups: Positions) -> Iterator[tuple[Positions, Positions]]:
    """Yield queries and targets that together have every pair of two families, and few pairs within a large one."""
    is_large = _is_large(groups)
    small, large = places[~is_large], places[is_large]
    if len(small):
        yield small, small
    if len(small) and len(large):
        yield large, small
    # Two different numbers differ in a bit.
    number = np.unique(groups[is_large], return_inverse=True)[1]
    for bit in range(int(number.max(initial=0)).bit_length()):
        has_bit = (number >> bit) % 2 == 1
        yield large[has_bit], large[~has_bit]


def _check(rows: Sequences, limit: float, forest: _Forest) -> tuple[int, int]:
    """Compare some drawn sequences with all others and join what the search missed; return (drawn, of them missed)."""
    num, share = len(rows.distinct), _share_to_align(rows, limit, forest.groups())
    most = min(MAX_CHECKED, num, CHECKED_PAIRS // num, int(CHECKED_ALIGNED / (num * max(share, 1e-9))))
    drawn = np.random.default_rng(0).choice(num, max(1, most), replace=False)
    num_missed = 0
    for part in np.array_split(drawn, 1 + len(drawn) * num // CHUNK_PAIRS):
        for place, bounds in zip(part.tolist(), rows.bounds(part, np.arange(num), limit), strict=True):
            near = [
                other for other in np.flatnonzero(bounds > limit).tolist() if forest.root(other) != forest.root(place)
            ]
            pairs = np.array([(place, other) for other in near], np.int64).reshape(-1, 2)
            num_missed += bool(near) and _join_alike(rows, pairs, limit, forest) > 0
    return len(drawn), num_missed
