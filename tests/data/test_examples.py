"""The built-in examples: counts, held-out families, honest notes, and what happens without their packages."""

from __future__ import annotations

import subprocess
import sys

import pytest

from molfun.adapters.alphabet import ANTIBERTY
from molfun.adapters.catalog import MODELS
from molfun.data import example_tables
from molfun.data.checks import check_table
from molfun.data.example_tables import TEST_SUBGROUPS, VAL_SUBGROUPS, read_amyloid
from molfun.data.examples import EXAMPLES, load_example, save_example
from molfun.errors import DataError

COUNTS = {
    "v_genes": {"train": 240, "val": 60, "test": 200},
    "gb1_stability": {"train": 569, "val": 81, "test": 163},
    "amyloid_beta": {"train": 2000, "val": 400, "test": 675},
    "small_proteins": {"train": 7, "val": 2, "test": 2},
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_example_saves_with_its_source_and_without_problems(tmp_path, name):
    example = EXAMPLES[name]
    data = save_example(tmp_path, name)
    assert data.counts == COUNTS[name]
    assert data.about["example"] == name
    assert data.about["citation"] == example.citation
    assert set(example.notes) < set(data.about["notes"]) or name == "gb1_stability"
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


@pytest.mark.parametrize("name", ["gb1_stability", "amyloid_beta"])
def test_examples_beyond_antibodies_say_so(name):
    notes = " ".join(EXAMPLES[name].notes)
    assert "AntiBERTy knows antibody variable domains only" in notes
    assert "one-hot" in notes
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
        "print([m for m in ('torch', 'anarci', 'mavenn', 'tensorflow', 'sklearn') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
