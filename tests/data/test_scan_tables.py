"""A scan on its way out: ranking, search, FASTA, grid."""

from __future__ import annotations

from io import StringIO

import numpy as np
import pandas as pd
import pytest

from molfun.data.effects import single_effects
from molfun.data.exports import neutralise
from molfun.data.fasta import read_fasta
from molfun.data.numbering import Region
from molfun.data.scan import RESIDUES, scan_rows
from molfun.data.scan_tables import favoured_class, grid_table, pick_variants, rank_variants, variants_fasta

WILD = "MKTAY"
REGIONS = (Region("FR-H1", 0, 0), Region("CDR-H1", 1, 2), Region("FR-H2", 3, 4))


@pytest.fixture
def found() -> pd.DataFrame:
    """Return a scan with pairs at two positions; one variant has no prediction."""
    rows = scan_rows(WILD, first_number=10, doubles=[11, 13])
    values = np.random.default_rng(1).permutation(len(rows)).astype(float)
    values[5] = np.nan
    problem = np.where(np.isnan(values), "too long", "")
    return rows.assign(prediction=values, problem=problem)


def test_the_ranking_says_everything_of_a_variant(found: pd.DataFrame) -> None:
    measured = pd.DataFrame({"measured": np.nan, "part": ""}, index=found.index)
    measured.loc[3] = [1.5, "test"]
    table = rank_variants(found, "prediction", regions=REGIONS, first_number=10, measured=measured)
    assert table.columns.tolist() == [
        "mutation", "prediction", "change", "epistasis", "region", "measured", "part", "problem",
    ]  # fmt: skip
    assert table["prediction"].iloc[:-1].is_monotonic_decreasing
    assert table["mutation"].iloc[-1] == found["mutation"].iloc[5]
    rows = table.set_index("mutation")
    own = found["prediction"].iloc[0]
    assert rows.loc["K11G", "change"] == rows.loc["K11G", "prediction"] - own
    assert rows["epistasis"].notna().sum() == 361
    assert rows.loc[["WT", "M10G", "K11G", "K11G:A13G", "Y14G"], "region"].tolist() == [
        "", "FR-H1", "CDR-H1", "CDR-H1, FR-H2", "FR-H2",
    ]  # fmt: skip
    assert rows.loc[found["mutation"].iloc[3], ["measured", "part"]].tolist() == [1.5, "test"]


def test_columns_that_say_nothing_are_left_out(found: pd.DataFrame) -> None:
    plain = found[~found["mutation"].str.contains(":")].drop(index=5)
    unknown = pd.DataFrame({"measured": np.nan, "part": ""}, index=plain.index)
    assert rank_variants(plain, "prediction", measured=unknown).columns.tolist() == ["mutation", "prediction", "change"]


@pytest.mark.parametrize(
    ("size", "search", "expected"),
    [
        ("all", "", 1 + 95 + 361), ("single", "", 95), ("double", "", 361), ("all", "11", 19 + 361),
        ("single", "k11", 19), ("all", "K11G", 1 + 19), ("single", "13g", 1), ("double", "11 13", 361),
        ("double", "11 12", 0), ("single", "cdr", 38), ("all", "wt", 1), ("all", "1", 0), ("all", "(", 0),
    ],
)  # fmt: skip
def test_variants_are_found(found: pd.DataFrame, size: str, search: str, expected: int) -> None:
    ranking = rank_variants(found, "prediction", regions=REGIONS, first_number=10)
    assert len(pick_variants(ranking, size=size, search=search)) == expected


def test_orders(found: pd.DataFrame) -> None:
    ranking = rank_variants(found, "prediction")
    assert pick_variants(ranking)["prediction"].iloc[0] == ranking["prediction"].max()
    lowest = pick_variants(ranking, order="lowest")
    assert lowest["prediction"].iloc[:-1].is_monotonic_increasing
    assert np.isnan(lowest["prediction"].iloc[-1])
    assert pick_variants(ranking, order="change")["change"].abs().iloc[:-1].is_monotonic_decreasing
    assert pick_variants(ranking, order="epistasis")["epistasis"].abs().iloc[:361].dropna().is_monotonic_decreasing


def test_fasta_is_read_back_by_name_and_value(found: pd.DataFrame) -> None:
    top = rank_variants(found, "prediction").head(3)
    back = read_fasta(variants_fasta(top, found, ["sequence"]), "scan.fasta")
    by_mutation = found.set_index("mutation")
    assert back["id"].tolist() == top["mutation"].tolist()
    assert back["sequence"].tolist() == by_mutation.loc[top["mutation"], "sequence"].tolist()
    assert back["prediction"].astype(float).tolist() == top["prediction"].tolist()
    assert variants_fasta(top.head(0), found, ["sequence"]) == ""


def test_no_line_of_fasta_is_a_formula() -> None:
    rows = scan_rows("MK" * 40, column="=1+1\n>x", kept={"light": "DIQ"})
    table = rows.assign(**{"p_=cmd\n-2": 0.5})
    text = variants_fasta(rank_variants(table, "p_=cmd\n-2").head(2), table, ["=1+1\n>x", "light"])
    lines = text.splitlines()
    assert len(lines) == 2 * (1 + 2 + 1 + 1)
    assert all(line[0] in ">" + RESIDUES for line in lines)
    assert sum(line.startswith(">") for line in lines) == 4
    cells = pd.read_csv(StringIO(text), header=None, sep="\t")
    pd.testing.assert_frame_equal(neutralise(cells), cells)


def test_the_grid_leaves_as_positions_by_residues(found: pd.DataFrame) -> None:
    effects = single_effects(found, WILD, first_number=10)
    table = grid_table(effects)
    assert table.columns.tolist() == ["position", "wild_type", *RESIDUES]
    assert table["position"].tolist() == [10, 11, 12, 13, 14]
    assert "".join(table["wild_type"]) == WILD
    assert table.loc[1, "G"] == effects.grid.loc["G", 11]


def test_the_class_of_the_wild_type_comes_first() -> None:
    found = pd.DataFrame({"mutation": ["M1G", "WT"], "p_a": [0.9, 0.2], "p_b": [0.1, 0.8]})
    assert favoured_class(found, ["a", "b"]) == "b"
    assert favoured_class(found.assign(p_a=np.nan, p_b=np.nan), ["a", "b"]) == "a"
