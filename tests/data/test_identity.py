"""Identity, families and nearest rows, held against an aligner of its own and against alignments of all pairs."""

from __future__ import annotations

import itertools
import random
import sys

import numpy as np
import pytest
from biotite.sequence import ProteinSequence
from biotite.sequence.align import SubstitutionMatrix, align_optimal, get_sequence_identity
from hypothesis import given, settings
from hypothesis import strategies as st

from molfun.data import identity
from molfun.data.identity import count_identical, find_clusters, find_nearest
from molfun.errors import DataError

RESIDUES = "ACDEFGHIKLMNPQRSTVWY"


def related(num: int, seed: int, *, families: int = 4, length: int = 40) -> list[str]:
    """Return random sequences of a few families, from copies to hardly alike, of different lengths."""
    dice = random.Random(seed)
    founders = ["".join(dice.choices(RESIDUES, k=length)) for _ in range(families)]
    return [_evolved(dice.choice(founders), dice.randrange(length), dice) for _ in range(num)]


def _evolved(sequence: str, steps: int, dice: random.Random) -> str:
    letters = list(sequence)
    for _ in range(steps):
        place = dice.randrange(len(letters))
        act = dice.random()
        if act < 0.8 or len(letters) < 10:
            letters[place] = dice.choice(RESIDUES)
        elif act < 0.9:
            letters.insert(place, dice.choice(RESIDUES))
        else:
            del letters[place]
    return "".join(letters)


def identities_of_biotite(first: str, second: str) -> list[float]:
    """Return the identity of all best alignments that another aligner finds, without our scores."""
    found = align_optimal(
        ProteinSequence(first), ProteinSequence(second), SubstitutionMatrix.std_protein_matrix(),
        gap_penalty=(-11, -1), terminal_penalty=False, max_number=10_000,
    )  # fmt: skip
    return [get_sequence_identity(alignment, mode="shortest") for alignment in found]


@pytest.mark.parametrize("seed", range(40))
def test_the_identity_is_the_highest_of_all_best_alignments(seed: int) -> None:
    first, second = related(2, seed, families=1, length=25)
    expected = max(identities_of_biotite(first, second))
    assert count_identical(first, second) / min(len(first), len(second)) == pytest.approx(expected, abs=1e-12)


@given(st.text(RESIDUES + "XBZ", min_size=1, max_size=40), st.text(RESIDUES + "XBZ", min_size=1, max_size=40))
@settings(max_examples=200, deadline=None)
def test_both_aligners_give_the_same_number(first: str, second: str) -> None:
    assert identity._parasail_score(first, second, identity._fast_matrix()) == identity._biotite_score(first, second)
    assert count_identical(first, second) == count_identical(second, first)


def test_without_parasail_the_numbers_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    sequences = related(12, 5)
    expected = find_clusters([sequences], 0.5)
    identity._fast_matrix.cache_clear()
    monkeypatch.setitem(sys.modules, "parasail", None)
    assert identity._fast_matrix() is None
    assert find_clusters([sequences], 0.5).tolist() == expected.tolist()
    identity._fast_matrix.cache_clear()


@pytest.mark.parametrize("limit", [0.4, 0.5, 0.7, 0.9])
def test_groups_are_those_of_all_pairs(limit: float) -> None:
    sequences = [*related(40, 1), *related(10, 2, length=15)]
    groups = find_clusters([sequences], limit)
    connected = np.arange(len(sequences))
    for i, j in itertools.combinations(range(len(sequences)), 2):
        shorter = min(len(sequences[i]), len(sequences[j]))
        if count_identical(sequences[i], sequences[j]) > limit * shorter:
            connected[connected == connected[j]] = connected[i]
    pairs = list(itertools.combinations(range(len(sequences)), 2))
    assert [groups[i] == groups[j] for i, j in pairs] == [connected[i] == connected[j] for i, j in pairs]
    assert 1 < groups.max() < len(sequences)
    assert list(dict.fromkeys(groups.tolist())) == list(range(groups.max() + 1))


def test_copies_and_fragments_belong_together() -> None:
    groups = find_clusters([["MKTAYIAKQRQISFVK", "WWWWHHHHCCCC", "AYIAKQRQIS", "MKTAYIAKQRQISFVK"]], 0.9)
    assert groups.tolist() == [0, 1, 0, 0]


def test_chains_count_by_their_length() -> None:
    heavy, light = ["MKTAYIAKQR", "MKTAYIAKQR"], ["DDDDDDDDDDDDDDDDDDDD", "WWWWWWWWWWWWWWWWWWWW"]
    assert find_clusters([heavy, light], 0.3).tolist() == [0, 0]  # 10 of 30 residues
    assert find_clusters([heavy, light], 0.34).tolist() == [0, 1]


def test_the_nearest_row_is_that_of_all_pairs() -> None:
    sequences = related(60, 3)
    queries, others = np.arange(20), np.arange(20, 60)
    found = find_nearest([sequences], queries, others, floor=0.3)
    for query, share, place in zip(queries, found.identity, found.place, strict=True):
        each = [count_identical(sequences[query], s) / min(len(sequences[query]), len(s)) for s in sequences[20:]]
        if max(each) > 0.3:
            assert share == pytest.approx(max(each), abs=1e-12)
            assert each[place - 20] == max(each)
        else:
            assert (share, place) == (0.0, -1)


def test_what_cannot_be_compared_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match="Sequence 2 of the table has 9,000 residues; sequences of up to 8,191"):
        find_clusters([["A", "A" * 9_000]], 0.5)
    with pytest.raises(DataError, match=r"Comparing 12 pairs .* split by a column of groups"):
        find_clusters([["A", "C", "D", "E", "F"]], 0.5, max_pairs=10)
    monkeypatch.setattr(identity, "MAX_PAIRS", 5)
    with pytest.raises(DataError, match=r"Comparing 6 pairs .* ask for fewer rows"):
        find_nearest([["A", "C", "D", "E", "F"]], np.arange(2), np.arange(2, 5))
    assert find_clusters([[]], 0.5).tolist() == []


def test_letters_that_aligners_do_not_know_count_as_unknown() -> None:
    assert find_clusters([["MKTAYIAKUR", "MKTAYIAKOR"]], 0.8).tolist() == [0, 0]
