"""Mutations as people write them, the sequences they stand for, and what is refused."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from molfun.data.mutations import (
    apply_mutations,
    consensus,
    differences,
    guess_first_number,
    looks_like_mutations,
    parse_mutations,
    read_sequences,
)
from molfun.errors import DataError

WILD_TYPE = "MQYKLILNGKTLKGETTTEAVDAATAEKVFKQYANDNGVDGEWTYDDATKTFTVTE"
RESIDUES = "ACDEFGHIKLMNPQRSTVWY"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A24G", "A24G"),
        (" a24g ", "A24G"),
        ("V39D:G41C", "V39D G41C"),
        ("V39D;G41C", "V39D G41C"),
        ("V39D, G41C", "V39D G41C"),
        ("V39D/G41C", "V39D G41C"),
        ("V39D+G41C", "V39D G41C"),
        ("V39D_G41C", "V39D G41C"),
        ("V39D-G41C", "V39D G41C"),
        ("V39D G41C A1M", "V39D G41C A1M"),
        ("p.Val39Asp", "V39D"),
        ("p.(Val39Asp)", "V39D"),
        ("VAL39ASP", "V39D"),
        ("p.[Val39Asp;Gly41Cys]", "V39D G41C"),
        ("p.Val39=", "V39V"),
        ("A-3G", "A-3G"),
        ("A0G", "A0G"),
        ("WT", ""),
        ("_wt", ""),
        ("p.=", ""),
        ("Wild type", ""),
    ],
)
def test_parse_mutations_reads_what_public_tables_have(text: str, expected: str) -> None:
    assert " ".join(map(str, parse_mutations(text))) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("A24", "'A24' lacks a letter; expected the residue before, its number, the residue after"),
        ("24G", "'24G' lacks a letter"),
        ("hello", "'hello' is no mutation; expected one such as A24G"),
        ("A24del", "'A24del' is no substitution; give the whole sequence instead"),
        ("p.Lys23_Val25del", "is no substitution"),
        ("A24*", "'A24\\*' is a stop; give the shortened sequence instead, or remove the row"),
        ("p.Trp26Ter", "'Trp26Ter' is a stop"),
        ("B24G", "'B24G' names no residue 'B'"),
        ("Xyz24Gly", "names no residue 'Xyz'"),
        ("A24GLY", "is no mutation"),
        ("A24G:A24V", "residue 24 is mutated twice in 'A24G:A24V'; name it once"),
        (" ; ", "expected mutations such as A24G, or WT for the wild type, found nothing"),
        ("A2G:" * 5_000, "expected mutations such as A24G or V39D:G41C, found 20,000 characters"),
    ],
)
def test_parse_mutations_refuses(text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        parse_mutations(text)


@given(st.data())
def test_a_sequence_and_its_differences_say_the_same(data: st.DataObject) -> None:
    first = data.draw(st.integers(-5, 300))
    mutant = list(WILD_TYPE)
    for place in data.draw(st.sets(st.integers(0, len(WILD_TYPE) - 1), max_size=6)):
        mutant[place] = data.draw(st.sampled_from(RESIDUES))
    found = differences("".join(mutant), WILD_TYPE, first)
    separator = data.draw(st.sampled_from([":", ";", ", ", "/", "_"]))
    text = separator.join(map(str, found)) or "WT"
    assert apply_mutations(WILD_TYPE, parse_mutations(text), first) == "".join(mutant)


@pytest.mark.parametrize("first", [1, 0, 24, -3])
def test_the_numbering_is_found(first: int) -> None:
    mutations = [m for place in (3, 9, 20) for m in parse_mutations(f"{WILD_TYPE[place]}{place + first}G")]
    assert guess_first_number(WILD_TYPE, mutations) == first


def test_one_wrong_mutation_does_not_move_the_numbering() -> None:
    texts = [f"{letter}{number}G" for number, letter in enumerate(WILD_TYPE, start=1) if letter != "G"]
    assert guess_first_number(WILD_TYPE, [m for text in [*texts, "W1G"] for m in parse_mutations(text)]) == 1
    assert guess_first_number(WILD_TYPE, []) is None
    assert guess_first_number("AAAA", parse_mutations("W3G")) is None


def test_read_sequences_names_every_row_that_does_not_fit() -> None:
    frame = pd.DataFrame({"mutant": ["M1A", "WT", "A2G", "Q99A", None, "Q2del", "Q2A:Y3C"]})
    frame.attrs["first_row"] = 2
    sequences, problems = read_sequences(frame, "mutant", WILD_TYPE)
    assert sequences[0] == "A" + WILD_TYPE[1:]
    assert sequences[1] == WILD_TYPE
    assert sequences[6] == "MAC" + WILD_TYPE[3:]
    assert sequences[2:6] == ["", "", "", ""]
    assert [(problem.row, problem.value) for problem in problems] == [(4, "A2G"), (5, "Q99A"), (6, ""), (7, "Q2del")]
    assert problems[0].message == (
        "Row 4, column 'mutant': A2G expects A, but residue 2 is Q; correct it or remove the row."
    )
    assert "Q99A lies outside the wild type, whose residues are 1 to 56" in problems[1].message


def test_a_thousand_wrong_rows_are_counted() -> None:
    problems = read_sequences(pd.DataFrame({"mutant": ["A2G"] * 1_000}), "mutant", WILD_TYPE)[1]
    assert len(problems) == 21
    assert problems[-1].message == "... and 980 more rows with the same problem."


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["A24G", "WT", "V39D:G41C"], True),
        (["p.Val39Asp", "p.Gly41Cys"], True),
        (["WT", "WT"], False),
        (["ACDEFGHIKL", "MKTAYIAKQR"], False),
        (["A24G", "no", "no"], False),
        ([1.0, 2.0], False),
        ([None, None], False),
    ],
)
def test_a_column_of_mutations_is_recognised(cells: list[object], expected: bool) -> None:
    assert looks_like_mutations(pd.Series(cells)) is expected


def test_the_consensus_of_a_scan_is_its_wild_type() -> None:
    scan = [apply_mutations(WILD_TYPE, parse_mutations(f"{a}{i}W")) for i, a in enumerate(WILD_TYPE, start=1)]
    assert consensus(scan) == WILD_TYPE
    assert consensus(["AC", "A"]) == ""
    assert consensus([]) == ""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A:V39D,B:T12A", [("V39D", "A"), ("T12A", "B")]), ("VA39D,TB12A", [("V39D", "A"), ("T12A", "B")]),
        ("H.Val39Asp", [("V39D", "H")]), ("V39D:G41C", [("V39D", ""), ("G41C", "")]),
        ("A:V39D;B:V39D", [("V39D", "A"), ("V39D", "B")]), ("V39->D", [("V39D", "")]),
        ("p.Val39\u2192Asp", [("V39D", "")]),
    ],
)  # fmt: skip
def test_mutations_may_name_their_chain(text: str, expected: list[tuple[str, str]]) -> None:
    assert [(str(mutation), mutation.chain) for mutation in parse_mutations(text)] == expected


def test_of_several_chains_each_is_built_of_its_own_wild_type() -> None:
    frame = pd.DataFrame({"mutant": ["A:M1A,B:E1G", "B:V2A", "A:K2R", "A:V2A", "WT"]})
    frame.attrs["first_row"] = 2
    first, wrong = read_sequences(frame, "mutant", "MKTAY", chain="A")
    second, fine = read_sequences(frame, "mutant", "EVQLV", chain="B")
    assert first == ["AKTAY", "MKTAY", "MRTAY", "", "MKTAY"]
    assert second == ["GVQLV", "EAQLV", "EVQLV", "EVQLV", "EVQLV"]
    assert not fine
    assert [problem.row for problem in wrong] == [5]
    assert "V2A expects V, but residue 2 is K" in wrong[0].message
