"""Positions as people write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from molfun.data.positions import parse_positions, write_positions
from molfun.errors import DataError


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("24-27, 52", [24, 25, 26, 27, 52]), ("52; 24 – 26", [24, 25, 26, 52]), ("-3--1,0", [-3, -2, -1, 0]),
        ("5..6, 5", [5, 6]), ("", []), (" , ", []), ("1 to 3", [1, 2, 3]),
    ],
)  # fmt: skip
def test_numbers_and_stretches_are_read(text: str, numbers: list[int]) -> None:
    assert parse_positions(text) == numbers


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("24, x", "'x' is no position; expected numbers and stretches"), ("9-3", "runs backwards; write 3-9"),
        ("1-99999", "more than 10,000 positions"), ("1-9999999", "is no position"), ("A24", "'A24' is no position"),
    ],
)  # fmt: skip
def test_what_is_no_position_is_named(text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        parse_positions(text)


@given(st.sets(st.integers(-999, 9999), max_size=50))
def test_what_is_written_is_read_back(numbers: set[int]) -> None:
    assert parse_positions(write_positions(numbers)) == sorted(numbers)
