"""Units: what is the same, what can be turned, and what cannot."""

from __future__ import annotations

import pytest

from molfun.data.units import convert, main_unit, read_unit


@pytest.mark.parametrize(
    ("value", "unit", "into", "expected"),
    [
        (0.5, "uM", "nM", 500.0), (2.0, "M", "mM", 2000.0), (1.0, "kcal/mol", "kJ/mol", 4.184), (90.0, "min", "h", 1.5),
        (1.0, "mg/mL", "ug/mL", 1000.0), (5.0, "nM", "nM", 5.0), (1.0, "nM", "kcal/mol", None),
        (1.0, "apples", "nM", None),
    ],
)  # fmt: skip
def test_values_are_turned_within_one_kind(value: float, unit: str, into: str, expected: float | None) -> None:
    assert convert(value, unit, into) == (None if expected is None else pytest.approx(expected, rel=1e-12))


def test_the_letter_m_is_told_by_its_case() -> None:
    assert [read_unit(text) for text in ("M", "mM", "µM", "μM", "[nM]", "NM", "m", "°C")] == [
        "M", "mM", "uM", "uM", "nM", "nM", "", "°C",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("units", "expected"), [(["nM", "uM", "nM"], "nM"), (["nM", "s"], ""), (["nM", ""], ""), ([], "")]
)
def test_the_most_frequent_unit_is_meant_where_all_can_be_turned_into_it(units: list[str], expected: str) -> None:
    assert main_unit(units) == expected
