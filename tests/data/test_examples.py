"""The built-in examples: counts, held-out families, honest notes, and what happens without their packages."""

from __future__ import annotations

import subprocess
import sys

import pandas as pd
import pytest

from molfun.adapters.alphabet import ANTIBERTY
from molfun.adapters.catalog import MODELS
from molfun.data import example_tables
from molfun.data.checks import check_table
from molfun.data.example_proteins import LOCATIONS
from molfun.data.example_tables import TEST_SUBGROUPS, VAL_SUBGROUPS, read_amyloid
from molfun.data.examples import EXAMPLES, load_example, save_example
from molfun.data.leaks import find_leaks
from molfun.errors import DataError

COUNTS = {
    "v_genes": {"train": 240, "val": 60, "test": 200},
    "gb1_stability": {"train": 569, "val": 81, "test": 163},
    "amyloid_beta": {"train": 2000, "val": 400, "test": 675},
    "localisation": {"train": 540, "val": 135, "test": 225},
    "disorder": {"train": 143, "val": 36, "test": 59},
    "small_proteins": {"train": 7, "val": 2, "test": 2},
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_example_saves_with_its_source_and_without_problems(tmp_path, name):
    example = EXAMPLES[name]
    data = save_example(tmp_path, name)
    assert data.counts == COUNTS[name]
    assert data.about["example"] == name
    assert data.about["citation"] == example.citation
    assert set(example.notes) <= set(data.about["notes"])
    assert set(example.suits) <= set(MODELS)
    assert check_table(load_example(name), example.columns, letters=ANTIBERTY.letters, max_residues=510) == []


@pytest.mark.parametrize("name", EXAMPLES)
def test_example_depends_on_its_seed_alone(tmp_path, name):
    assert save_example(tmp_path, name, seed=1).id == save_example(tmp_path, name, seed=1).id
    assert save_example(tmp_path, name, seed=1).id != save_example(tmp_path, name, seed=2).id


@pytest.mark.parametrize("seed", range(3))
def test_v_genes_of_one_subgroup_or_sequence_are_in_one_part(seed):
    frame = load_example("v_genes", seed)
    assert frame.groupby("subgroup")["split"].nunique().max() == 1
    assert frame["sequence"].is_unique
    assert set(frame.loc[frame["split"] == "test", "subgroup"]) <= set(TEST_SUBGROUPS)
    assert set(frame.loc[frame["split"] == "val", "subgroup"]) <= set(VAL_SUBGROUPS)
    assert (frame["aligned"].str.replace("-", "") == frame["sequence"]).all()
    assert set(frame["aligned"].str.len()) == {128}
    assert set(frame.loc[frame["split"] == "test", "species"]) == {"human", "mouse", "rhesus"}


def test_gb1_names_and_sequences_agree():
    frame = load_example("gb1_stability")
    assert len(frame) == 813
    # Sequences start at position 2 of the protein.
    letters = [seq[int(name[1:-1]) - 2] for seq, name in zip(frame["sequence"], frame["mutation"], strict=True)]
    assert letters == frame["mutation"].str[-1].tolist()
    assert frame["mutation"].is_unique
    leucine_to_proline = frame.set_index("mutation").at["L05P", "ddg"]
    assert leucine_to_proline == pytest.approx(1.65, abs=0.01)


def test_amyloid_stops_are_left_out_and_counted():
    frame = read_amyloid()
    assert len(frame) == 16_066 - 1_583
    assert not frame["sequence"].str.contains("*", regex=False).any()
    assert "1583 with a stop (*) were left out" in load_example("amyloid_beta").attrs["notes"][0]


def test_localisation_has_as_many_whole_sequences_of_each_place():
    frame = load_example("localisation")
    assert frame["location"].value_counts().to_dict() == dict.fromkeys(LOCATIONS, 180)
    assert frame["sequence"].is_unique
    assert frame["sequence"].str.len().between(60, 400).all()
    # A table elsewhere has lost E, F, I, L, P and Q from all of its sequences; here letters are as common as in life.
    letters = pd.Series(list("".join(frame["sequence"]))).value_counts(normalize=True)
    assert len(letters) == 20
    assert letters.min() > 0.01
    assert letters.index[0] == "L"
    assert (frame["sequence"].str[0] == "M").mean() > 0.9


def test_disorder_has_a_label_for_every_residue():
    frame = load_example("disorder")
    assert (frame["disorder"].str.len() == frame["sequence"].str.len()).all()
    assert set("".join(frame["disorder"])) == {"D", "O"}
    assert frame["sequence"].is_unique


@pytest.mark.parametrize("name", ["localisation", "disorder"])
def test_no_relatives_of_test_proteins_are_in_training(tmp_path, name):
    data = save_example(tmp_path, name)
    nearest = find_leaks([data.frame["chain_1"]], data.frame["split"]).nearest
    assert nearest["identity"].max() <= EXAMPLES[name].split.max_identity


@pytest.mark.parametrize("name", ["gb1_stability", "amyloid_beta", "localisation", "disorder"])
def test_examples_beyond_antibodies_say_so(name):
    notes = " ".join(EXAMPLES[name].notes)
    assert "AntiBERTy knows antibody variable domains only" in notes
    assert "one-hot" in notes or name in ("localisation", "disorder")
    assert "antiberty" not in EXAMPLES[name].suits


def test_an_unknown_example_gets_the_nearest_name():
    with pytest.raises(DataError, match="No example is named 'v_gene', did you mean 'v_genes'"):
        load_example("v_gene")


def test_an_absent_package_gets_its_install_line(monkeypatch):
    monkeypatch.setattr(example_tables, "MAVENN", "no-such-distribution==1.0")
    with pytest.raises(DataError, match=r"run: pip install --no-deps no-such-distribution==1\.0"):
        load_example("gb1_stability")


def test_examples_load_neither_torch_nor_the_packages_that_hold_them():
    code = (
        "import sys; from molfun.data.examples import EXAMPLES, load_example; [load_example(n) for n in EXAMPLES];"
        "print([m for m in ('torch', 'anarci', 'mavenn', 'aaanalysis', 'scldata', 'sklearn') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
