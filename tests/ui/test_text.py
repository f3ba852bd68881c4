from __future__ import annotations

import pytest

from molfun.ui import text, theme


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.12345, "0.123"), (None, "–"), (float("nan"), "–"), (1234.5, "1,234.500"), (1e-7, "1.00e-07"), (0, "0.000")],
)
def test_number_is_readable(value: float | None, shown: str) -> None:
    assert text.number(value) == shown


@pytest.mark.parametrize(
    ("part", "whole", "shown"),
    [(1539, 25_497_603, "0.006 %"), (1, 2, "50 %"), (0, 5, "0 %"), (1, 0, "0 %"), (5, 5, "100 %")],
)
def test_share_is_in_percent(part: int, whole: int, shown: str) -> None:
    assert text.share(part, whole) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"), [(2, "just now"), (45, "45 s ago"), (75, "1 min 15 s ago"), (7300, "2 h 1 min ago")]
)
def test_ago_counts_back_from_now(seconds: float, shown: str) -> None:
    assert text.ago(1000.0, now=1000.0 + seconds) == shown


@pytest.mark.parametrize("when", [None, ""])
def test_moment_of_nothing_is_a_dash(when: str | None) -> None:
    assert text.moment(when) == "–"


def test_moment_of_seconds_and_of_iso_text_agree() -> None:
    assert text.moment(0) == text.moment("1970-01-01T00:00:00+00:00")


def test_metric_names_keep_the_names_of_people() -> None:
    assert text.metric_inline("val_spearman") == "Spearman correlation"
    assert text.metric_inline("balanced_accuracy") == "balanced accuracy"


def test_status_of_a_newer_version_shows_its_own_name() -> None:
    assert theme.status_look("paused").word == "Paused"
