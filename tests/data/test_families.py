"""Families of tables too large for all pairs: MMseqs2 finds, our alignment judges, another aligner holds the result."""

from __future__ import annotations

import itertools
import os
import random

import numpy as np
import pytest

from molfun.data import families, mmseqs
from molfun.data.families import find_families
from molfun.data.identity import count_identical, find_clusters
from molfun.errors import DataError
from tests.data.test_identity import RESIDUES, identities_of_biotite, related

MISSING = "MMseqs2 is not installed (Debian: apt-get install mmseqs2), so families of large tables cannot be tested."


@pytest.fixture
def program() -> str:
    """Return where MMseqs2 is; without it the test is skipped, but in CI it fails."""
    found = mmseqs.find_program()
    if not found:
        if os.environ.get("CI") == "true":
            pytest.fail(MISSING)
        pytest.skip(MISSING)
    return found


def planted(seed: int) -> list[str]:
    """Return families of 80 residues, from near copies to half alike, with fragments, copies and loners."""
    rows = related(150, seed, families=25, length=80)
    fragments = [row[15:60] for row in rows[:20]]
    dice = random.Random(seed)
    return [*rows, *fragments, *rows[:5], *("".join(dice.choices(RESIDUES, k=70)) for _ in range(20))]


@pytest.mark.parametrize("limit", [0.4, 0.8])
def test_no_pair_of_two_families_is_more_alike_than_the_limit(program: str, limit: float) -> None:
    rows = planted(1)
    groups, promise = find_families([rows], limit, max_pairs=100)
    assert "as far as MMseqs2" in promise
    assert f"share more than {limit:.0%}" in promise
    pairs = [(i, j) for i, j in itertools.combinations(range(len(rows)), 2) if groups[i] != groups[j]]
    assert len(pairs) > 5_000
    asked = random.Random(0).sample(pairs, 1_000)
    assert max(max(identities_of_biotite(rows[i], rows[j])) for i, j in asked) <= limit + 1e-12
    assert groups.tolist() == find_clusters([rows], limit).tolist()


def test_below_forty_percent_it_searches_instead_of_aligning_every_pair(program: str) -> None:
    rows = planted(2)
    searched, exact = find_families([rows], 0.35, max_aligned=1_000), find_families([rows], 0.35)
    assert "sensitivity 7.5" in searched.promise
    assert exact.promise.startswith("All ")
    assert searched.groups.tolist() == exact.groups.tolist()


def test_chains_are_judged_together(program: str) -> None:
    heavy, light = related(40, 3, families=6, length=60), related(40, 4, families=6, length=50)
    searched, again = (find_families([heavy, light], 0.5, max_pairs=10) for _ in range(2))
    assert searched.promise == again.promise
    assert searched.groups.tolist() == again.groups.tolist()
    assert searched.groups.tolist() == find_clusters([heavy, light], 0.5).tolist()


@pytest.mark.parametrize("sizes", [[1] * 5, [30], [30, 40, 50], [30, 1, 1, 200, 3, 30, 30, 1, 30]])
def test_every_pair_of_two_families_is_searched_and_large_ones_not_within(
    sizes: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(families, "MAX_HITS", 20)
    places = np.random.default_rng(0).permutation(sum(sizes)) + 7
    groups = np.repeat(np.arange(len(sizes)) * 3, sizes)
    family = dict(zip(places.tolist(), groups.tolist(), strict=True))
    seen = set()
    for queries, targets in families._strangers(places, groups):
        seen |= {frozenset(pair) for pair in itertools.product(queries.tolist(), targets.tolist())}
    large = {place for place, group in family.items() if sizes[group // 3] > 10}
    wanted = {frozenset(pair) for pair in itertools.combinations(family, 2) if family[pair[0]] != family[pair[1]]}
    assert wanted <= seen
    assert not {pair for pair in seen if pair <= large and len({family[place] for place in pair}) == 1}


def test_representatives_stand_for_near_copies_of_very_large_tables(
    program: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(families, "MAX_WHOLE", 50)
    rows = planted(6)
    groups, promise = find_families([rows], 0.6, max_pairs=100)
    assert "representatives stand for near copies (from 90%) with 40% between them" in promise
    crossing = [(i, j) for i, j in itertools.combinations(range(len(rows)), 2) if groups[i] != groups[j]]
    assert len(crossing) > 1_000
    shares = [count_identical(rows[i], rows[j]) / min(len(rows[i]), len(rows[j])) for i, j in crossing]
    assert max(shares) <= 0.6
    monkeypatch.setattr(families, "MAX_SEARCHED", 20)
    with pytest.raises(
        DataError, match=r"\d+ sequences that are no near copies of each other; up to 20 can be divided"
    ):
        find_families([rows], 0.6, max_pairs=100)


def test_what_the_search_misses_is_joined_and_counted(program: str) -> None:
    # Peptides too short for a search by words.
    rows = related(80, 7, families=8, length=12)
    groups, promise = find_families([rows], 0.6, max_pairs=10)
    assert "with a relative that it had missed, now in one family" in promise
    assert groups.tolist() == find_clusters([rows], 0.6).tolist()


def test_without_the_program_a_large_table_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOLFUN_MMSEQS", "/nowhere/mmseqs")
    rows = related(30, 8, length=90)
    with pytest.raises(DataError, match=r"435 pairs .*apt-get install mmseqs2, conda .*, or brew .*column of groups\."):
        find_families([rows], 0.5, max_pairs=100)
    assert find_families([rows], 0.35, max_aligned=1).groups.tolist() == find_clusters([rows], 0.35).tolist()


def test_short_sequences_may_be_eight_times_as_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOLFUN_MMSEQS", "/nowhere/mmseqs")
    assert find_families([related(30, 8)], 0.5, max_pairs=60).promise.startswith("All 435 pairs")
    with pytest.raises(DataError, match="435 pairs"):
        find_families([related(30, 8, length=90)], 0.5, max_pairs=60)


@pytest.mark.parametrize(("rows", "expected"), [([], []), (["MKT"], [0]), (["", "", "MKTAYIAK"], [0, 0, 1])])
def test_hardly_any_rows(rows: list[str], expected: list[int]) -> None:
    assert find_families([rows], 0.5).groups.tolist() == expected
