"""Exports: nothing that a spreadsheet would run leaves, numbers are untouched, and the way back is exact."""

from __future__ import annotations

import io

import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from molfun.data.exports import neutralise, neutralise_text, restore, to_csv

SIGNS = "=+-@＝＋－＠"
TEXTS = st.text(alphabet=st.sampled_from(SIGNS + "'\t\r\n; \u00a0\u200b\ufeffa1.,\"|"), max_size=12)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("=HYPERLINK(A1)", "'=HYPERLINK(A1)"),
        ("+cmd|' /C calc'!A0", "'+cmd|' /C calc'!A0"),
        ("-A1", "'-A1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("  =1", "'  =1"),
        ("\u00a0\u200b=1", "'\u00a0\u200b=1"),
        ("＝1+1", "'＝1+1"),
        ("\t=1", "'\t'=1"),
        ("\rfine", "'\rfine"),
        ("a;=1", "a;'=1"),
        ("two\n-lines", "two\n'-lines"),
        ("'=1", "''=1"),
    ],
)
def test_a_formula_gets_an_apostrophe(text: str, written: str) -> None:
    assert neutralise_text(text) == written


@pytest.mark.parametrize("text", ["-1.5", "+3e-05", " -2 ", ".5", "MKTAYIAK", "A1G", "a=b", "mail@lab", "", "'quoted'"])
def test_what_no_program_runs_stays(text: str) -> None:
    assert neutralise_text(text) == text


@given(TEXTS)
@example("'\t=1;'")
def test_no_part_of_a_cell_begins_a_formula(text: str) -> None:
    """Judged by another rule than the code's: strip what programs skip, then look at the first sign."""
    written = neutralise_text(text)
    for part in written.replace(";", "\n").replace("\t", "\n").replace("\r", "\n").split("\n"):
        bare = part.strip(" \u00a0\u200b\ufeff")
        assert not bare or bare[0] not in SIGNS or is_number(bare)
    assert written[:1] not in ("\t", "\r", "\n")


def is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return "_" not in text


@given(st.lists(TEXTS, min_size=1, max_size=4))
def test_restore_gives_the_table_back(texts: list[str]) -> None:
    frame = pd.DataFrame({"=name": texts, "value": [float(i) for i in range(len(texts))]})
    pd.testing.assert_frame_equal(restore(neutralise(frame)), frame, check_dtype=False)


def test_numbers_dates_and_gaps_are_untouched_and_the_table_itself_too() -> None:
    frame = pd.DataFrame(
        {
            "value": [-1.5, 2.0],
            "count": [-1, 2],
            "when": pd.to_datetime(["2026-01-01", None]),
            "kind": pd.Categorical(["=a", "b"]),
            "note": [None, "-x"],
            "list": [[-1, 2], [3]],
        }
    )
    before = frame.copy(deep=True)
    safe = neutralise(frame)
    assert safe[["value", "count", "when"]].equals(frame[["value", "count", "when"]])
    assert safe["kind"].tolist() == ["'=a", "b"]
    assert safe["note"].dropna().tolist() == ["'-x"]
    assert safe["list"].tolist() == [[-1, 2], [3]]
    pd.testing.assert_frame_equal(frame, before)


def test_csv_of_a_table_reads_back() -> None:
    frame = pd.DataFrame({"@id": ["=1+1", "ok"], "prediction": [-0.25, 1.0]})
    text = to_csv(frame)
    assert text == "'@id,prediction\n'=1+1,-0.25\nok,1.0\n"
    pd.testing.assert_frame_equal(restore(pd.read_csv(io.StringIO(text))), frame, check_dtype=False)


def test_an_empty_table_is_a_header() -> None:
    assert to_csv(pd.DataFrame({"=a": []})) == "'=a\n"
    assert to_csv(pd.DataFrame()).strip() == ""
