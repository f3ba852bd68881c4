"""Splits that keep something from training, each held by what it promises: families, positions, values, time, folds."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from molfun.data.mutations import apply_mutations, parse_mutations
from molfun.data.settings import ColumnSettings, SplitSettings
from molfun.data.splits import KINDS, assign_splits
from molfun.errors import DataError
from tests.data.test_identity import identities_of_biotite, related
from tests.data.test_mutations import WILD_TYPE

COLUMNS = ColumnSettings(sequence=["sequence"], target="y")


def table_of(sequences: list[str], **more: list[object]) -> pd.DataFrame:
    frame = pd.DataFrame({"sequence": sequences, "y": np.arange(len(sequences), dtype=float), **more})
    frame.attrs["first_row"] = 2
    return frame


def scan(mutations: list[str]) -> pd.DataFrame:
    return table_of([apply_mutations(WILD_TYPE, parse_mutations(text)) for text in mutations])


def singles(letters: str = "AC") -> list[str]:
    return [f"{a}{i}{b}" for i, a in enumerate(WILD_TYPE, start=1) for b in letters if a != b]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("limit", [0.4, 0.6])
def test_identity_split_leaves_no_pair_above_the_limit(limit: float, seed: int) -> None:
    frame = table_of(related(60, seed, families=12))
    parts = assign_splits(frame, COLUMNS, SplitSettings(kind="identity", max_identity=limit, seed=seed))
    assert set(parts) == {"train", "val", "test"}
    pairs = [(i, j) for i, j in itertools.combinations(range(len(frame)), 2) if parts[i] != parts[j]]
    assert len(pairs) > 100
    highest = max(max(identities_of_biotite(frame["sequence"][i], frame["sequence"][j])) for i, j in pairs)
    assert highest <= limit + 1e-12


def test_variants_of_one_protein_cannot_be_divided_by_identity() -> None:
    with pytest.raises(DataError, match=r"At 50% identity the 106 sequences form 1 famil.* by mutated position"):
        assign_splits(scan(singles()), COLUMNS, SplitSettings(kind="identity"))


def test_a_family_that_is_nearly_everything_is_refused() -> None:
    frame = table_of([*scan(singles())["sequence"], *related(3, 9, families=3)])
    with pytest.raises(DataError, match=r"9\d% of the sequences form one family, which cannot be divided"):
        assign_splits(frame, COLUMNS, SplitSettings(kind="identity"))


@given(st.integers(0, 1000), st.sampled_from([0, 3, 5]))
@settings(max_examples=25, deadline=None)
def test_position_split_never_tests_a_position_of_training(seed: int, num_folds: int) -> None:
    doubles = [f"{WILD_TYPE[i]}{i + 1}W:{WILD_TYPE[i + 1]}{i + 2}W" for i in range(0, 40, 2) if WILD_TYPE[i] != "W"]
    frame = scan(["WT", *singles(), *doubles])
    split = SplitSettings(kind="position", seed=seed, num_folds=num_folds, fold=2 if num_folds else 1)
    parts = assign_splits(frame, COLUMNS, split)
    places: dict[str, set[int]] = {"train": set(), "val": set(), "test": set()}
    for sequence, part in zip(frame["sequence"], parts, strict=True):
        places[part] |= {i for i, (a, b) in enumerate(zip(WILD_TYPE, sequence, strict=True)) if a != b}
    assert all(places.values())
    assert not places["test"] & (places["train"] | places["val"])
    assert not places["train"] & places["val"]
    assert parts[0] == "train"  # the wild type


def test_position_split_counts_against_a_given_wild_type() -> None:
    # Two letters at the first place, as often as each other: only a wild type says which of them is the mutation.
    frame = scan(["WT", "M1A", "Q2A", "Y3A", "K4A"] * 4)
    parts = assign_splits(frame, COLUMNS, SplitSettings(kind="position", wild_type=WILD_TYPE.lower(), val_fraction=0.2))
    assert parts[frame["sequence"] == WILD_TYPE].tolist() == ["train"] * 4
    with pytest.raises(DataError, match=r"connect the mutated positions to 1 group\(s\)"):
        assign_splits(frame, COLUMNS, SplitSettings(kind="position", wild_type="A" + WILD_TYPE[1:]))


@pytest.mark.parametrize(
    ("frame", "split", "message"),
    [
        (
            table_of(["ACDEF", "ACDE"] * 5), {"kind": "position"},
            "need sequences of one length, and these have 4 to 5 residues; split by sequence identity",
        ),
        (
            table_of(["ACDEF", "ACDE"] * 5), {"kind": "position", "wild_type": "ACDEF"},
            "Row 3: the sequence has 4 residues, the wild type 5; expected the same length, found 'ACDE'",
        ),
        (
            scan([f"{WILD_TYPE[0]}1A:{WILD_TYPE[i]}{i + 1}A" for i in range(1, 20) if WILD_TYPE[i] != "A"]),
            {"kind": "position", "wild_type": WILD_TYPE}, r"connect the mutated positions to 1 group\(s\)",
        ),
        (
            scan(singles()), {"kind": "num_mutations", "wild_type": WILD_TYPE},
            r"No row has more than 1 mutations \(rows have 1\); choose another number",
        ),
        (
            scan(singles()), {"kind": "num_mutations", "wild_type": WILD_TYPE, "max_mutations": 0},
            r"No row has 0 or fewer mutations \(rows have 1\)",
        ),
        (table_of(["ACDEF"] * 20, day=["2024-01-01"] * 19 + ["soon"]), {"kind": "time", "column": "day"},
         "Row 21, column 'day': expected a date such as 2024-05-31 or a number, found 'soon'"),
        (table_of(["ACDEF"] * 20), {"kind": "time"}, "The split needs a time column and there is none"),
        (table_of(["ACDEF"] * 20), {"kind": "value", "num_folds": 5}, "'Low and high values' has no folds"),
        (table_of(["ACDEF"] * 20), {"num_folds": 5, "fold": 6}, "Fold 6 of 5 does not exist"),
        (table_of(["ACDEF"] * 20), {"num_folds": 1}, "Fold 1 of 1 does not exist"),
        (table_of(["ACDEF"] * 20), {"num_folds": 2, "val_fraction": 0.5}, "share add up to 1"),
    ],
)  # fmt: skip
def test_what_cannot_be_divided_is_refused(frame: pd.DataFrame, split: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        assign_splits(frame, COLUMNS, SplitSettings.parse(split))


@pytest.mark.parametrize("most", [0, 1, 2])
def test_split_by_number_of_mutations_tests_on_more(most: int) -> None:
    texts = ["WT"] * 3 + singles()[:30] + [f"{a}:{b}" for a, b in itertools.pairwise(singles("A")[:20])]
    texts += ["M1A:Q2A:Y3A", "M1C:Q2C:Y3C:K4C"]
    frame = scan(texts)
    counts = np.array([0 if text == "WT" else len(parse_mutations(text)) for text in texts])
    split = SplitSettings(kind="num_mutations", wild_type=WILD_TYPE, max_mutations=most, val_fraction=0.34)
    parts = assign_splits(frame, COLUMNS, split)
    assert ((parts == "test").to_numpy() == (counts > most)).all()
    assert (parts == "val").sum() == round(0.34 * (counts <= most).sum())


@pytest.mark.parametrize("held_out", ["high", "low"])
def test_value_split_tests_on_one_end(held_out: str) -> None:
    frame = table_of(["ACDEF"] * 200).assign(y=np.round(np.random.default_rng(0).normal(size=200), 1))
    parts = assign_splits(frame, COLUMNS, SplitSettings.parse({"kind": "value", "held_out": held_out}))
    test, rest = frame["y"][parts == "test"], frame["y"][parts != "test"]
    assert test.min() > rest.max() if held_out == "high" else test.max() < rest.min()
    assert abs(len(test) - 40) <= 10
    assert (parts == "val").sum() == 20


@pytest.mark.parametrize(
    "times",
    [
        [f"2024-{1 + i // 10:02d}-01" for i in range(100)],
        [f"{1 + i // 10}/1/2024" for i in range(100)],
        [2000 + i // 10 for i in range(100)],
        pd.date_range("2020-01-01", periods=10).repeat(10).tolist(),
        [f"2024-{1 + i // 10:02d}-01T00:00:00+0{1 + i // 50}:00" for i in range(100)],  # winter and summer
        [f"2024-{1 + i // 10:02d}-01T00:00:00Z" for i in range(100)],
    ],
)
def test_time_split_tests_the_newest(times: list[object]) -> None:
    order = np.random.default_rng(1).permutation(100)
    frame = table_of(["ACDEF"] * 100, day=[times[i] for i in order])
    parts = assign_splits(frame, COLUMNS, SplitSettings(kind="time", column="day")).to_numpy()
    age = order // 10
    assert age[parts == "train"].max() < age[parts == "val"].min()
    assert age[parts == "val"].max() < age[parts == "test"].min()
    assert [(parts == part).sum() for part in ("train", "val", "test")] == [70, 10, 20]


@pytest.mark.parametrize("kind", [kind for kind, known in KINDS.items() if known.has_folds])
def test_folds_test_every_row_once(kind: str) -> None:
    frame = table_of(related(60, 4, families=20)).assign(group=[f"g{i % 15}" for i in range(60)])
    if kind == "position":
        frame = scan(singles()[:60])
    tested = []
    for fold in (1, 2, 3):
        settings = {"kind": kind, "num_folds": 3, "fold": fold, "column": "group", "seed": 7, "max_identity": 0.6}
        parts = assign_splits(frame, COLUMNS, SplitSettings.parse(settings))
        assert {"train", "val", "test"} == set(parts)
        tested.append((parts == "test").to_numpy())
    assert (np.sum(tested, axis=0) == 1).all()
    assert all(0.15 < share.mean() < 0.5 for share in tested)
