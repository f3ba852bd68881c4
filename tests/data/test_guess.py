"""Guessed columns: examples, pairs of chains, per-residue labels, and tables that should give nothing."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from molfun.data.examples import EXAMPLES, load_example
from molfun.data.splits import guess_split
from molfun.data.tables import guess_columns

RESIDUES = list("ACDEFGHIKLMNPQRSTVWY")
RANDOM = np.random.default_rng(0)


def sequences(num_rows: int, length: int = 30, letters: list[str] = RESIDUES) -> list[str]:
    return ["".join(RANDOM.choice(letters, length)) for _ in range(num_rows)]


@pytest.mark.parametrize("name", EXAMPLES)
def test_guess_columns_finds_the_columns_of_every_example(name):
    frame = load_example(name)
    assert guess_columns(frame) == EXAMPLES[name].columns
    # That a table has relatives to be kept together is not seen at a glance.
    expected = EXAMPLES[name].split.kind.replace("identity", "random")
    assert guess_split(frame).kind == expected


@pytest.mark.parametrize(("heavy", "light"), [("heavy", "light"), ("VH", "VL"), ("heavy_chain_seq", "light_chain_seq")])
def test_guess_columns_takes_both_chains(heavy, light):
    frame = pd.DataFrame({"pdb": range(20), light: sequences(20), heavy: sequences(20), "kd": RANDOM.normal(size=20)})
    guess = guess_columns(frame)
    assert guess.sequence == [heavy, light]
    assert (guess.target, guess.task) == ("kd", "regression")


@pytest.mark.parametrize("style", ["letters", "spaces", "lists"])
def test_guess_columns_recognises_per_residue_labels(style):
    labels = ["".join(RANDOM.choice(list("HEC"), 30)) for _ in range(12)]
    cells = {"letters": labels, "spaces": [" ".join(cell) for cell in labels], "lists": [list(cell) for cell in labels]}
    frame = pd.DataFrame({"structure": cells[style], "seq": sequences(12)})
    guess = guess_columns(frame)
    assert (guess.sequence, guess.target, guess.task) == (["seq"], "structure", "per_residue")


@pytest.mark.parametrize(
    ("cells", "task"),
    [
        (np.linspace(-1, 1, 30), "regression"),
        (np.arange(30), "regression"),
        ([0, 1, 1] * 10, "classification"),
        (["binder", "none", "none"] * 10, "classification"),
        ([True, False, False] * 10, "classification"),
    ],
)
def test_guess_columns_tells_the_task_from_the_values(cells, task):
    frame = pd.DataFrame({"protein": sequences(30), "binding": cells})
    guess = guess_columns(frame)
    assert (guess.target, guess.task) == ("binding", task)


def test_guess_columns_prefers_the_variant_to_the_repeated_wild_type():
    frame = pd.DataFrame(
        {"wildtype": sequences(1) * 20, "variant_protein": sequences(20), "fitness": RANDOM.normal(size=20)}
    )
    assert guess_columns(frame).sequence == ["variant_protein"]


def test_guess_columns_takes_dna_only_without_proteins_and_never_words():
    frame = pd.DataFrame(
        {"part": ["TRAIN", "VALID"] * 10, "dna": sequences(20, letters=list("ACGT")), "y": RANDOM.normal(size=20)}
    )
    assert guess_columns(frame.drop(columns="dna")).sequence == []
    assert guess_columns(frame).sequence == ["dna"]  # the checks offer to translate it
    assert guess_columns(frame.assign(protein=sequences(20))).sequence == ["protein"]


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ({"rep1": [0.5, 1.5, 2.5], "rep2": [0.6, 1.4, 2.7]}, "rep2"),
        ({"rep1": [0.5, 1.5, 2.5], "rep2": [0.7, 1.7, 2.7], "mean": [0.6, 1.6, 2.6], "SD": [0.1, 0.2, 0.1]}, "mean"),
        ({"a_1": [0.5, 1.5, 2.5], "a_2": [0.7, 1.7, 2.7], "combined": [0.6, 1.6, 2.6], "a_3": [0.6, 1.6, 2.6]},
         "combined"),
        ({"affinity": ["0.5", "NB", "1.5"]}, "affinity"),
    ],
)  # fmt: skip
def test_guess_columns_prefers_the_mean_of_replicates_and_measured_values(cells, expected):
    rows = {name: [*values] * 4 if isinstance(values[0], str) else [v + i for i in range(4) for v in values]
            for name, values in cells.items()}  # fmt: skip
    frame = pd.DataFrame({"seq": sequences(12), **rows})
    if "affinity" in frame:
        frame["affinity"] = [f"{i}.5" if i % 2 else "NB" for i in range(12)]
    assert (guess_columns(frame).target, guess_columns(frame).task) == (expected, "regression")


def test_guess_columns_leaves_empty_what_it_does_not_find():
    guess = guess_columns(pd.DataFrame({"id": ["a", "b"], "seq": sequences(2)}))
    assert (guess.sequence, guess.target) == (["seq"], "")


def test_guess_split_asks_only_for_parts_that_the_column_has():
    frame = pd.DataFrame({"stage": ["train"] * 8 + ["test"] * 2})
    split = guess_split(frame)
    assert (split.kind, split.column, split.val_fraction) == ("column", "stage", 0.0)
    assert split.test_fraction > 0


@pytest.mark.parametrize(
    ("sequence", "target", "task"),
    [
        (["AC-DE", "AC*DE", "ACXDE", "ac de"] * 3, list(range(12)), "regression"),
        (sequences(12), [*range(10), "high", "1,5"], "regression"),
        (sequences(1), ["human"], "classification"),
        (sequences(12), [2.5] * 12, "regression"),
    ],
)
def test_guess_columns_finds_spoilt_columns_by_name_for_the_checks_to_judge(sequence, target, task):
    frame = pd.DataFrame({"id": range(len(target)), "sequence": sequence, "y": pd.Series(target, dtype=object)})
    guess = guess_columns(frame)
    assert (guess.sequence, guess.target, guess.task) == (["sequence"], "y", task)
