"""Recipes: each step changes what it says and no more, names the rows, and does the same to new data."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from molfun.data.checks import check_table
from molfun.data.recipe import apply_recipe, dump_recipe, parse_recipe
from molfun.data.remedies import candidates
from molfun.data.settings import ColumnSettings
from molfun.data.tables import file_rows, read_table
from molfun.errors import DataError

LETTERS = "ACDEFGHIKLMNPQRSTVWYX"
COLUMNS = ColumnSettings(sequence=["sequence"], target="y")
WILD_TYPE = "MKTAYIAKQR"


def table(sequences: list[Any], values: list[Any]) -> pd.DataFrame:
    frame = pd.DataFrame({"sequence": sequences, "y": pd.Series(values, dtype=object)})
    frame.attrs["first_row"] = 2
    return frame


def done(frame: pd.DataFrame, *steps: dict[str, Any]) -> tuple[pd.DataFrame, list[tuple[int, str, str, str]]]:
    cleaned, changes = apply_recipe(frame, parse_recipe(list(steps)))
    return cleaned, [tuple(change) for changed in changes for change in changed]


@pytest.mark.parametrize(
    ("step", "cells", "expected", "changes"),
    [
        ({"kind": "letters", "remove": "gaps"}, ["AC--DE", "A.C", "ACD"], ["ACDE", "AC", "ACD"], 2),
        ({"kind": "letters", "remove": "stops"}, ["ACD*", "AC*D", "ACD**"], ["ACD", "AC*D", "ACD"], 2),
        ({"kind": "letters", "remove": "blanks"}, ["AC DE\n10 GH", "ACD"], ["ACDEGH", "ACD"], 1),
    ],
)
def test_letters_are_cleaned(step: dict[str, Any], cells: list[str], expected: list[str], changes: int) -> None:
    frame = table(cells, [1.0] * len(cells))
    cleaned, found = done(frame, {**step, "columns": ["sequence"]})
    assert cleaned["sequence"].tolist() == expected
    assert len(found) == changes
    assert frame["sequence"].tolist() == cells  # a copy
    assert (
        found[0] == (2, "sequence", " ".join(cells[0].split("\n")).replace("\n", "�"), expected[0]) or "\n" in cells[0]
    )


@pytest.mark.parametrize(
    ("read", "cells", "expected"),
    [
        (
            "commas",
            ["1,5", "-0,25", "1,000,5", "x", "2.5", "1,5e-3"],
            ["1.5", "-0.25", "1,000,5", "x", "2.5", "1.5e-3"],
        ),
        ("units", ["12.3 nM", "5%", "37 °C", "1.2 kcal/mol", "12 apples"], ["12.3", "5", "37", "1.2", "12 apples"]),
        ("bounds", ["<5", "> 100", "<=2.5", "~7", "<x", "5"], ["5", "100", "2.5", "7", "<x", "5"]),
    ],
)
def test_numbers_are_read_as_they_were_meant(read: str, cells: list[str], expected: list[str]) -> None:
    cleaned, found = done(table(["ACD"] * len(cells), cells), {"kind": "numbers", "column": "y", "read": read})
    assert cleaned["y"].tolist() == expected
    assert len(found) == sum(a != b for a, b in zip(cells, expected, strict=True))


@pytest.mark.parametrize(
    ("step", "kept"),
    [
        ({"why": "missing", "columns": ["sequence", "y"]}, [2, 3, 4, 5, 8]),
        ({"why": "letters", "columns": ["sequence"], "letters": LETTERS}, [2, 4, 5, 6, 7, 8]),
        ({"why": "longer", "columns": ["sequence"], "longest": 4}, [2, 3, 5, 6, 7, 8]),
        ({"why": "number", "columns": ["y"]}, [2, 3, 4, 8]),
        ({"why": "copies", "columns": ["sequence", "y"]}, [2, 3, 4, 5, 6, 7]),
    ],
)
def test_rows_are_left_out_with_their_numbers(step: dict[str, Any], kept: list[int]) -> None:
    frame = table(["ACD", "AC1", "ACDEF", "AC", "AC", None, "acd "], [1.0, 2.0, "3", "x", None, float("nan"), 1.0])
    cleaned, found = done(frame, {"kind": "drop", **step})
    assert file_rows(cleaned).tolist() == kept
    assert sorted([change[0] for change in found] + kept) == list(range(2, 9))


def test_values_of_one_sequence_are_merged() -> None:
    frame = table(["ACD", "CCC", "acd", "CCC", "DDD"], [1.0, "2", 3.0, "2", 5.0])
    cleaned, found = done(frame, {"kind": "merge", "columns": ["sequence"], "target": "y", "how": "mean"})
    assert cleaned["y"].tolist() == [2.0, "2", "2", 5.0]  # copies with one value are no conflict
    assert file_rows(cleaned).tolist() == [2, 3, 5, 6]
    assert found == [(2, "y", "1.0", "2"), (4, "sequence", "acd", "")]
    dropped, _ = done(frame, {"kind": "merge", "columns": ["sequence"], "target": "y", "how": "drop"})
    assert file_rows(dropped).tolist() == [3, 5, 6]
    with pytest.raises(DataError, match=r"Row 4, column 'y': expected a number to merge"):
        done(table(["A", "C", "A"], [1.0, 2.0, "x"]), {"kind": "merge", "columns": ["sequence"], "target": "y"})


def test_sequences_are_built_from_mutations() -> None:
    frame = pd.DataFrame({"mutant": ["M1A", "WT", "A2G"], "y": [1.0, 2.0, 3.0]})
    frame.attrs["first_row"] = 2
    step = {"kind": "mutations", "column": "mutant", "wild_type": "mktay iakqr"}
    cleaned, found = done(frame, step)
    assert cleaned["sequence"].tolist() == ["A" + WILD_TYPE[1:], WILD_TYPE, None]
    assert found[0] == (2, "sequence", "M1A", "A" + WILD_TYPE[1:])
    with pytest.raises(DataError, match="Sequences from the mutations in 'mutnt': the table has no column 'mutnt'"):
        done(frame, {**step, "column": "mutnt"})


def test_a_recipe_that_leaves_nothing_is_refused() -> None:
    with pytest.raises(DataError, match="with more than 2 residues: no row is left; take this step back"):
        done(table(["ACD"], [1.0]), {"kind": "drop", "why": "longer", "columns": ["sequence"], "longest": 2})


@pytest.mark.parametrize(
    "values", [None, "x", {"kind": "drop"}, [{"kind": "run"}], [{"kind": "letters"}], [{"kind": "drop"}] * 51, [1]]
)
def test_what_is_no_recipe_is_refused(values: Any) -> None:
    with pytest.raises(DataError, match="recipe"):
        parse_recipe(values)


def test_all_remedies_together_make_a_table_that_can_be_trained_on(tmp_path: Any) -> None:
    lines = ["sequence;y", "ACDEF GHIK;1,5", "ACDEFGHIKL*;2,5", "AC-DEFGHIK;<3", "ACDEFGHIZU;1", ";2", "ACDEFGHIKM;"]
    lines += ["ACDEFGHIKN;12 nM", "ACDEFGHIKN;14 nM", "ACDEFGHIKP;x", "ACDEFGHIKQ;1", "ACDEFGHIKQ;1", f"{'A' * 60};1"]
    lines += [f"ACDEFGHI{a}{b};{i}" for i, (a, b) in enumerate(("RS", "ST", "TV", "VW", "WY", "YA", "AC", "CD"))]
    path = tmp_path / "ugly.csv"
    path.write_text("\n".join(lines))
    frame = read_table(path)
    seen = []
    # One remedy after the other, each chosen from what is offered for the table as it is then.
    while steps := candidates(frame, COLUMNS, letters=LETTERS, max_residues=50):
        step, count = steps[0]
        seen.append(step.title())
        frame, (changed,) = apply_recipe(frame, [step])
        assert len({change.row for change in changed}) == count
    problems = check_table(frame, COLUMNS, letters=LETTERS, max_residues=50)
    assert [p.message for p in problems if p.severity == "error"] == []
    assert len(seen) >= 8
    assert frame["y"].astype(float).notna().all()
    merged = frame.loc[frame["sequence"] == "ACDEFGHIKN", "y"]
    assert merged.tolist() == [13.0]


def test_a_recipe_survives_being_written() -> None:
    frame = table(["AC-D", "ACD*", None], ["1,5", "<3", "2"])
    steps = candidates(frame, COLUMNS, letters=LETTERS, max_residues=50)
    assert [(step.kind, count) for step, count in steps] == [
        ("letters", 1), ("letters", 1), ("numbers", 1), ("numbers", 1), ("drop", 1), ("drop", 2), ("drop", 2),
    ]  # fmt: skip
    assert parse_recipe(dump_recipe([step for step, _ in steps])) == [step for step, _ in steps]
