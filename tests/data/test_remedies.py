"""Remedies for what laboratories write: each is offered, changes what it says, and what is left has no such problem."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from molfun.data.checks import check_table
from molfun.data.recipe import apply_recipe, parse_recipe
from molfun.data.remedies import candidates
from molfun.data.settings import ColumnSettings
from molfun.data.tables import file_rows

LETTERS = "ACDEFGHIKLMNPQRSTVWYX"
COLUMNS = ColumnSettings(sequence=["sequence"], target="y")
SEQS = ["MKTAYIAKQR", "EVQLVESGGG", "GSHMLEDPVD"] * 4
VALUES = [float(i) + 0.5 for i in range(12)]


def table(sequences: list[str] | None = None, values: list[Any] | None = None, **more: list[Any]) -> pd.DataFrame:
    frame = pd.DataFrame({"sequence": sequences or SEQS, "y": values or VALUES, **more})
    frame.attrs["first_row"] = 2
    return frame


def first_remedy(frame: pd.DataFrame, columns: ColumnSettings = COLUMNS) -> tuple[str, pd.DataFrame]:
    """Return the title of the remedy that is offered first, and the table after it."""
    step, count = candidates(frame, columns, letters=LETTERS, max_residues=510)[0]
    assert count > 0
    return step.title(), apply_recipe(frame, parse_recipe([step.model_dump(mode="json")]))[0]


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ("HIS-{}", "names of tags"), ("{}*", "stops at the end"), ("{}(Ox)", "remarks in brackets"),
        ("'{}'", "quotation marks"), (" {} ", ""), ("{}\n", ""), ("1 {} 10", "blanks and digits"),
    ],
)  # fmt: skip
def test_what_stands_around_sequences_goes(form: str, said: str) -> None:
    frame = table([form.format(seq) for seq in SEQS])
    if said:
        title, frame = first_remedy(frame)
        assert said in title
    problems = check_table(frame, COLUMNS, letters=LETTERS, max_residues=510)
    assert not [problem for problem in problems if problem.column == "sequence"]
    assert frame["sequence"].str.strip().tolist() == SEQS


def test_phosphorylated_residues_are_not_read_as_proline() -> None:
    title, cleaned = first_remedy(table([f"AKpS{seq}" for seq in SEQS]))
    assert "phosphorylation" in title
    assert cleaned["sequence"].tolist() == [f"AKS{seq}" for seq in SEQS]


def test_dna_is_translated_and_a_part_of_a_codon_leaves_nothing() -> None:
    codons = {"M": "ATG", "K": "AAA", "T": "ACC"}
    dna = ["".join(codons[letter] for letter in text) for text in ("MKTMKTMK", "TTTTKKKM", "KKMMTTKK")] * 4
    title, cleaned = first_remedy(table([*dna[:-1], dna[-1] + "A"]))
    assert title == "Translate the DNA in 'sequence' into protein"
    assert cleaned["sequence"].tolist() == ["MKTMKTMK", "TTTTKKKM", "KKMMTTKK"] * 3 + ["MKTMKTMK", "TTTTKKKM", ""]


def test_two_chains_of_a_cell_get_columns_of_their_own() -> None:
    title, cleaned = first_remedy(table([f"{seq}:{seq[::-1]}" for seq in SEQS]))
    assert title == "Part the chains in 'sequence' at ':'"
    assert cleaned["sequence_1"].tolist() == SEQS
    assert cleaned["sequence_2"].tolist() == [seq[::-1] for seq in SEQS]


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["0.5 uM", "20 nM", "30nM", "<1 nM"] * 3, ["500", "20", "30", "<1"] * 3),
        (["5 nM", "6 nM"] * 6, ["5", "6"] * 6),
        (["8.4 ± 0.1", "8.5 (0.2)", "8.6 +/- 1", "3"] * 3, ["8.4", "8.5", "8.6", "3"] * 3),
        (["8.4*", "8.5†", "7"] * 4, ["8.4", "8.5", "7"] * 4),
    ],
)
def test_numbers_with_more_in_their_cells_are_read(cells: list[str], expected: list[str]) -> None:
    assert first_remedy(table(values=cells))[1]["y"].tolist() == expected


def test_units_of_different_things_are_not_turned_and_not_forgotten() -> None:
    steps = candidates(table(values=["5 nM", "6 s"] * 6), COLUMNS, letters=LETTERS, max_residues=510)
    assert not [step for step, _ in steps if step.kind == "numbers"]


def test_the_unit_beside_each_number_counts() -> None:
    frame = table(values=[5.0, 0.5, 7.0] * 4, unit=["nM", "uM", "nM"] * 4)
    (problem,) = [p for p in check_table(frame, COLUMNS, letters=LETTERS, max_residues=510) if p.column == "y"]
    assert "several units (nM, uM)" in problem.message
    _, cleaned = first_remedy(frame)
    assert cleaned["y"].tolist() == [5.0, 500.0, 7.0] * 4
    assert set(cleaned["unit"]) == {"nM"}


def test_replicates_are_averaged_over_those_that_are_there() -> None:
    frame = table(values=[1.0, 2.0, None] * 4, **{"rep1": [1.0, 2.0, None] * 4, "rep2": [2.0, None, None] * 4})
    columns = ColumnSettings(sequence=["sequence"], target="rep2")
    title, cleaned = first_remedy(frame.drop(columns="y"), columns)
    assert title == "Take the mean of 'rep1', 'rep2' as 'mean'"
    assert cleaned["mean"].tolist()[:2] == [1.5, 2.0]
    assert cleaned["mean"].isna().tolist()[:3] == [False, False, True]


def test_a_mask_takes_labels_away_and_a_wrong_one_none() -> None:
    frame = table(["MKTAY", "EVQLV"] * 6, ["HHHCC", "CCCHH"] * 6, mask=["11100", "11111"] * 6)
    columns = ColumnSettings(sequence=["sequence"], target="y", task="per_residue")
    assert any("looks like a mask" in p.message for p in check_table(frame, columns, letters=LETTERS, max_residues=510))
    _, cleaned = first_remedy(frame, columns)
    assert cleaned["y"].tolist()[:2] == [["H", "H", "H", "?", "?"], ["C", "C", "C", "H", "H"]]
    assert "mask" not in {step.kind for step, _ in candidates(cleaned, columns, letters=LETTERS, max_residues=510)}
    steps = candidates(frame.assign(mask=["111"] * 12), columns, letters=LETTERS, max_residues=510)
    assert "mask" not in {step.kind for step, _ in steps}


def test_rows_of_no_known_class_are_left_out() -> None:
    frame = table(values=["low", "high", "?"] * 4)
    columns = ColumnSettings(sequence=["sequence"], target="y", task="classification")
    title, cleaned = first_remedy(frame, columns)
    assert title == "Leave out rows with nothing in 'sequence' or 'y'"
    assert cleaned["y"].tolist() == ["low", "high"] * 4


@pytest.mark.parametrize(
    ("sequence", "value", "below"),
    [
        ("Mean", 3.5, True), ("SD", 0.5, True), ("Notes: at 25 C", None, True), ("* outlier", None, True),
        ("MKTAYIAKQRQ", None, False), ("MKTAYIAKQR", 4.5, False), ("MEAN", 2.5, True), ("", None, False),
    ],
)  # fmt: skip
def test_rows_below_a_table_are_named_and_left_out(sequence: str, value: float | None, below: bool) -> None:
    frame = table([*SEQS, sequence], [*VALUES, value])
    found = [
        p for p in check_table(frame, COLUMNS, letters=LETTERS, max_residues=510) if "below the table" in p.message
    ]
    assert [problem.row for problem in found] == [14] * below
    if below:
        title, cleaned = first_remedy(frame)
        assert title == "Leave out notes, means and sums below the table"
        assert file_rows(cleaned).tolist() == list(range(2, 14))


def test_a_table_of_words_has_no_footer() -> None:
    frame = table(["some words"] * 12, [None] * 12)
    assert not [p for p in check_table(frame, COLUMNS, letters=LETTERS, max_residues=510) if "below" in p.message]


@pytest.mark.parametrize(("cell", "is_offered"), [(None, False), ("n.d.", True), (float("inf"), True)])
def test_rows_without_a_number_are_named_where_something_else_stands_there(cell: Any, is_offered: bool) -> None:
    steps = [step for step, _ in candidates(table(values=[*VALUES[:-1], cell]), COLUMNS, letters=LETTERS,
                                            max_residues=510)]  # fmt: skip
    titles = [step.title() for step in steps]
    assert ("Leave out rows without a number in 'y'" in titles) is is_offered
    assert ("Leave out rows with nothing in 'sequence' or 'y'" in titles) is not is_offered
