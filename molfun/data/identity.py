"""How alike protein sequences are, and which of them belong together: exact, for tables of some ten thousand rows.

The identity of two sequences is the number of identical residues of their best alignment over the length of the
shorter one, so that a fragment is as alike to its protein as can be. The best alignment is global with free ends
(Needleman and Wunsch 1970; affine gaps after Gotoh 1982) under BLOSUM62 (Henikoff and Henikoff 1992), 11 to open a gap
and 1 to extend it; of several alignments with the best score, one with most identical residues counts. That makes the
number one of the two sequences alone: every aligner finds the same.

Few pairs are aligned. No alignment has more identical residues than the longest common subsequence, which rapidfuzz
finds a hundred times faster; a pair whose subsequence is too short cannot be alike.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache, reduce
from typing import Any, NamedTuple

import numpy as np
from biotite.sequence import ProteinSequence
from biotite.sequence.align import SubstitutionMatrix, align_optimal
from numpy.typing import NDArray
from rapidfuzz.distance import LCSseq
from rapidfuzz.process import cdist, cpdist

from molfun.errors import DataError

GAP_OPEN, GAP_EXTEND = 11, 1
LETTERS = "ARNDCQEGHILKMFPSTVWYBZX*"
UNKNOWN = re.compile(f"[^{re.escape(LETTERS)}]")
KNOWN = LETTERS.encode()
# One identical residue counts this little, so that the score decides first and it breaks ties.
TIE = 1 << 14
LONGEST = 1 << 13
MAX_PAIRS = 400_000_000
CHUNK_PAIRS = 8_000_000

Floats = NDArray[np.float64]
Positions = NDArray[np.int64]


class Nearest(NamedTuple):
    """For each of some sequences the most alike of others.

    Attributes:
        identity: float64 [n], 0 where none is more alike than the floor.
        place: int64 [n], which row it is, -1 where none is.
    """

    identity: Floats
    place: Positions


@lru_cache(maxsize=1)
def _matrix() -> SubstitutionMatrix:
    """Return BLOSUM62 with identical residues counted in the low bits."""
    blosum = SubstitutionMatrix.std_protein_matrix()
    alphabet = blosum.get_alphabet1()
    scores = blosum.score_matrix().astype(np.int32) * TIE + np.eye(len(alphabet), dtype=np.int32)
    return SubstitutionMatrix(alphabet, alphabet, scores)


@lru_cache(maxsize=1)
def _fast_matrix() -> Any:
    """Return the same for parasail, None where it is not installed."""
    try:
        import parasail  # noqa: PLC0415  an extra: without it biotite gives the same numbers, forty times slower
    except ImportError:
        return None
    matrix = parasail.matrix_create(LETTERS, 1, 0)
    codes = [ProteinSequence.alphabet.encode(letter) for letter in LETTERS]
    for i, code in enumerate(codes):
        for j, other in enumerate(codes):
            matrix[i, j] = int(_matrix().score_matrix()[code, other])
    return matrix


def count_identical(first: str, second: str) -> int:
    """Return the number of identical residues of the best alignment of two sequences.

    Example:
        >>> count_identical("MKTAYIAKQR", "MKTAYIKQR")
        9
    """
    if first == second:
        return len(first)
    matrix = _fast_matrix()
    score = _biotite_score(first, second) if matrix is None else _parasail_score(first, second, matrix)
    return score % TIE


def _parasail_score(first: str, second: str, matrix: Any) -> int:
    import parasail  # noqa: PLC0415

    return int(parasail.sg_striped_32(first, second, GAP_OPEN * TIE, GAP_EXTEND * TIE, matrix).score)


def _biotite_score(first: str, second: str) -> int:
    penalty = (-GAP_OPEN * TIE, -GAP_EXTEND * TIE)
    pair = ProteinSequence(first), ProteinSequence(second)
    found = align_optimal(*pair, _matrix(), gap_penalty=penalty, terminal_penalty=False, max_number=1)
    return int(found[0].score)


class Sequences:
    """Rows of one or several chains, ready to be compared.

    Args:
        chains: For every chain the sequences of all rows, upper case. What no alphabet of residues knows counts as X.
        numbers: Which row of the table each is, from 0, where they are not all of them; for messages.

    Raises:
        DataError: A sequence is too long to be aligned.
    """

    def __init__(self, chains: Sequence[Sequence[str]], numbers: Positions | None = None) -> None:
        rows = list(zip(*map(_known, chains), strict=True))
        # Copies are compared once.
        place: dict[tuple[str, ...], int] = {}
        self.of_row = np.array([place.setdefault(row, len(place)) for row in rows], dtype=np.int64)
        self.distinct = list(place)
        self.num_aligned = 0  # so far: what comparisons cost
        self._chains = [_texts(row[chain] for row in self.distinct) for chain in range(len(chains))]
        lengths = [np.fromiter(map(len, texts), np.int64, len(texts)) for texts in self._chains]
        self.lengths = np.array(lengths).T.reshape(len(self.distinct), len(chains))
        if self.lengths.size and self.lengths.max() >= LONGEST:
            longest = int(self.lengths[self.of_row].max(axis=1).argmax())
            row = longest if numbers is None else int(numbers[longest])
            raise DataError(
                f"Sequence {row + 1} of the table has {self.lengths.max():,} residues; sequences of up to "
                f"{LONGEST - 1:,} can be compared. Split by a column of groups instead."
            )

    def shorter(self, i: int, j: Positions) -> Positions:
        """Return the length that an identity is a share of: residues of the shorter one, over all chains."""
        return np.asarray(np.minimum(self.lengths[i], self.lengths[j]).sum(axis=-1))

    def count(self, i: int, j: int) -> int:
        """Return how many residues of two rows are identical, over all chains."""
        self.num_aligned += 1
        return sum(map(count_identical, self.distinct[i], self.distinct[j]))

    def is_alike(self, i: int, j: int, limit: float) -> bool:
        """Tell whether two rows share more than a limit of their residues."""
        return self.count(i, j) > limit * int(self.shorter(i, np.array(j)))

    def bounds(self, first: Positions, second: Positions, limit: float) -> Floats:
        """Return an upper bound of the identity of each pair, float64 [len(first), len(second)].

        Bounds that are no higher than `limit` may be given as 0.
        """
        shorter, most = [], []
        for texts, lengths in zip(self._chains, self.lengths.T.astype(np.int32), strict=True):
            shortest = min(lengths[first].min(initial=LONGEST), lengths[second].min(initial=LONGEST))
            least = int(limit * shortest) if len(self._chains) == 1 else 0
            shorter.append(np.minimum(lengths[first][:, None], lengths[second]))
            queries, choices = texts[first].tolist(), texts[second].tolist()
            most.append(
                cdist(queries, choices, scorer=LCSseq.similarity, score_cutoff=least, dtype=np.int32, workers=-1)
            )
        length = np.maximum(reduce(np.add, shorter), 1)
        return np.asarray(reduce(np.add, most) / length, dtype=np.float64)

    def pair_bounds(self, first: Positions, second: Positions) -> Floats:
        """Return an upper bound of the identity of first[i] and second[i], float64 [n]."""
        shorter = np.minimum(self.lengths[first], self.lengths[second]).sum(axis=-1)
        most = np.zeros(len(first), np.int64)
        for texts in self._chains:
            queries, choices = texts[first].tolist(), texts[second].tolist()
            most += cpdist(queries, choices, scorer=LCSseq.similarity, dtype=np.int32, workers=-1)
        return np.asarray(most / np.maximum(shorter, 1), dtype=np.float64)


def _known(chain: Sequence[str]) -> Sequence[str]:
    """Return sequences with X for what is no residue; asked of all at once, as most tables have no such letter."""
    text = "".join(chain)
    if text.isascii() and not text.encode().translate(None, KNOWN):
        return chain
    return [UNKNOWN.sub("X", sequence) for sequence in chain]


def _texts(items: Iterable[str]) -> NDArray[np.object_]:
    return np.array([*items, None], dtype=object)[:-1]


def _refuse_many(num_pairs: int, most: int, advice: str) -> None:
    if num_pairs > most:
        raise DataError(f"Comparing {num_pairs:,} pairs of sequences would take too long; {advice}")


def find_clusters(chains: Sequence[Sequence[str]], limit: float, *, max_pairs: int = MAX_PAIRS) -> Positions:
    """Group rows such that two rows of different groups are never more alike than `limit`.

    These are the connected groups of all pairs that are more alike (single linkage), so that nothing is left out.

    Args:
        chains: For every chain the sequences of all rows, upper case.
        limit: Largest identity across groups, in (0, 1].
        max_pairs: Beyond so many it is refused.

    Returns:
        int64 [rows]: the group of each row, numbered by first appearance.

    Raises:
        DataError: A sequence is too long, or there are too many to compare all of them.
    """
    rows = Sequences(chains)
    num = len(rows.distinct)
    _refuse_many(num * num // 2, max_pairs, "split by a column of groups, such as clusters of MMseqs2 or CD-HIT.")
    groups = np.arange(num)
    # The longest first: a chunk then has sequences of about one length, for which bounds are tight and quick.
    order = np.argsort(-rows.lengths.sum(axis=1), kind="stable")
    for part in _chunks(num, num):
        first, second = order[part], order[part.start :]
        bounds = rows.bounds(first, second, limit)
        for i, own in enumerate(first):
            _join(rows, int(own), second[i + 1 :], bounds[i, i + 1 :], limit, groups)
    _, numbered = np.unique(groups[rows.of_row], return_inverse=True)
    return by_appearance(numbered)


def _join(rows: Sequences, own: int, others: Positions, bounds: Floats, limit: float, groups: Positions) -> None:
    """Put a row into one group with all that are more alike; those of its group are not asked."""
    near = np.flatnonzero(bounds > limit)
    near = near[np.argsort(-bounds[near], kind="stable")]
    while len(near):
        other, near = int(others[near[0]]), near[1:]
        if groups[other] != groups[own]:
            if not rows.is_alike(own, other, limit):
                continue
            groups[groups == groups[other]] = groups[own]
        near = near[groups[others[near]] != groups[own]]


def by_appearance(groups: Positions) -> Positions:
    """Number groups in the order in which they appear."""
    _, first, numbered = np.unique(groups, return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return np.asarray(rank[numbered], dtype=np.int64)


def _chunks(num: int, width: int) -> Iterator[slice]:
    size = max(1, CHUNK_PAIRS // max(1, width))
    return (slice(start, min(num, start + size)) for start in range(0, num, size))


def find_nearest(
    chains: Sequence[Sequence[str]], queries: Positions, others: Positions, *, floor: float = 0.4
) -> Nearest:
    """Find for each query the most alike of other rows.

    Args:
        chains: For every chain the sequences of all rows, upper case.
        queries: Rows that are asked for, int64 [n].
        others: Rows that are looked at, int64 [m].
        floor: Identities up to here are not told apart.

    Raises:
        DataError: A sequence is too long, or there are too many to compare all of them.
    """
    _refuse_many(len(np.unique(queries)) * len(np.unique(others)), MAX_PAIRS, "ask for fewer rows.")
    return nearest_among(Sequences(chains), queries, others, floor=floor)


def nearest_among(rows: Sequences, queries: Positions, others: Positions, *, floor: float) -> Nearest:
    """Find the same among rows that were made ready before."""
    own, query_place = np.unique(rows.of_row[queries], return_inverse=True)
    theirs, first_row = np.unique(rows.of_row[others], return_index=True)
    has_copy = np.isin(own, theirs)
    identity, index = has_copy.astype(np.float64), np.where(has_copy, np.searchsorted(theirs, own), -1)
    asked = np.flatnonzero(~has_copy) if len(theirs) else np.zeros(0, np.int64)
    for part in _chunks(len(asked), len(theirs)):
        bounds = rows.bounds(own[asked[part]], theirs, floor)
        for i, place in enumerate(asked[part]):
            identity[place], index[place] = _best(rows, int(own[place]), theirs, bounds[i], floor)
    places = np.append(others[first_row], -1)
    return Nearest(identity[query_place], np.asarray(places[index[query_place]], dtype=np.int64))


def _best(rows: Sequences, query: int, others: Positions, bounds: Floats, floor: float) -> tuple[float, int]:
    best, place = floor, -1
    # Among variants of one protein the first one tried is the best, and the others need not be put in order.
    first = np.argmax(bounds, keepdims=True)
    for near in (first, np.flatnonzero(bounds > floor)):
        near = near[bounds[near] > best]
        for candidate in near[np.argsort(-bounds[near], kind="stable")]:
            if bounds[candidate] <= best:
                break
            other = int(others[candidate])
            found = rows.count(query, other) / max(1, int(rows.shorter(query, np.array(other))))
            if found > best:
                best, place = found, int(candidate)
    return (best, place) if place >= 0 else (0.0, -1)
