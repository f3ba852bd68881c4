"""Problems of a table: each with its row of the file, column, value and advice."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from molfun.adapters.alphabet import ANTIBERTY, ESM2
from molfun.data.checks import MIN_ROWS, Problem, check_table
from molfun.data.settings import ColumnSettings
from molfun.data.tables import read_table

REGRESSION = ColumnSettings(sequence=["seq"], target="y")
CLASSES = ColumnSettings(sequence=["seq"], target="y", task="classification")
RESIDUES = ColumnSettings(sequence=["seq"], target="y", task="per_residue")


def table(**changed: dict[int, object]) -> pd.DataFrame:
    """Return a good table of 12 rows, with some cells changed; row 0 is row 2 of its file."""
    letters = "ACDEFGHIKLMNPQRSTVWY"
    columns = {"seq": [letters[i:] + letters[:i] for i in range(12)], "y": [0.5 * i for i in range(12)]}
    frame = pd.DataFrame(columns).astype(object)
    for name, cells in changed.items():
        for row, cell in cells.items():
            frame.at[row, name] = cell
    frame.attrs["first_row"] = 2
    return frame


def find(
    frame: pd.DataFrame, columns: ColumnSettings = REGRESSION, alphabet=ANTIBERTY, limit: int = 510
) -> list[Problem]:
    return check_table(frame, columns, letters=alphabet.letters, max_residues=limit)


def test_check_table_finds_nothing_in_a_good_table():
    assert find(table()) == []


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("ACJDE", "letter 'J' at position 3 is a rare or ambiguous residue"),
        ("ACDE*", r"letter '\*' at position 5 is a stop; remove the row, or only the '\*'"),
        ("AC-DE", "letter '-' at position 3 is a gap; the model reads unaligned sequences"),
        ("acxde", "letter 'x' at position 3 is an unknown residue"),
        ("AC DE", "letter ' ' at position 3 is a blank"),
        ("AC1DE", "letter '1' at position 3 is a number; remove it"),
        ("ÄCD", "letter 'Ä' at position 1 is no residue"),
        ("", "expected a sequence, found nothing"),
        (None, "expected a sequence, found nothing"),
    ],
)  # fmt: skip
def test_check_table_names_row_and_position_of_a_bad_letter(cell, message):
    (problem,) = [p for p in find(table(seq={3: cell})) if p.severity == "error"]
    assert (problem.row, problem.column) == (5, "seq")
    assert problem.message.startswith("Row 5, column 'seq': ")
    with pytest.raises(AssertionError, match=message):
        raise AssertionError(problem.message)


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("high", "Row 6, column 'y': expected a finite number, found 'high'; correct or remove the row."),
        (
            "1,5",
            "Row 6, column 'y': expected a finite number, found '1,5'; write a decimal point instead of the comma.",
        ),
        (
            ">4",
            "Row 6, column 'y': expected a finite number, found '>4'; "
            "a bound is no number; replace it or remove the row.",
        ),
        (np.inf, "Row 6, column 'y': expected a finite number, found inf; correct or remove the row."),
        (
            "MKT" * 100,
            f"Row 6, column 'y': expected a finite number, found '{'MKT' * 9}M…T{'MKT' * 9}'; "
            "correct or remove the row.",
        ),
        (None, "Row 6, column 'y': expected a target, found nothing; fill it in or remove the row."),
        (np.nan, "Row 6, column 'y': expected a target, found nothing; fill it in or remove the row."),
    ],
)  # fmt: skip
def test_check_table_refuses_what_is_no_number(cell, message):
    (problem,) = find(table(y={4: cell}))
    assert (problem.severity, problem.message, problem.row) == ("error", message, 6)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (ColumnSettings(sequence=["sq"], target="y"), "no column 'sq', did you mean 'seq'?"),
        (ColumnSettings(sequence=["seq"], target="label"), "no column 'label'; the columns are: seq, y."),
        (ColumnSettings(target="y"), "No sequence column is chosen"),
        (ColumnSettings(sequence=["seq"]), "No target column is chosen"),
        (ColumnSettings(sequence=["seq"], target="seq"), "Column 'seq' is chosen twice"),
    ],
)
def test_check_table_refuses_missing_columns(columns, message):
    (problem,) = find(table(), columns)
    assert problem.severity == "error"
    assert message in problem.message


def test_check_table_takes_a_question_mark_for_no_class():
    cells = dict.fromkeys(range(12), "low") | dict.fromkeys(range(6), "high") | {3: "?", 4: " ? "}
    problems = [p for p in find(table(y=cells), CLASSES) if p.severity == "error"]
    assert [(p.row, p.column, p.value) for p in problems] == [(5, "y", "?"), (6, "y", "?")]
    assert "expected a class, found '?', which says that none is known; fill it in" in problems[0].message


def test_check_table_refuses_a_constant_target_and_a_single_class():
    same = dict.fromkeys(range(12), 2.5)
    assert "is 2.5 in every row" in find(table(y=same))[0].message
    assert "has one class, '2.5'" in find(table(y=same), CLASSES)[0].message


@pytest.mark.parametrize("num_rows", [1, MIN_ROWS - 1])
def test_check_table_refuses_few_rows(num_rows):
    problems = find(table().head(num_rows))
    assert f"The table has {num_rows} row" in problems[0].message
    assert problems[0].severity == "error"
    assert not any("few" in p.message for p in find(table().head(MIN_ROWS)))


@pytest.mark.parametrize(
    ("policy", "severity", "text"),
    [
        ("refuse", "error", "Row 2, column 'seq': the sequence has 20 residues, the model takes 19"),
        ("crop", "warning", "12 of 12 sequences exceed 19 residues; their first ones are used"),
        ("window", "warning", "their middle ones are used"),
        ("skip", "warning", "their rows are left out"),
    ],
)
def test_check_table_applies_the_policy_for_long_sequences(policy, severity, text):
    problem = find(table(), REGRESSION.model_copy(update={"too_long": policy}), limit=19)[0]
    assert problem.severity == severity
    assert text in problem.message
    assert find(table(), limit=20) == []


def test_check_table_lists_twenty_of_a_kind_and_counts_the_rest():
    frame = pd.concat([table()] * 3, ignore_index=True)
    frame["seq"] = "ACD1" + frame["seq"]
    problems = [p for p in find(frame) if p.severity == "error"]
    assert len(problems) == 21
    assert problems[-1].message == "... and 16 more rows with the same problem."
    assert problems[-1].row is None


def test_check_table_warns_of_duplicates_and_conflicts():
    seq = table()["seq"][0]
    problems = find(table(seq={5: seq, 6: seq.lower()}, y={5: 0.0}))
    assert [(p.severity, p.row) for p in problems if "row 2" in p.message] == [("warning", 7), ("warning", 8)]
    assert "Row 7 repeats row 2 exactly" in problems[1].message
    assert "Row 8 has the sequence of row 2 with another target" in problems[2].message


def test_check_table_warns_of_small_classes():
    problems = find(table(y={row: "rare" if row < 4 else "common" for row in range(12)}), CLASSES)
    assert [(p.severity, p.value) for p in problems] == [("warning", "rare")]


def test_check_table_accepts_x_where_the_model_knows_it():
    (problem,) = find(table(seq={0: "ACXDE"}), alphabet=ESM2)
    assert problem.severity == "warning"
    assert "1 of 12 sequences has X" in problem.message


def test_check_table_warns_of_dna_and_lower_case():
    frame = table(seq={row: "acgtacgtaa" + "acgt" * row for row in range(12)})
    texts = [p.message for p in find(frame)]
    assert any("translate it first" in text for text in texts)
    assert any("12 of 12 sequences have lower-case letters" in text for text in texts)


def test_check_table_compares_labels_with_residues():
    frame = table(y=dict.fromkeys(range(12), "HC" * 10))
    assert find(frame, RESIDUES) == []
    frame.at[7, "y"] = "HC"
    (problem,) = find(frame, RESIDUES)
    expected = (
        "Row 9, column 'y': expected one label for each of the 20 residues, found 2; correct the labels or remove "
    )
    assert problem.message == f"{expected}the row."


def test_check_table_speaks_of_the_rows_of_the_file(tmp_path):
    lines = [f"{'ACDEFGHIKL'[i:]}MNPQ,{i}" for i in range(10)]
    (tmp_path / "t.csv").write_text("\n".join(["seq,y", *lines[:4], "", *lines[4:9], "AC?DE,3.5"]))
    (problem,) = find(read_table(tmp_path / "t.csv"))
    assert (problem.row, problem.value) == (12, "?")


def test_columns_of_a_table_are_no_structures():
    (problem,) = find(table(), REGRESSION.model_copy(update={"task": "structure"}))
    assert (problem.severity, problem.column) == ("error", "y")
    assert "needs a measured structure a row, but this is a column of a table" in problem.message
