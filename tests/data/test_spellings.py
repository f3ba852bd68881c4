"""Sequences that are written otherwise, and what they are made to by the steps of a recipe."""

from __future__ import annotations

import pytest

from molfun.data.spellings import advice, chain_sign, one_letter, translate, without_tags


@pytest.mark.parametrize(
    ("written", "plain"),
    [
        ("Met-Lys-Thr-Ala", "MKTA"), ("H-Met-Lys-Thr-NH2", "MKT"), ("MetLysThr", "MKT"), ("MET LYS THR", "MKT"),
        ("Met-Xaa-Sec", "MXU"), ("METLYSTHR", "METLYSTHR"), ("MKTAY", "MKTAY"), ("Met-Foo", "Met-Foo"),
    ],
)  # fmt: skip
def test_three_letter_codes_become_one_letter_where_they_surely_are_such(written: str, plain: str) -> None:
    assert one_letter(written) == plain


@pytest.mark.parametrize(
    ("dna", "protein"),
    [
        ("ATGAAAACCTAA", "MKT"), ("augaaaacc", "MKT"), ("ATG AAA\nACC", "MKT"), ("ATGNNNTAGACC", "MX*T"),
        ("ATGA", ""), ("MKTAYI", ""), ("", ""),
    ],
)  # fmt: skip
def test_dna_is_translated_from_its_first_letter(dna: str, protein: str) -> None:
    assert translate(dna) == protein


@pytest.mark.parametrize(
    ("written", "plain"),
    [
        ("HIS-MKTAYIAK", "MKTAYIAK"), ("His6-GST-MKTAYIAK", "MKTAYIAK"), ("MKTAYIAK-6xHis", "MKTAYIAK"),
        ("Ac-MKTAYIAK-NH2", "MKTAYIAK"), ("H-MKTAYIAK-OH", "MKTAYIAK"), ("NH2-MKTAYIAK-COOH", "MKTAYIAK"),
        ("HIS--MKTAY-AK", "HIS--MKTAY-AK"), ("AC-DEFGHI", "AC-DEFGHI"), ("H-KTAYIAK", "H-KTAYIAK"),
    ],
)  # fmt: skip
def test_tags_go_and_residues_of_an_alignment_stay(written: str, plain: str) -> None:
    assert without_tags(written) == plain


@pytest.mark.parametrize(
    ("text", "sign"), [("MKTAYI:EVQLVE", ":"), ("MKTAYI / EVQLVE", "/"), ("MKTAYI", ""), ("MKT:EVQ", ""), ("a:b", "")]
)
def test_chains_in_one_cell_are_told_by_their_sign(text: str, sign: str) -> None:
    assert chain_sign(text) == sign


def test_plain_sequences_need_no_advice() -> None:
    assert [advice(text) for text in ("MKTAYIAK", "AC--DEFG", "MKT1AY", "")] == [""] * 4
